//! What is said of webhook configurations and definitions: in metrics, Events, conditions and the log.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tagseal::admission::sites::KINDS;
use tagseal::clock::ManualClock;
use tagseal::controller::{
    CertificateOptions, Certificates, EventWriter, Events, Expected, InForce, InForceOptions, Leadership,
    Lifetimes, PolicyWatch, PolicyWatchOptions,
};
use tagseal::policy::{PolicySnapshot, Selector, SetOptions};
use tagseal::telemetry::Metrics;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::api_server::{ApiServer, Fault};
use super::world::{LIMIT, Repositories, cluster_policy, now, policy};
use crate::support::{Log, Page};

const MUTATING: &str = "mutatingwebhookconfigurations";
const VALIDATING: &str = "validatingwebhookconfigurations";
const DEFINITIONS: &str = "customresourcedefinitions";

fn options() -> InForceOptions {
    InForceOptions {
        webhook_configuration: "tagseal".to_owned(),
        expected: Expected {
            namespace: "tagseal-system".to_owned(),
            service: "tagseal".to_owned(),
            covered: Selector::of_webhooks("tagseal-system"),
            conditions: Vec::new(),
        },
    }
}

/// The cluster-wide objects of `manifests/install.yaml` that protection rests on, by their resource.
fn shipped() -> Vec<(&'static str, Value)> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(include_str!("../../manifests/install.yaml")).unwrap();
    let resource = |object: &Value| match object["kind"].as_str() {
        Some("MutatingWebhookConfiguration") => Some(MUTATING),
        Some("ValidatingWebhookConfiguration") => Some(VALIDATING),
        Some("CustomResourceDefinition") => Some(DEFINITIONS),
        _ => None,
    };
    documents.into_iter().filter_map(|object| Some((resource(&object)?, object))).collect()
}

/// One of the shipped configurations, without `caBundle`.
fn configuration(resource: &str) -> Value {
    shipped().into_iter().find(|(of, _)| *of == resource).unwrap().1
}

/// An authority that the bundle of a configuration may have, which covers nothing of tagseal's.
fn foreign_bundle() -> String {
    use base64::Engine as _;
    let key = rcgen::generate_simple_self_signed(vec!["foreign.test".to_owned()]).unwrap();
    base64::engine::general_purpose::STANDARD.encode(key.cert.pem())
}

/// A cluster in which all is as the chart has it, and `caBundle` is there.
fn installed() -> ApiServer {
    let server = ApiServer::new();
    let bundle = foreign_bundle();
    for (resource, mut object) in shipped() {
        for webhook in object["webhooks"].as_array_mut().into_iter().flatten() {
            webhook["clientConfig"]["caBundle"] = json!(bundle);
        }
        server.put(resource, object);
    }
    server
}

/// One replica that leads, or does not, and what it says.
struct Watching {
    server: ApiServer,
    metrics: Metrics,
    clock: ManualClock,
    tasks: Vec<JoinHandle<()>>,
}

impl Watching {
    fn leads(server: &ApiServer) -> Self {
        Self::with(server, Leadership::always())
    }

    fn with(server: &ApiServer, leadership: Leadership) -> Self {
        let (clock, metrics) = (ManualClock::at(now()), Metrics::default());
        let shared = || std::sync::Arc::new(clock.clone());
        let (events, mut notices) = Events::channel();
        let in_force = InForce::new(
            server.client(),
            options(),
            leadership.clone(),
            events.clone(),
            metrics.clone(),
            shared(),
        );
        let (sender, _) = watch::channel(PolicySnapshot::default());
        let policy_options = PolicyWatchOptions {
            system_namespace: "tagseal-system".to_owned(),
            set: SetOptions::default(),
            patience: LIMIT,
        };
        let policies = PolicyWatch::new(server.client(), policy_options, sender, shared())
            .led_by(leadership, events)
            .enforced_by(in_force.enforcement());
        let statuses = policies.statuses(std::sync::Arc::new(Repositories::default()));
        let writer = EventWriter::new(server.client(), "one", shared(), Metrics::default());
        let tasks = vec![
            tokio::spawn(in_force.run()),
            tokio::spawn(async move {
                tokio::join!(policies.run(), statuses.run());
            }),
            tokio::spawn(async move { writer.run(&mut notices).await }),
        ];
        Self { server: server.clone(), metrics, clock, tasks }
    }

