//! Exemptions in a cluster: from the object to the set, and what their status and Events say.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tagseal::clock::ManualClock;
use tagseal::controller::{Events, ExemptionUses, Leadership, Notice, PolicyWatch, PolicyWatchOptions};
use tagseal::policy::{PolicySnapshot, SetOptions};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::api_server::{ApiServer, Fault};
use super::world::{LIMIT, World, cluster_policy, now};

fn exemption(name: &str, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "tagseal.dev/v1alpha1", "kind": "TrustExemption", "metadata": {"name": name},
        "spec": {"images": {"include": ["registry.example.com/vendor/**"]}, "reason": "their signer is away"},
    });
    for (field, value) in spec.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    object
}

/// A replica's watch and its writer of statuses.
struct Replica {
    clock: ManualClock,
    uses: ExemptionUses,
    notices: mpsc::Receiver<Notice>,
    snapshots: watch::Receiver<PolicySnapshot>,
    task: JoinHandle<()>,
}

impl Replica {
    fn start(server: &ApiServer) -> Self {
        let clock = ManualClock::at(now());
        let (sender, snapshots) = watch::channel(PolicySnapshot::default());
        let options = PolicyWatchOptions {
            system_namespace: "tagseal-system".to_owned(),
            set: SetOptions::default(),
            patience: LIMIT,
        };
        let (events, notices) = Events::channel();
        let uses = ExemptionUses::default();
        let watch = PolicyWatch::new(server.client(), options, sender, Arc::new(clock.clone()))
            .led_by(Leadership::always(), events);
        let statuses = watch.exemption_statuses(uses.clone());
        let task = tokio::spawn(async move {
            tokio::join!(watch.run(), statuses.run());
        });
        Self { clock, uses, notices, snapshots, task }
    }

    async fn synced(&mut self) {
        let is_synced = |snapshot: &PolicySnapshot| matches!(snapshot, PolicySnapshot::Synced(_));
        tokio::time::timeout(LIMIT, self.snapshots.wait_for(is_synced)).await.unwrap().unwrap();
    }

    async fn notice(&mut self) -> (String, bool, String) {
        let notice = tokio::time::timeout(LIMIT, self.notices.recv()).await.unwrap().unwrap();
        assert_eq!(notice.about.kind.as_deref(), Some("TrustExemption"));
        (notice.reason, notice.is_warning, notice.note)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn condition(server: &ApiServer, name: &str, kind: &str) -> (String, String) {
    let object = server.object("trustexemptions", "", name);
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == kind).cloned().unwrap_or_default();
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

#[tokio::test]
async fn an_exemption_is_in_the_set_from_the_first_one_on_and_goes_with_its_object() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("a", "registry.example.com/**"));
    server.put("trustexemptions", exemption("vendor", json!({})));
    let mut world = World::start(&server);
    let set = world.set(|_| true).await;
    let exemptions: Vec<_> = set.exemptions().map(|(exemption, _)| exemption.name().to_owned()).collect();
    assert_eq!(exemptions, ["vendor"]);
    server.delete("trustexemptions", "", "vendor");
    world.set(|set| set.exemptions().count() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn exemptions_that_cannot_be_read_hold_policies_up_for_a_while_and_no_longer() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("a", "registry.example.com/**"));
    server.put("trustexemptions", exemption("vendor", json!({})));
    server.fail("LIST trustexemptions", Fault::Status(403, "forbidden"));
    let mut world = World::with_patience(&server, Duration::from_secs(5));
    let set = world.set(|_| true).await;
    assert_eq!(set.exemptions().count(), 0);
    server.heal();
    world.set(|set| set.exemptions().count() == 1).await;
}

#[tokio::test]
async fn p15_a_status_and_one_event_say_when_an_exemption_begins_is_about_to_end_and_ends() {
    let server = ApiServer::new();
    server.put("trustexemptions", exemption("vendor", json!({"until": "2026-03-03T12:00:00Z"})));
    let mut replica = Replica::start(&server);
    server.served("APPLY trustexemptions vendor/status", 1).await;
    assert_eq!(condition(&server, "vendor", "Active"), ("True".into(), "InForce".into()));
    assert_eq!(condition(&server, "vendor", "Expired"), ("False".into(), "InForce".into()));
    let (reason, is_warning, note) = replica.notice().await;
    assert_eq!((reason.as_str(), is_warning), ("InForce", false));
    assert_eq!(note, "in force until 2026-03-03T12:00:00Z (reason: \"their signer is away\")");

    replica.clock.set("2026-03-02T12:00:00Z".parse().unwrap());
    server.served("APPLY trustexemptions vendor/status", 2).await;
    assert_eq!(condition(&server, "vendor", "Active"), ("True".into(), "EndsSoon".into()));
    assert_eq!(replica.notice().await.0, "EndsSoon");

    replica.clock.set("2026-03-03T12:00:00Z".parse().unwrap());
    server.served("APPLY trustexemptions vendor/status", 3).await;
    assert_eq!(condition(&server, "vendor", "Active"), ("False".into(), "Expired".into()));
    assert_eq!(condition(&server, "vendor", "Expired"), ("True".into(), "Expired".into()));
    let (reason, is_warning, _) = replica.notice().await;
    assert_eq!((reason.as_str(), is_warning), ("Expired", true));

    // Another leader finds all of it there.
    drop(replica);
    let mut next = Replica::start(&server);
    next.clock.set("2026-03-03T12:00:01Z".parse().unwrap());
    next.synced().await;
    server.put("trustexemptions", exemption("other", json!({})));
    server.served("APPLY trustexemptions other/status", 1).await;
    assert_eq!(server.count("APPLY trustexemptions vendor/status"), 3);
    assert!(next.notice().await.2.starts_with("in force without an end"), "only of the other one");
}

#[tokio::test]
async fn an_exemption_that_cannot_be_used_says_what_is_wrong() {
    let server = ApiServer::new();
    server.put("trustexemptions", exemption("broken", json!({"until": "Friday"})));
    server.put("trustexemptions", exemption("lost", json!({"policies": ["prodcution"]})));
    let _replica = Replica::start(&server);
    server.served("APPLY trustexemptions broken/status", 1).await;
    assert_eq!(condition(&server, "broken", "Active"), ("False".into(), "Invalid".into()));
    server.served("APPLY trustexemptions lost/status", 1).await;
    let message = server.object("trustexemptions", "", "lost")["status"]["conditions"][0]["message"].clone();
    let wanted =
        "in force without an end; it names policies that are not there: ClusterTrustPolicy prodcution";
    assert_eq!(message, wanted);
}

#[tokio::test(start_paused = true)]
async fn each_replica_adds_how_often_an_exemption_was_used_and_takes_no_count_away() {
    let server = ApiServer::new();
    server.put("trustexemptions", exemption("vendor", json!({})));
    let (mut one, mut two) = (Replica::start(&server), Replica::start(&server));
    one.synced().await;
    two.synced().await;
    for _ in 0..3 {
        one.uses.used("vendor", now());
        two.uses.used("vendor", now() + SignedDuration::from_secs(5));
    }
    let used = || server.object("trustexemptions", "", "vendor")["status"]["used"].clone();
    let all = async {
        while used() != json!(6) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), all).await.unwrap_or_else(|_| panic!("{}", used()));
    let last = server.object("trustexemptions", "", "vendor")["status"]["lastUsed"].clone();
    assert_eq!(last, "2026-03-01T12:00:05Z");
    // What was counted once is not added again, and the conditions stand beside it.
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(used(), json!(6));
    assert_eq!(condition(&server, "vendor", "Active"), ("True".into(), "InForce".into()));
}
