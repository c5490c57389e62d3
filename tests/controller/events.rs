//! Events: aggregated, bounded, and of no consequence where they cannot be posted.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use serde_json::Value;
use tagseal::clock::ManualClock;
use tagseal::controller::{EventWriter, Events, Notice};
use tagseal::telemetry::Metrics;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::api_server::{ApiServer, Fault};
use super::world::now;
use crate::support::seconds;

struct Writer {
    server: ApiServer,
    events: Events,
    clock: ManualClock,
    task: JoinHandle<()>,
}

impl Writer {
    fn start() -> Self {
        let (server, clock) = (ApiServer::new(), ManualClock::at(now()));
        let (events, mut notices) = Events::channel();
        let shared = Arc::new(clock.clone());
        let writer = EventWriter::new(server.client(), "tagseal-5f7-x1", shared, Metrics::default());
        let task = tokio::spawn(async move { writer.run(&mut notices).await });
        Self { server, events, clock, task }
    }

    async fn passes(&self, time: u32) {
        for _ in 0..time {
            sleep(Duration::from_secs(1)).await;
            self.clock.advance(seconds(1));
        }
    }

    /// Posts, and lets the writer have its turn.
    async fn posts(&self, notice: Notice) {
        assert!(self.events.post(notice));
        sleep(Duration::from_millis(1)).await;
    }

    fn posted(&self) -> Vec<Value> {
        self.server.objects("events")
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
        if !std::thread::panicking() {
            assert_eq!(self.server.unexpected(), Vec::<String>::new());
        }
    }
}

fn pod(name: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        namespace: Some("shop".to_owned()),
        name: Some(name.to_owned()),
        uid: Some(format!("uid-of-{name}")),
        ..ObjectReference::default()
    }
}

fn finding(about: ObjectReference, note: &str) -> Notice {
    Notice { about, is_warning: true, reason: "NotSigned".to_owned(), action: "Admit", note: note.to_owned() }
}

fn on_policy(note: &str) -> Notice {
    let about = ObjectReference {
        api_version: Some("tagseal.dev/v1alpha1".to_owned()),
        kind: Some("ClusterTrustPolicy".to_owned()),
        name: Some("production".to_owned()),
        ..ObjectReference::default()
    };
    Notice { reason: "InvalidPolicy".to_owned(), action: "Compile", ..finding(about, note) }
}

