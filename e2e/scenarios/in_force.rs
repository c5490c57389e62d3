//! What takes protection away without a request that tagseal could refuse: it is told, everywhere, and so is its return.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::*;
use crate::support::Page;

const SOON: Duration = Duration::from_secs(60);
const VALIDATING: &str = "ValidatingWebhookConfiguration";
const MUTATING: &str = "MutatingWebhookConfiguration";

struct Watched {
    fleet: Fleet,
    leader: usize,
}

impl Watched {
    fn start(name: &str) -> Self {
        let fleet = Fleet::start(name, Route::Together);
        let leader = fleet.leader();
        let watched = Self { fleet, leader };
        for configuration in ["mutating", "validating"] {
            watched.shows(&format!("tagseal_webhook_in_force{{configuration=\"{configuration}\"}}"), "1");
        }
        watched.enforced("True", "InForce");
        watched
    }

    fn cluster(&self) -> Cluster {
        self.fleet.cluster()
    }

    /// On every replica.
    #[track_caller]
    fn shows(&self, series: &str, value: &str) {
        for replica in &self.fleet.replicas {
            eventually(&format!("{} shows {series} {value}", replica.name()), SOON, || {
                let page = replica.metrics();
                if Page::read(&page).value(series) == value { Ok(()) } else { Err(page) }
            });
        }
    }