    async fn until<T>(&self, what: &str, look: impl Fn() -> Result<T, String>) -> T {
        let mut last = String::new();
        let waited = tokio::time::timeout(LIMIT, async {
            loop {
                match look() {
                    Ok(found) => return found,
                    Err(other) => last = other,
                }
                self.clock.advance(SignedDuration::from_millis(100));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let found = waited.await;
        found.unwrap_or_else(|_| panic!("not so: {what}: {last}\n{:#?}", self.server.requests()))
    }

    async fn shows(&self, series: &str, value: &str) {
        self.until(&format!("{series} {value}"), || {
            let page = Page::of(&self.metrics);
            if page.value(series) == value { Ok(()) } else { Err(self.metrics.render()) }
        })
        .await;
    }

    /// The condition of every policy, once it has this status and reason; its message.
    async fn enforced(&self, status: &str, reason: &str) -> String {
        self.until(&format!("Enforced {status} {reason}"), || {
            let policies =
                ["clustertrustpolicies", "trustpolicies"].into_iter().flat_map(|of| self.server.objects(of));
            let mut message = Err("no policies".to_owned());
            for policy in policies {
                let conditions = policy["status"]["conditions"].as_array().cloned().unwrap_or_default();
                let found = conditions.into_iter().find(|of| of["type"] == "Enforced").unwrap_or_default();
                if found["status"] != status || found["reason"] != reason {
                    return Err(found.to_string());
                }
                message = Ok(found["message"].as_str().unwrap().to_owned());
            }
            message
        })
        .await
    }

    /// An Event about this object with this reason; its note.
    async fn tells(&self, kind: &str, name: &str, reason: &str) -> String {
        self.until(&format!("an Event {reason} about {kind} {name}"), || {
            let events = self.server.objects("events");
            let is_it = |event: &&Value| {
                event["regarding"]["kind"] == kind
                    && event["regarding"]["name"] == name
                    && event["reason"] == reason
            };
            match events.iter().find(is_it) {
                Some(event) => Ok(event["note"].as_str().unwrap().to_owned()),
                None => Err(format!("{events:?}")),
            }
        })
        .await
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn with_policies(server: &ApiServer) {
    server.put("clustertrustpolicies", cluster_policy("a", "registry.example.com/**"));
    server.put("trustpolicies", policy("shop", "b", "registry.example.com/**"));
}

const OF_MUTATING: &str = r#"tagseal_webhook_in_force{configuration="mutating"}"#;
const OF_VALIDATING: &str = r#"tagseal_webhook_in_force{configuration="validating"}"#;

#[tokio::test]
async fn a27_a_configuration_that_is_deleted_is_told_everywhere_and_its_return_too() {
    let server = installed();
    with_policies(&server);
    let log = Log::text();
    let watching = Watching::leads(&server);
    for series in [OF_MUTATING, OF_VALIDATING] {
        watching.shows(series, "1").await;
    }
    watching.enforced("True", "InForce").await;
    for (resource, kind, series, other) in [
        (MUTATING, "MutatingWebhookConfiguration", OF_MUTATING, OF_VALIDATING),
        (VALIDATING, "ValidatingWebhookConfiguration", OF_VALIDATING, OF_MUTATING),
    ] {
        let whole = server.object(resource, "", "tagseal");
        server.delete(resource, "", "tagseal");
        watching.shows(series, "0").await;
        watching.shows(other, "1").await;
        let message = watching.enforced("False", "WebhookMissing").await;
        assert!(message.starts_with(&format!("{kind} tagseal: it is not there; ")), "{message}");
        assert!(message.contains("helm upgrade"), "{message}");
        let note = watching.tells(kind, "tagseal", "WebhookMissing").await;
        assert!(note.starts_with(&format!("{kind} tagseal is not in force: it is not there; ")), "{note}");
        server.put(resource, whole);
        watching.shows(series, "1").await;
        watching.enforced("True", "InForce").await;
        watching.tells(kind, "tagseal", "InForce").await;
        let log = log.read();
        let told = |what: &str| log.matches(&format!("{kind} tagseal is {what}")).count();
        assert_eq!((told("not in force"), told("in force again")), (1, 1), "{log}");
    }
}

#[tokio::test]
async fn a27_a_definition_that_is_deleted_is_told_by_what_is_left() {
    let server = installed();
    with_policies(&server);
    let watching = Watching::leads(&server);
    watching.enforced("True", "InForce").await;
    let name = "trustedrepositories.tagseal.dev";
    let series = format!("tagseal_definition_in_force{{definition=\"{name}\"}}");
    watching.shows(&series, "1").await;
    server.delete(DEFINITIONS, "", name);
    watching.shows(&series, "0").await;
    let message = watching.enforced("False", "DefinitionMissing").await;
    assert!(message.contains(name), "{message}");
    watching.tells("CustomResourceDefinition", name, "DefinitionMissing").await;
    watching.shows(OF_VALIDATING, "1").await;
}

/// Nobody has a policy yet, and it is told all the same.
#[tokio::test]
async fn a27_a_narrowing_is_told_before_the_first_policy_exists() {
    let server = installed();
    let watching = Watching::leads(&server);
    watching.shows(OF_VALIDATING, "1").await;
    let mut narrowed = server.object(VALIDATING, "", "tagseal");
    narrowed["webhooks"][0]["rules"][0]["resources"] = json!(["pods"]);
    server.put(VALIDATING, narrowed);
    watching.shows(OF_VALIDATING, "0").await;
    let note = watching.tells("ValidatingWebhookConfiguration", "tagseal", "WebhookNarrowed").await;
    assert!(note.contains("pods/ephemeralcontainers (UPDATE)"), "{note}");
}

#[tokio::test]
async fn what_may_not_be_read_is_not_known_to_be_in_force() {
    let server = installed();
    with_policies(&server);
    server.fail(&format!("LIST {MUTATING}"), Fault::Status(403, "it is forbidden"));
    let watching = Watching::leads(&server);
    watching.shows(OF_MUTATING, "0").await;
    watching.shows(OF_VALIDATING, "1").await;
    let message = watching.enforced("Unknown", "NotReadable").await;
    let right = "let tagseal's ServiceAccount list and watch mutatingwebhookconfigurations.admissionregistration.k8s.io (tagseal)";
    assert!(message.contains(right), "{message}");
    server.heal();
    watching.shows(OF_MUTATING, "1").await;
    watching.enforced("True", "InForce").await;
}

#[tokio::test]
async fn a_replica_that_does_not_lead_shows_what_it_sees_and_tells_nobody() {
    let server = installed();
    with_policies(&server);
    let (leads, leadership) = watch::channel(false);
    let watching = Watching::with(&server, Leadership::new(leadership));
    watching.shows(OF_VALIDATING, "1").await;
    server.delete(VALIDATING, "", "tagseal");
    watching.shows(OF_VALIDATING, "0").await;
    assert_eq!((server.count("APPLY"), server.count("CREATE")), (0, 0));
    leads.send_replace(true);
    watching.enforced("False", "WebhookMissing").await;
    watching.tells("ValidatingWebhookConfiguration", "tagseal", "WebhookMissing").await;
}

#[tokio::test]
async fn an_api_server_that_does_not_answer_changes_nothing_of_what_was_seen() {
    let server = installed();
    let watching = Watching::leads(&server);
    watching.shows(OF_VALIDATING, "1").await;
    server.fail("", Fault::Refused);
    server.break_watches();
    let before = server.count("LIST");
    watching
        .until("it is asked again", || {
            if server.count("LIST") > before + 8 { Ok(()) } else { Err(String::new()) }
        })
        .await;
    assert_eq!(Page::of(&watching.metrics).value(OF_VALIDATING), "1");
}

/// A kind that tagseal learns to look into is a kind that the API server has to ask about.
#[tokio::test]
async fn a27_every_kind_with_images_that_the_rules_leave_out_is_told() {
    let server = installed();
    with_policies(&server);
    let watching = Watching::leads(&server);
    watching.enforced("True", "InForce").await;
    let whole = server.object(VALIDATING, "", "tagseal");
    for kind in KINDS {
        let resource = format!("{}s", kind.kind().to_lowercase());
        let mut without = whole.clone();
        let mut found = 0;
        for rule in without["webhooks"][0]["rules"].as_array_mut().unwrap() {
            let resources = rule["resources"].as_array_mut().unwrap();
            let before = resources.len();
            resources.retain(|of| *of != resource);
            found += before - resources.len();
        }
        assert_eq!(found, 1, "{resource}");
        server.put(VALIDATING, without);
        watching.shows(OF_VALIDATING, "0").await;
        let message = watching.enforced("False", "WebhookNarrowed").await;
        assert!(message.contains(&format!("leave out {resource} (CREATE, UPDATE)")), "{message}");
        server.put(VALIDATING, whole.clone());
        watching.enforced("True", "InForce").await;
    }
}

/// As after a new installation: the Secret of the old one is there, and the configurations have no `caBundle`.
#[tokio::test]
async fn a_replica_waits_for_ca_bundle_to_cover_what_it_serves() {
    let server = ApiServer::new();
    for (resource, object) in shipped() {
        server.put(resource, object);
    }
    let clock = ManualClock::at(now());
    let (leads, leadership) = watch::channel(true);
    let certificates = |leadership: &watch::Receiver<bool>| {
        let options = CertificateOptions {
            namespace: "tagseal-system".to_owned(),
            secret: "tagseal-tls".to_owned(),
            service: "tagseal".to_owned(),
            webhook_configuration: "tagseal".to_owned(),
            lifetimes: Lifetimes::of_leaf(SignedDuration::from_hours(90 * 24)),
        };
        let leadership = Leadership::new(leadership.clone());
        let shared = std::sync::Arc::new(clock.clone());
        Certificates::new(server.client(), &options, leadership, Metrics::default(), shared)
    };
    let in_force = |certificates: &Certificates| {
        let shared = std::sync::Arc::new(clock.clone());
        let (events, leadership) = (Events::nowhere(), Leadership::always());
        InForce::new(server.client(), options(), leadership, events, Metrics::default(), shared)
            .serving(certificates.served())
    };
    let first = certificates(&leadership);
    let watching = in_force(&first);
    let mut is_covered = watching.is_covered();
    let tasks = [tokio::spawn(first.run()), tokio::spawn(watching.run())];
    let covered = tokio::time::timeout(LIMIT, is_covered.wait_for(|is_covered| *is_covered));
    covered.await.expect("covered once the leader wrote it").unwrap();
    tasks.iter().for_each(JoinHandle::abort);

    // The webhooks are made anew, and nobody leads yet.
    leads.send_replace(false);
    for resource in [MUTATING, VALIDATING] {
        server.put(resource, configuration(resource));
    }
    let second = certificates(&leadership);
    let mut served = second.served();
    let watching = in_force(&second);
    let mut is_covered = watching.is_covered();
    let _tasks = [tokio::spawn(second.run()), tokio::spawn(watching.run())];
    tokio::time::timeout(LIMIT, served.wait_for(Option::is_some)).await.unwrap().unwrap();
    let seen = server.count(&format!("WATCH {VALIDATING}"));
    server.served(&format!("WATCH {VALIDATING}"), seen.max(2)).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!*is_covered.borrow(), "no API server knows what it serves");
    leads.send_replace(true);
    let covered = tokio::time::timeout(LIMIT, is_covered.wait_for(|is_covered| *is_covered));
    covered.await.expect("covered once the leader wrote it").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_replica_waits_for_no_bundle_that_it_cannot_see_nor_for_ever() {
    let of = |server: &ApiServer| {
        let (_, served) = watch::channel(Some(served()));
        let shared = std::sync::Arc::new(ManualClock::at(now()));
        let in_force = InForce::new(
            server.client(),
            options(),
            Leadership::always(),
            Events::nowhere(),
            Metrics::default(),
            shared,
        );
        let in_force = in_force.serving(served);
        let covered = in_force.is_covered();
        (covered, tokio::spawn(in_force.run()))
    };
    let waits = async |server: &ApiServer| {
        let began = tokio::time::Instant::now();
        let (mut covered, task) = of(server);
        covered.wait_for(|covered| *covered).await.unwrap();
        task.abort();
        began.elapsed()
    };
    let nothing = ApiServer::new();
    assert!(waits(&nothing).await < Duration::from_secs(3), "what is not there needs no bundle");
    let refused = installed();
    refused.fail("LIST ", Fault::Status(403, "it is forbidden"));
    assert!(waits(&refused).await < Duration::from_secs(3), "what cannot be read is not waited for");
    let foreign = installed();
    let waited = waits(&foreign).await;
    assert!((Duration::from_secs(60)..Duration::from_secs(65)).contains(&waited), "{waited:?}");
}

/// A certificate that no `caBundle` covers.
fn served() -> std::sync::Arc<rustls::sign::CertifiedKey> {
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    let key = rcgen::generate_simple_self_signed(vec!["tagseal.tagseal-system.svc".to_owned()]).unwrap();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
    let chain = vec![key.cert.der().clone()];
    let provider = rustls::crypto::ring::default_provider();
    std::sync::Arc::new(rustls::sign::CertifiedKey::from_der(chain, private, &provider).unwrap())
}