#[tokio::test(start_paused = true)]
async fn an_event_says_what_happened_to_what_and_who_says_so() {
    let writer = Writer::start();
    writer.posts(finding(pod("web"), "container \"web\": NotSigned")).await;
    writer.posts(on_policy("Ready is False")).await;
    let posted = writer.posted();
    let of =
        |namespace: &str| posted.iter().find(|event| event["metadata"]["namespace"] == namespace).unwrap();
    let event = of("shop");
    assert!(event["metadata"]["name"].as_str().unwrap().starts_with("web."), "{event}");
    for (field, value) in [
        ("type", "Warning"),
        ("reason", "NotSigned"),
        ("action", "Admit"),
        ("note", "container \"web\": NotSigned"),
        ("reportingController", "tagseal"),
        ("reportingInstance", "tagseal-5f7-x1"),
        ("eventTime", "2026-03-01T12:00:00.000000Z"),
    ] {
        assert_eq!(event[field], value, "{field}");
    }
    assert_eq!(event["regarding"]["uid"], "uid-of-web");
    assert_eq!(event.get("series"), None);
    let event = of("default");
    assert_eq!(event["regarding"]["kind"], "ClusterTrustPolicy");
    assert_eq!(event["regarding"].get("namespace"), None);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_findings_that_say_the_same_are_one_event_that_counts_them() {
    let writer = Writer::start();
    for _ in 0..1000 {
        writer.posts(finding(pod("web"), "not signed")).await;
    }
    assert_eq!(writer.server.count(""), 1, "{:#?}", writer.server.requests());
    writer.passes(75).await;
    let posted = writer.posted();
    assert_eq!(posted.len(), 1);
    assert_eq!(posted[0]["series"]["count"], 1000);
    assert_eq!(writer.server.count(""), 2, "{:#?}", writer.server.requests());
    writer.passes(300).await;
    assert_eq!(writer.server.count(""), 2, "nothing happened, nothing is written");
    // One a second for five minutes: a write a minute.
    for _ in 0..300 {
        writer.posts(finding(pod("web"), "not signed")).await;
        writer.passes(1).await;
    }
    assert!((4..=7).contains(&(writer.server.count("MERGE") - 1)), "{:#?}", writer.server.requests());
    assert_eq!(writer.posted().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_findings_on_as_many_pods_are_bounded_and_leave_room_for_a_policys_own() {
    let writer = Writer::start();
    for number in 0..1000 {
        writer.posts(finding(pod(&format!("web-{number}")), "not signed")).await;
    }
    // A thousand milliseconds: what one namespace has of the burst, and what one second adds.
    assert!((25..=27).contains(&writer.posted().len()), "{}", writer.posted().len());
    writer.posts(on_policy("Ready is False")).await;
    let kinds: Vec<_> = writer.posted().iter().map(|event| event["regarding"]["kind"].clone()).collect();
    assert!(kinds.iter().any(|kind| kind == "ClusterTrustPolicy"));
    let before = writer.posted().len();
    for number in 0..60 {
        writer.posts(finding(pod(&format!("later-{number}")), "not signed")).await;
        writer.posts(finding(pod(&format!("later-too-{number}")), "not signed")).await;
        writer.passes(1).await;
    }
    assert!((58..=62).contains(&(writer.posted().len() - before)), "one a second");
}

#[tokio::test(start_paused = true)]
async fn where_one_namespace_floods_another_is_told_all_the_same_and_a_repetition_soon() {
    let writer = Writer::start();
    for number in 0..300 {
        writer.posts(finding(pod(&format!("web-{number}")), "not signed")).await;
    }
    let elsewhere = ObjectReference { namespace: Some("payments".to_owned()), ..pod("web") };
    for _ in 0..2 {
        writer.posts(finding(elsewhere.clone(), "not signed")).await;
    }
    let of_payments = || {
        let events = writer.posted();
        events.into_iter().filter(|event| event["metadata"]["namespace"] == "payments").collect::<Vec<_>>()
    };
    assert_eq!(of_payments().len(), 1);
    writer.passes(16).await;
    assert_eq!(of_payments()[0]["series"]["count"], 2);
}

#[tokio::test(start_paused = true)]
async fn while_the_api_server_does_not_answer_a_flood_in_one_namespace_leaves_room_for_another() {
    let writer = Writer::start();
    writer.server.fail("CREATE events", Fault::Silent);
    for number in 0..1000 {
        writer.posts(finding(pod(&format!("web-{number}")), "not signed")).await;
    }
    let elsewhere = ObjectReference { namespace: Some("payments".to_owned()), ..pod("web") };
    writer.posts(finding(elsewhere, "not signed")).await;
    writer.server.heal();
    // What is under way gets no answer any more.
    writer.passes(6).await;
    let is_of_payments = |event: &Value| event["metadata"]["namespace"] == "payments";
    assert_eq!(writer.posted().iter().filter(|event| is_of_payments(event)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_when_a_writer_fails_another_one_posts() {
    let (server, clock) = (ApiServer::new(), Arc::new(ManualClock::at(now())));
    let (events, mut notices) = Events::channel();
    let writer = || EventWriter::new(server.client(), "tagseal-5f7-x1", clock.clone(), Metrics::default());
    for (name, posted) in [("one", 1), ("other", 2)] {
        assert!(events.post(finding(pod(name), "not signed")));
        let ran = tokio::time::timeout(Duration::from_millis(100), writer().run(&mut notices)).await;
        assert!(ran.is_err(), "it goes on");
        assert_eq!(server.objects("events").len(), posted);
    }
}

#[tokio::test(start_paused = true)]
async fn one_object_that_says_something_else_each_time_does_not_use_up_what_all_share() {
    let writer = Writer::start();
    for number in 0..1000 {
        writer.posts(finding(pod("web"), &format!("not signed: {number}"))).await;
    }
    assert_eq!(writer.posted().len(), 5);
    writer.posts(finding(pod("other"), "not signed")).await;
    assert_eq!(writer.posted().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn more_than_the_queue_holds_is_dropped_and_nobody_waits() {
    let writer = Writer::start();
    writer.server.fail("CREATE events", Fault::Silent);
    let taken = (0..1000).filter(|n| writer.events.post(finding(pod(&format!("web-{n}")), "no"))).count();
    assert_eq!(taken, 256);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_could_not_be_posted_or_is_there_no_more_is_posted_anew() {
    for fault in [Fault::Status(403, "events is forbidden"), Fault::Refused, Fault::Silent] {
        let writer = Writer::start();
        writer.server.fail("CREATE events", fault);
        writer.posts(finding(pod("web"), "not signed")).await;
        writer.passes(10).await;
        assert_eq!(writer.posted(), Vec::<Value>::new());
        writer.server.heal();
        writer.posts(finding(pod("web"), "not signed")).await;
        assert_eq!(writer.posted().len(), 1);
        assert!(!writer.task.is_finished());

        // The API server lets Events expire.
        let name = writer.posted()[0]["metadata"]["name"].as_str().unwrap().to_owned();
        writer.server.delete("events", "shop", &name);
        writer.posts(finding(pod("web"), "not signed")).await;
        writer.passes(75).await;
        assert_eq!(writer.posted(), Vec::<Value>::new());
        writer.posts(finding(pod("web"), "not signed")).await;
        assert_eq!(writer.posted().len(), 1);
    }
}
