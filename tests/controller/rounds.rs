//! The leader's rounds: it has what the cluster knows, whichever replica was asked for it, and nobody is asked too much.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tagseal::controller::Rounds;
use tagseal::policy::PolicySet;
use tokio::task::JoinHandle;

use super::api_server::ApiServer;
use super::repositories::replica::{Cluster, GUN, IMAGE, Replica};
use super::warm_up::{demand, set, synced, web};
use super::world::{World, cluster_policy, with};
use crate::support::{Fault, SERVER, TestRepository, days, hours, image_digest, minutes, seconds};

const SHOP: &str = "registry.example.com/shop/**";

/// Rounds that end with the test.
struct Going(JoinHandle<()>);

impl Drop for Going {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn goes_round(cluster: &Cluster, replica: &Replica, set: &Arc<PolicySet>) -> Going {
    let (state, resolver) = (replica.state.clone(), Arc::clone(&replica.resolver));
    let (leadership, clock) = (replica.leadership.clone(), Arc::new(cluster.clock.clone()));
    Going(tokio::spawn(Rounds::new(state, resolver, synced(set), leadership, clock).run()))
}

/// `count` repositories that `other` was asked for, and the policy for them.
async fn many(cluster: &Cluster, other: &Replica, count: usize) -> Arc<PolicySet> {
    let mut roots = Vec::new();
    for number in 0..count {
        let gun = format!("registry.example.com/shop/web{number}");
        let mut repository = TestRepository::new(&gun, cluster.now());
        repository.sign_target("targets", "1.4", image_digest("one"));
        cluster.publish(&mut repository);
        roots.push(json!({"keyID": repository.root_key().canonical_id()}));
    }
    let server = ApiServer::new();
    server.put("clustertrustpolicies", with(cluster_policy("a", SHOP), "/spec/roots", json!(roots)));
    let set = World::start(&server).policies(&[("ClusterTrustPolicy a", true)]).await;
    for number in 0..count {
        let image = format!("registry.example.com/shop/web{number}:1.4");
        other.resolve(&demand(&set, &image), &image).await.unwrap();
    }
    set
}

#[tokio::test(start_paused = true)]
async fn what_only_another_replica_was_asked_for_the_leader_soon_holds_and_keeps_fresh() {
    let cluster = Cluster::new();
    let mut repository = web(&cluster);
    let set = set(SHOP, &repository, json!([])).await;
    let [leader, other, third] = [cluster.replica().await, cluster.replica().await, cluster.replica().await];
    leader.leads(true);
    let _leads = goes_round(&cluster, &leader, &set);
    let _follows = goes_round(&cluster, &third, &set);
    other.seals(&demand(&set, IMAGE)).await;
    cluster.passes(seconds(40)).await;
    assert!(third.holds_nothing(), "it does not lead");
    let health = leader.resolver.health();
    assert_eq!((health.len(), health[0].gun.as_str()), (1, GUN));
    assert_eq!(health[0].asked.len(), 1, "the policy rests on it");
    assert_eq!(health[0].asked[0].image.to_string(), IMAGE);
    // Nobody asks for it for days, and then another replica again.
    assert_eq!(leader.resolver.maintain_once(cluster.now() + hours(7)).started(), 1);
    for _ in 0..3 {
        cluster.clock.advance(days(20));
        cluster.publish(&mut repository);
        other.seals(&demand(&set, IMAGE)).await;
        cluster.passes(minutes(1)).await;
    }
    assert_eq!(leader.resolver.maintain_once(cluster.now() + hours(7)).started(), 1, "it is in use");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_only_another_replica_was_asked_under_rests_on_what_the_leader_holds() {
    let cluster = Cluster::new();
    let repository = web(&cluster);
    let before = set(SHOP, &repository, json!([])).await;
    let (leader, other) = (cluster.replica().await, cluster.replica().await);
    leader.leads(true);
    // Asked for by its own name alone, it is nobody's.
    other.seals(&demand(&before, IMAGE)).await;
    let _going = goes_round(&cluster, &leader, &before);
    cluster.passes(seconds(5)).await;
    assert_eq!(leader.resolver.health().first().map(|held| held.asked.len()), Some(0));
    cluster.passes(seconds(90)).await;
    assert_eq!(leader.resolver.health()[0].asked.len(), 1, "by the image that the other wrote down");
}

#[tokio::test(start_paused = true)]
async fn a_few_are_fetched_at_a_time_and_none_again() {
    let cluster = Cluster::new();
    let (leader, other) = (cluster.replica().await, cluster.replica().await);
    let set = many(&cluster, &other, 45).await;
    cluster.source.forget();
    leader.leads(true);
    let _going = goes_round(&cluster, &leader, &set);
    let held = || leader.resolver.status().len();
    cluster.passes(seconds(5)).await;
    assert_eq!(held(), 10);
    cluster.passes(seconds(10)).await;
    assert_eq!(held(), 20);
    cluster.passes(seconds(40)).await;
    assert_eq!(held(), 45);
    assert_eq!(cluster.source.count("timestamp.json"), 45);
    let before = cluster.server.count("");
    cluster.source.forget();
    cluster.passes(minutes(30)).await;
    assert_eq!(cluster.source.paths(), Vec::<String>::new(), "they are fresh");
    let asked = cluster.server.requests().split_off(before);
    let is_new = |request: &String| !request.starts_with("WATCH ") && !request.starts_with("APPLY ");
    assert!(!asked.iter().any(is_new), "{asked:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_server_is_asked_ever_more_seldom_and_its_repositories_are_had_when_it_is_back() {
    let cluster = Cluster::new();
    let (leader, other) = (cluster.replica().await, cluster.replica().await);
    let set = many(&cluster, &other, 45).await;
    cluster.source.fault("*", Fault::Unreachable("connection refused"));
    cluster.source.forget();
    leader.leads(true);
    let _going = goes_round(&cluster, &leader, &set);
    cluster.passes(minutes(60)).await;
    let asked = cluster.source.paths().len();
    assert!((16..=250).contains(&asked), "{asked} requests in an hour");
    cluster.source.clear_faults();
    cluster.passes(minutes(12)).await;
    assert_eq!(leader.resolver.status().len(), 45);
}

#[tokio::test(start_paused = true)]
async fn one_repository_that_is_gone_keeps_none_from_being_fetched_and_is_seldom_asked_for() {
    let cluster = Cluster::new();
    let (leader, other) = (cluster.replica().await, cluster.replica().await);
    let set = many(&cluster, &other, 25).await;
    let gone = "registry.example.com/shop/web7";
    cluster.source.withdraw(SERVER, gone);
    cluster.source.forget();
    leader.leads(true);
    let _going = goes_round(&cluster, &leader, &set);
    cluster.passes(minutes(60)).await;
    assert_eq!(leader.resolver.status().len(), 24);
    let asked = cluster.source.requests().iter().filter(|request| request.gun == gone).count();
    assert!((1..=24).contains(&asked), "{asked} requests in an hour");
}

#[tokio::test(start_paused = true)]
async fn what_has_no_room_is_not_fetched_and_pushes_nothing_out() {
    let cluster = Cluster::new();
    let (leader, other) = (cluster.small_replica(20).await, cluster.replica().await);
    let set = many(&cluster, &other, 30).await;
    let asked = "registry.example.com/shop/web29:1.4";
    leader.resolve(&demand(&set, asked), asked).await.unwrap();
    leader.leads(true);
    let _going = goes_round(&cluster, &leader, &set);
    cluster.passes(minutes(5)).await;
    let held: Vec<_> = leader.resolver.status().into_iter().map(|held| held.key.gun.to_string()).collect();
    assert_eq!(held.len(), 18, "nine tenths: {held:?}");
    assert!(held.iter().any(|gun| asked.starts_with(&format!("{gun}:"))), "{held:?}");
    // Of the others, those say what they hold who were asked.
    cluster.passes(seconds(60)).await;
    let names = cluster.server.names("trustedrepositories");
    assert_eq!(names.len(), 30);
    for name in names {
        let status = cluster.server.object("trustedrepositories", "", &name)["status"].clone();
        assert!(status["expires"].is_string(), "{name}: {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_used_for_a_month_is_left_alone() {
    let cluster = Cluster::new();
    let set = set(SHOP, &web(&cluster), json!([])).await;
    let (leader, other) = (cluster.replica().await, cluster.replica().await);
    other.seals(&demand(&set, IMAGE)).await;
    cluster.passes(seconds(30)).await;
    other.dies();
    cluster.clock.advance(days(31));
    cluster.source.forget();
    leader.leads(true);
    let _going = goes_round(&cluster, &leader, &set);
    cluster.passes(minutes(5)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(leader.holds_nothing());
    assert_eq!(cluster.source.paths(), Vec::<String>::new());
}

/// The new leader had verified it before the old one did, and saw no trouble: by itself it would say nothing for hours.
#[tokio::test(start_paused = true)]
async fn what_an_old_leader_could_not_verify_the_new_one_looks_at_soon() {
    let cluster = Cluster::new();
    let set = set(SHOP, &web(&cluster), json!([])).await;
    let (old, new) = (cluster.replica().await, cluster.replica().await);
    let verified = || {
        let status = cluster.object()["status"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let verified = conditions.iter().find(|condition| condition["type"] == "Verified");
        verified.map(|condition| condition["status"].as_str().unwrap().to_owned())
    };
    old.leads(true);
    new.seals(&demand(&set, IMAGE)).await;
    cluster.passes(seconds(61)).await;
    old.seals(&demand(&set, IMAGE)).await;
    cluster.source.fault("*", Fault::Unreachable("connection refused"));
    cluster.passes(seconds(61)).await;
    old.seals(&demand(&set, IMAGE)).await;
    cluster.passes(minutes(2)).await;
    assert_eq!(verified().as_deref(), Some("False"));
    cluster.source.clear_faults();
    cluster.source.forget();
    old.leads(false);
    old.dies();
    new.leads(true);
    let _going = goes_round(&cluster, &new, &set);
    cluster.passes(minutes(2)).await;
    assert_eq!(verified().as_deref(), Some("True"));
    cluster.passes(minutes(30)).await;
    assert!(cluster.source.count("timestamp.json") <= 2, "{:?}", cluster.source.paths());
}