    /// What the policy that is always there says; its message.
    #[track_caller]
    fn enforced(&self, status: &str, reason: &str) -> String {
        eventually(&format!("Enforced is {status}, {reason}"), SOON, || {
            let policy = self.cluster().gets("ctp/e2e-probe");
            let conditions = policy["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let found = conditions.into_iter().find(|of| of["type"] == "Enforced").unwrap_or_default();
            if found["status"] == status && found["reason"] == reason {
                Ok(found["message"].as_str().unwrap_or_default().to_owned())
            } else {
                Err(found.to_string())
            }
        })
    }

    /// An Event about this object says it, and so does a line in the leader's log.
    #[track_caller]
    fn tells(&self, kind: &str, name: &str, reason: &str, note: &str) {
        eventually(&format!("an Event tells of {kind} {name}: {note}"), SOON, || {
            let events = self.cluster().in_namespace("default").gets("events.events.k8s.io");
            let is_it = |event: &Value| {
                event["regarding"]["kind"] == kind
                    && event["regarding"]["name"] == name
                    && event["reason"] == reason
                    && event["note"].as_str().unwrap_or_default().contains(note)
            };
            let all = events["items"].as_array().expect("a list");
            if all.iter().any(is_it) { Ok(()) } else { Err(events.to_string()) }
        });
        let log = self.fleet.replicas[self.leader].log().replace("\\\"", "\"");
        let line = log.lines().find(|line| line.contains(&format!("{kind} {name}")) && line.contains(note));
        assert!(line.is_some(), "no line has {note:?}: {log}");
    }

    /// Everything is as it was.
    #[track_caller]
    fn is_whole(&self, series: &str, kind: &str, name: &str) {
        self.shows(series, "1");
        self.enforced("True", "InForce");
        self.tells(kind, name, "InForce", "is in force again");
    }
}

/// The object as it can be created again.
fn anew(mut object: Value) -> Value {
    let metadata = object["metadata"].as_object_mut().expect("metadata");
    metadata.retain(|field, _| ["name", "labels", "annotations"].contains(&field.as_str()));
    object.as_object_mut().expect("an object").remove("status");
    object
}

#[test]
fn a27_webhook_configurations_that_are_deleted_or_changed_are_told_and_so_is_their_return() {
    let watched = Watched::start("a27-webhooks");
    let cluster = watched.cluster();
    for (kind, label) in [(VALIDATING, "validating"), (MUTATING, "mutating")] {
        let series = format!("tagseal_webhook_in_force{{configuration=\"{label}\"}}");
        let whole = cluster.gets(&format!("{kind}/tagseal"));
        cluster.does(&["delete", kind, "tagseal"]);
        watched.shows(&series, "0");
        let message = watched.enforced("False", "WebhookMissing");
        assert!(message.contains(&format!("{kind} tagseal: it is not there")), "{message}");
        watched.tells(kind, "tagseal", "WebhookMissing", "it is not there");
        cluster.creates(&anew(whole.clone())).object();
        watched.is_whole(&series, kind, "tagseal");

        let selector = json!({"key": "team", "operator": "Exists"});
        let never = json!([{"name": "never", "expression": "false"}]);
        let changes = [
            ("WebhookNarrowed", "pods/ephemeralcontainers", "/rules/0/resources", json!(["pods"])),
            ("WebhookNarrowed", "(UPDATE)", "/rules/1/operations", json!(["CREATE"])),
            ("WebhookNarrowed", "namespaceSelector", "/namespaceSelector/matchExpressions/-", selector),
            ("WebhookNarrowed", "objectSelector", "/objectSelector", json!({"matchLabels": {"a": "b"}})),
            ("WebhookNarrowed", "matchConditions", "/matchConditions", never),
            ("WebhookMisdirected", "/readyz", "/clientConfig/service/path", json!("/readyz")),
            ("WebhookMisdirected", "other", "/clientConfig/service/name", json!("other")),
            ("WebhookFailsOpen", "failurePolicy", "/failurePolicy", json!("Ignore")),
        ];
        for (reason, note, pointer, value) in changes {
            if reason == "WebhookFailsOpen" && kind == MUTATING {
                continue;
            }
            let op = if pointer.ends_with('-') { "add" } else { "replace" };
            let patch = json!([{"op": op, "path": format!("/webhooks/0{pointer}"), "value": value}]);
            cluster.does(&["patch", kind, "tagseal", "--type=json", "-p", &patch.to_string()]);
            watched.shows(&series, "0");
            let message = watched.enforced("False", reason);
            assert!(message.contains(note), "{pointer}: {message}");
            watched.tells(kind, "tagseal", reason, note);
            let patch = json!([{"op": "replace", "path": "/webhooks", "value": whole["webhooks"]}]);
            cluster.does(&["patch", kind, "tagseal", "--type=json", "-p", &patch.to_string()]);
            watched.is_whole(&series, kind, "tagseal");
        }
    }
}

#[test]
fn a27_definitions_that_are_deleted_are_told() {
    let watched = Watched::start("a27-definitions");
    let cluster = watched.cluster();
    let name = "trustedrepositories.tagseal.dev";
    let series = format!("tagseal_definition_in_force{{definition=\"{name}\"}}");
    let whole = cluster.gets(&format!("crd/{name}"));
    cluster.does(&["delete", "crd", name, "--timeout=60s"]);
    watched.shows(&series, "0");
    let message = watched.enforced("False", "DefinitionMissing");
    assert!(message.contains(name), "{message}");
    watched.tells("CustomResourceDefinition", name, "DefinitionMissing", "is not in force");
    cluster.creates(&anew(whole)).object();
    watched.is_whole(&series, "CustomResourceDefinition", name);

    // With its definition every policy is gone, and nobody is left to have a condition.
    let name = "clustertrustpolicies.tagseal.dev";
    cluster.does(&["delete", "crd", name, "--timeout=60s"]);
    watched.shows(&format!("tagseal_definition_in_force{{definition=\"{name}\"}}"), "0");
    watched.tells("CustomResourceDefinition", name, "DefinitionMissing", "is not in force");
}

/// The Secret outlives an installation, and so did the lease of a leader that was killed: for 15 s nobody writes `caBundle`.
#[test]
fn after_a_reinstallation_no_replica_is_ready_before_the_api_server_knows_its_certificate() {
    let mut fleet = Fleet::start("reinstalled", Route::Together);
    let cluster = fleet.cluster();
    fleet.replicas.iter_mut().for_each(Replica::dies);
    for kind in [VALIDATING, MUTATING] {
        cluster.does(&["delete", kind, "tagseal"]);
    }
    upgrades(&cluster);
    fleet.replicas.iter_mut().for_each(Replica::starts);
    for replica in &mut fleet.replicas {
        replica.awaits_ready();
        for kind in [VALIDATING, MUTATING] {
            let configuration = cluster.gets(&format!("{kind}/tagseal"));
            for webhook in configuration["webhooks"].as_array().expect("webhooks") {
                let bundle = webhook["clientConfig"]["caBundle"].as_str().unwrap_or_default();
                assert!(!bundle.is_empty(), "{} is ready, and has no bundle: {webhook}", replica.name());
            }
        }
    }
}
