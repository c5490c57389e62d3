//! What only the leader does: the status of policies, and the Events about its changes.

use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::ObjectReference;
use serde_json::{Value, json};
use tagseal::controller::{Events, Leadership, Notice};
use tokio::sync::{mpsc, watch};

use super::api_server::{ApiServer, Fault};
use super::trust_data::{WEB, of_a, says, unreachable, verified};
use super::world::{World, cluster_policy, now, policy, with};
use crate::support::{hours, minutes, seconds};

const SHOP: &str = "registry.example.com/shop/**";

/// A replica that leads when it is told to.
struct Replica {
    world: World,
    leads: watch::Sender<bool>,
    notices: mpsc::Receiver<Notice>,
}

impl Replica {
    fn start(server: &ApiServer, leads: bool) -> Self {
        let (leads, leadership) = watch::channel(leads);
        let (events, notices) = Events::channel();
        let world = World::replica(server, server.client(), Leadership::new(leadership), events);
        Self { world, leads, notices }
    }

    /// What it told since it was asked last.
    fn told(&mut self) -> Vec<(bool, String)> {
        std::iter::from_fn(|| self.notices.try_recv().ok())
            .map(|notice| (notice.is_warning, format!("{}: {}", notice.reason, notice.note)))
            .collect()
    }
}

/// Lets time go by for both.
async fn pass(replicas: [&Replica; 2], time: SignedDuration) {
    for _ in 0..time.as_secs() {
        replicas[1].world.clock.advance(seconds(1));
        replicas[0].world.passes(seconds(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_replicas_the_leader_writes_and_when_it_stops_the_other_does() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("a", SHOP));
    let (mut first, mut second) = (Replica::start(&server, true), Replica::start(&server, false));
    let set = first.world.policies(&[("ClusterTrustPolicy a", true)]).await;
    pass([&first, &second], seconds(1)).await;
    // They hold different repositories, and would say so in turn.
    first.world.repositories.are(vec![verified(&set, WEB, now())]);
    let api = verified(&set, "registry.example.com/shop/api:1", now());
    second.world.repositories.are(vec![verified(&set, WEB, now()), api]);
    pass([&first, &second], minutes(5)).await;
    assert_eq!(of_a(&server), says("True", "Fresh", 1));
    assert_eq!(server.count("APPLY"), 2, "{:#?}", server.requests());

    first.leads.send_replace(false);
    pass([&first, &second], minutes(1)).await;
    assert_eq!(server.count("APPLY"), 2, "nobody leads, and nobody writes");
    server.put("clustertrustpolicies", with(cluster_policy("b", SHOP), "/spec/mutation", json!("No")));
    pass([&first, &second], minutes(1)).await;
    assert_eq!(server.count("APPLY"), 2);

    second.leads.send_replace(true);
    pass([&first, &second], seconds(2)).await;
    assert_eq!(of_a(&server), says("True", "Fresh", 2));
    assert_eq!(server.count("APPLY"), 4, "what changed while nobody led, at once: {:#?}", server.requests());
    pass([&first, &second], minutes(5)).await;
    assert_eq!(server.count("APPLY"), 4);
    assert_eq!(first.told(), []);
    let told = second.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].0 && told[0].1.starts_with("InvalidPolicy: Ready is False: spec.mutation: "), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_loses_the_lease_between_two_writes_makes_no_second_one() {
    let server = ApiServer::new();
    for name in ["a", "b", "c"] {
        server.put("clustertrustpolicies", cluster_policy(name, SHOP));
    }
    server.fail("APPLY", Fault::Late(Duration::from_secs(1)));
    let replica = Replica::start(&server, true);
    server.served("APPLY", 1).await;
    replica.leads.send_replace(false);
    replica.world.passes(minutes(2)).await;
    assert_eq!(server.count("APPLY"), 1, "{:#?}", server.requests());
    replica.leads.send_replace(true);
    replica.world.passes(seconds(5)).await;
    assert_eq!(server.count("APPLY"), 3, "{:#?}", server.requests());
}

#[tokio::test(start_paused = true)]
async fn what_another_hand_writes_into_a_status_is_put_right() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("a", SHOP));
    let mut leader = Replica::start(&server, true);
    let set = leader.world.policies(&[("ClusterTrustPolicy a", true)]).await;
    leader.world.repositories.are(vec![verified(&set, WEB, now())]);
    leader.world.passes(seconds(30)).await;
    let stood = server.object("clustertrustpolicies", "", "a");
    assert_eq!(of_a(&server), says("True", "Fresh", 1));
    // A leader of before, whose write took its time.
    let unknown = with(stood.clone(), "/status/conditions/1/status", json!("Unknown"));
    server.put("clustertrustpolicies", with(unknown, "/status/repositories", json!(0)));
    leader.world.passes(seconds(5)).await;
    assert_eq!(of_a(&server), says("True", "Fresh", 1));
    // And Ready, which does not wait for anything.
    server.put("clustertrustpolicies", with(stood, "/status/conditions/0/status", json!("False")));
    leader.world.passes(seconds(1)).await;
    assert_eq!(server.object("clustertrustpolicies", "", "a")["status"]["conditions"][0]["status"], "True");
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_that_was_asked_nothing_leaves_what_the_one_before_said() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("a", SHOP));
    let (mut first, second) = (Replica::start(&server, true), Replica::start(&server, false));
    let set = first.world.policies(&[("ClusterTrustPolicy a", true)]).await;
    first.world.repositories.are(vec![verified(&set, WEB, now())]);
    // The second one runs for longer than data may serve; what counts is since when it leads.
    pass([&first, &second], minutes(1)).await;
    second.world.clock.advance(hours(48));
    first.leads.send_replace(false);
    second.leads.send_replace(true);
    let before = server.count("APPLY");
    pass([&first, &second], minutes(10)).await;
    assert_eq!(of_a(&server), says("True", "Fresh", 1));
    assert_eq!(server.count("APPLY"), before);
}

#[tokio::test(start_paused = true)]
async fn each_change_of_a_policy_is_told_once() {
    let server = ApiServer::new();
    let good = || policy("shop", "a", SHOP);
    server.put("clustertrustpolicies", cluster_policy("server", SHOP));
    server.put("trustpolicies", with(good(), "/metadata/uid", json!("5e1f")));
    let mut leader = Replica::start(&server, true);
    leader.world.passes(minutes(2)).await;
    assert_eq!(leader.told(), [], "a policy that works is no news");

    let broken = |field: &str| with(good(), field, json!("No"));
    for field in ["mutation", "digestReferences"] {
        server.put("trustpolicies", with(broken(&format!("/spec/{field}")), "/metadata/uid", json!("5e1f")));
        leader.world.passes(seconds(2)).await;
        let notice = leader.notices.try_recv().unwrap();
        let reference = ObjectReference {
            api_version: Some("tagseal.dev/v1alpha1".to_owned()),
            kind: Some("TrustPolicy".to_owned()),
            namespace: Some("shop".to_owned()),
            name: Some("a".to_owned()),
            uid: Some("5e1f".to_owned()),
            ..ObjectReference::default()
        };
        assert_eq!((notice.about, notice.is_warning, notice.action), (reference, true, "Compile"));
        assert_eq!(notice.reason, "InvalidPolicy");
        assert!(notice.note.starts_with(&format!("Ready is False: spec.{field}: ")), "{}", notice.note);
        leader.world.passes(minutes(2)).await;
        assert_eq!(leader.told(), []);
    }
    server.put("trustpolicies", good());
    leader.world.passes(minutes(2)).await;
    assert_eq!(leader.told(), [(false, "Compiled: Ready is True: the policy compiled".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn trust_data_that_is_lost_and_found_again_is_told_with_its_reason() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("a", SHOP));
    let mut leader = Replica::start(&server, true);
    let set = leader.world.policies(&[("ClusterTrustPolicy a", true)]).await;
    let mut web = verified(&set, WEB, now());
    leader.world.repositories.are(vec![web.clone()]);
    leader.world.passes(minutes(2)).await;
    assert_eq!(leader.told(), []);
    web.trouble = unreachable(now());
    leader.world.repositories.are(vec![web.clone()]);
    leader.world.passes(minutes(2)).await;
    let told = leader.told();
    assert_eq!(told.len(), 1, "{told:?}");
    let begins = "TrustServerUnreachable: TrustDataFresh is False: 1 of 1 repositories: registry.example.com/shop/web at ";
    assert!(told[0].0 && told[0].1.starts_with(begins), "{told:?}");
    assert!(told[0].1.ends_with("The first: connection refused"), "{told:?}");
    // Another repository comes along; the cause is the same.
    let api = verified(&set, "registry.example.com/shop/api:1", now());
    leader.world.repositories.are(vec![web.clone(), api]);
    leader.world.passes(minutes(2)).await;
    assert_eq!(of_a(&server), says("False", "TrustServerUnreachable", 2));
    assert_eq!(leader.told(), []);
    web.trouble = None;
    leader.world.repositories.are(vec![web]);
    leader.world.passes(minutes(2)).await;
    let told = leader.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(!told[0].0 && told[0].1.starts_with("Fresh: TrustDataFresh is True: "), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_could_not_be_written_is_told_when_it_is() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", with(cluster_policy("a", SHOP), "/spec/mutation", json!("No")));
    server.fail("APPLY", Fault::Status(403, "no"));
    let mut leader = Replica::start(&server, true);
    leader.world.passes(minutes(2)).await;
    assert_eq!(leader.told(), []);
    server.heal();
    leader.world.passes(minutes(2)).await;
    assert_eq!(leader.told().len(), 1);
    let status: Value = server.object("clustertrustpolicies", "", "a")["status"].clone();
    assert_eq!(status["conditions"][0]["reason"], "InvalidPolicy");
}
