//! What the status of a policy says of its trust data: `TrustDataFresh` and `repositories`.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tagseal::clock::{Clock as _, ManualClock};
use tagseal::image::ImageReference;
use tagseal::policy::{Demand, NamespaceView, PolicySet, Reason, Selection};
use tagseal::trust::{
    Asked, Confirmed, PodIdentity, Question, Refusal, RepositoryHealth, Resolver, ResolverConfig,
    Unavailable, Untrusted,
};
use tagseal::tuf::RoleName;

use super::api_server::{ApiServer, Fault};
use super::world::{SERVER, World, cluster_policy, now, policy, with};
use crate::support::{self, FakeCredentials, FakeSource, FakeState, TestRepository, hours, minutes, seconds};

const SHOP: &str = "registry.example.com/shop/**";
pub const WEB: &str = "registry.example.com/shop/web:1.4";

/// A world with one policy `a` for the shop's images, whose status stands.
async fn shop(server: &ApiServer) -> (World, Arc<PolicySet>) {
    server.put("clustertrustpolicies", cluster_policy("a", SHOP));
    let mut world = World::start(server);
    let set = world.policies(&[("ClusterTrustPolicy a", true)]).await;
    world.passes(seconds(25)).await;
    (world, set)
}

/// Of `TrustDataFresh`: status, reason, message; and the number of repositories.
fn fresh(object: &Value) -> (String, String, String, i64) {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let condition = conditions.iter().find(|condition| condition["type"] == "TrustDataFresh").unwrap();
    assert_eq!(condition["observedGeneration"], object["metadata"]["generation"]);
    let text = |field: &str| condition[field].as_str().unwrap().to_owned();
    (text("status"), text("reason"), text("message"), object["status"]["repositories"].as_i64().unwrap())
}

/// The same of the policy `a`, without the message.
pub fn of_a(server: &ApiServer) -> (String, String, i64) {
    let (status, reason, _, repositories) = fresh(&server.object("clustertrustpolicies", "", "a"));
    (status, reason, repositories)
}

fn message(server: &ApiServer) -> String {
    fresh(&server.object("clustertrustpolicies", "", "a")).2
}

pub fn says(status: &str, reason: &str, repositories: i64) -> (String, String, i64) {
    (status.to_owned(), reason.to_owned(), repositories)
}

fn demands(set: &PolicySet, image: &ImageReference) -> Vec<Demand> {
    match set.select(&NamespaceView::unlabelled("shop"), image) {
        Selection::Require { deny, .. } => deny,
        other => panic!("{other:?}"),
    }
}

/// A repository that was confirmed `at`, asked for by a pod with `image` in the namespace shop.
pub fn verified(set: &PolicySet, image: &str, at: Timestamp) -> RepositoryHealth {
    let image = Arc::new(ImageReference::parse(image).unwrap());
    let demands = demands(set, &image);
    let asked = |demand: &Demand| Asked { policy: Arc::clone(&demand.policy), image: Arc::clone(&image) };
    RepositoryHealth {
        server: Arc::clone(&demands[0].server),
        gun: demands[0].gun.clone(),
        anchors: demands[0].anchors.fingerprint(),
        asked: demands.iter().map(asked).collect(),
        confirmed: Some(Confirmed { at, expired: None }),
        trouble: None,
    }
}

pub fn unreachable(since: Timestamp) -> Option<(Refusal, Timestamp)> {
    unavailable(Reason::TrustServerUnreachable, "connection refused", since)
}

fn unavailable(reason: Reason, message: &str, since: Timestamp) -> Option<(Refusal, Timestamp)> {
    Some((Refusal::Unavailable(Unavailable { reason, message: message.to_owned() }), since))
}

fn untrusted(reason: Reason, since: Timestamp) -> Option<(Refusal, Timestamp)> {
    Some((Refusal::Untrusted(Untrusted { reason, message: "says the server".to_owned() }), since))
}

#[tokio::test(start_paused = true)]
async fn a_steady_cluster_sees_no_write_however_long_it_stands() {
    let server = ApiServer::new();
    let (world, set) = shop(&server).await;
    assert_eq!(of_a(&server), says("Unknown", "NotAskedYet", 0));
    world.repositories.are(vec![verified(&set, WEB, world.clock.now())]);
    world.passes(seconds(10)).await;
    assert_eq!(of_a(&server), says("True", "Fresh", 1));
    assert_eq!(message(&server), "the trust server answers, and what it answers verifies");
    let before = server.count("");
    for _ in 0..60 {
        world.repositories.are(vec![verified(&set, WEB, world.clock.now())]);
        world.passes(seconds(10)).await;
    }
    let asked = server.requests().split_off(before);
    assert!(asked.iter().all(|request| request.starts_with("WATCH ")), "{asked:#?}");
    assert_eq!(server.count("APPLY"), 2);
}

#[tokio::test(start_paused = true)]
async fn an_outage_makes_trust_data_not_fresh_and_its_end_makes_it_fresh_again() {
    let server = ApiServer::new();
    let (world, set) = shop(&server).await;
    world.repositories.are(vec![verified(&set, WEB, world.clock.now())]);
    world.passes(seconds(30)).await;
    let ready = server.object("clustertrustpolicies", "", "a")["status"]["conditions"][0].clone();
    let began = world.clock.now();
    let mut web = verified(&set, WEB, began);
    web.trouble = unreachable(began);
    world.repositories.are(vec![web]);
    world.passes(seconds(15)).await;
    assert_eq!(of_a(&server), says("True", "Fresh", 1), "one lost answer is no news");
    world.passes(seconds(16)).await;
    assert_eq!(of_a(&server), says("False", "TrustServerUnreachable", 1));
    assert_eq!(
        message(&server),
        format!(
            "1 of 1 repositories: registry.example.com/shop/web at {SERVER}/: TrustServerUnreachable since {began}. \
             The first: connection refused"
        )
    );
    let object = server.object("clustertrustpolicies", "", "a");
    assert_eq!((&ready["type"], &ready["status"]), (&json!("Ready"), &json!("True")));
    assert_eq!(object["status"]["conditions"][0], ready, "it goes along and stays what it was");
    let since: Timestamp =
        object["status"]["conditions"][1]["lastTransitionTime"].as_str().unwrap().parse().unwrap();
    assert!(since > began, "it changed when it was seen to");

    world.repositories.are(vec![verified(&set, WEB, world.clock.now())]);
    world.passes(seconds(20)).await;
    assert_eq!(of_a(&server), says("True", "Fresh", 1));
    assert_eq!(server.count("APPLY"), 4, "{:#?}", server.requests());
}

#[tokio::test(start_paused = true)]
async fn the_reason_is_that_of_a_denial() {
    let expired = (RoleName::timestamp(), now());
    let old = now() - hours(25);
    let long_ago = now() - minutes(5);
    for (confirmed_at, expired, trouble, reason) in [
        (now(), None, unreachable(long_ago), "TrustServerUnreachable"),
        (now(), None, untrusted(Reason::Rollback, long_ago), "Rollback"),
        (now(), None, untrusted(Reason::InvalidMetadata, long_ago), "InvalidMetadata"),
        (now(), None, unavailable(Reason::StateUnavailable, "full", long_ago), "StateUnavailable"),
        (now(), Some(&expired), None, "Expired"),
        (now(), Some(&expired), untrusted(Reason::Expired, long_ago), "Expired"),
        // No data that serves: the cause, at once.
        (now(), Some(&expired), unreachable(now() + seconds(25)), "TrustServerUnreachable"),
        (old, None, None, "TooStale"),
        (old, None, unreachable(long_ago), "TooStale"),
        (old, Some(&expired), unreachable(long_ago), "TooStale"),
        (old, Some(&expired), untrusted(Reason::Expired, long_ago), "Expired"),
    ] {
        let server = ApiServer::new();
        let (world, set) = shop(&server).await;
        let mut web = verified(&set, WEB, confirmed_at);
        web.confirmed.as_mut().unwrap().expired = expired.cloned();
        web.trouble = trouble;
        world.repositories.are(vec![web]);
        world.passes(seconds(10)).await;
        assert_eq!(of_a(&server), says("False", reason, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn the_worst_off_are_named_first_and_the_rest_counted() {
    let server = ApiServer::new();
    let (world, set) = shop(&server).await;
    let troubled = |name: &str, trouble| {
        let image = format!("registry.example.com/shop/{name}:1");
        RepositoryHealth { trouble, ..verified(&set, &image, now()) }
    };
    let at = |minute| now() - minutes(minute);
    let mut stale = troubled("stale", unreachable(at(2)));
    stale.confirmed.as_mut().unwrap().at = at(24 * 60 + 7);
    world.repositories.are(vec![
        troubled("good", None),
        troubled("young", unreachable(at(3))),
        troubled("old", unreachable(at(9))),
        troubled("rolled-back", untrusted(Reason::Rollback, at(1))),
        troubled("older", unreachable(at(10))),
        stale,
    ]);
    world.passes(seconds(10)).await;
    assert_eq!(of_a(&server), says("False", "TooStale", 6));
    let entry = |name: &str, reason: &str, minute| {
        format!("registry.example.com/shop/{name} at {SERVER}/: {reason} since {}", at(minute))
    };
    let named = [
        entry("stale", "TooStale", 7),
        entry("rolled-back", "Rollback", 1),
        entry("older", "TrustServerUnreachable", 10),
    ];
    assert_eq!(
        message(&server),
        format!(
            "5 of 6 repositories: {}; and 2 more. The first: TrustServerUnreachable: connection refused",
            named.join("; ")
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_ever_signed_says_nothing_of_a_policy_that_has_repositories() {
    let server = ApiServer::new();
    let (world, set) = shop(&server).await;
    let long_ago = now() - minutes(5);
    let never = |reason| RepositoryHealth {
        confirmed: None,
        trouble: untrusted(reason, long_ago),
        ..verified(&set, "registry.example.com/shop/typo:1", now())
    };
    world.repositories.are(vec![never(Reason::RepositoryNotFound), verified(&set, WEB, now())]);
    world.passes(seconds(10)).await;
    assert_eq!(of_a(&server), says("True", "Fresh", 1));
    // Where nothing ever verified, it is all that is known: a wrong pin, a server that is not there.
    world.repositories.are(vec![never(Reason::RootMismatch)]);
    world.passes(seconds(20)).await;
    assert_eq!(of_a(&server), says("False", "RootMismatch", 0));
}

#[tokio::test(start_paused = true)]
async fn two_policies_that_share_a_repository_both_say_so_until_one_is_deleted() {
    let server = ApiServer::new();
    server.put("trustpolicies", policy("shop", "b", "registry.example.com/shop/web"));
    server.put("clustertrustpolicies", cluster_policy("other", "registry.example.com/other/**"));
    server.put("clustertrustpolicies", cluster_policy("a", SHOP));
    let mut world = World::start(&server);
    world.passes(seconds(25)).await;
    let all =
        [("ClusterTrustPolicy a", true), ("ClusterTrustPolicy other", true), ("TrustPolicy shop/b", true)];
    let set = world.policies(&all).await;
    let troubled = RepositoryHealth { trouble: unreachable(now()), ..verified(&set, WEB, now()) };
    assert_eq!(troubled.asked.len(), 2);
    let alone = verified(&set, "registry.example.com/shop/api:1", now());
    world.repositories.are(vec![troubled.clone(), alone]);
    world.passes(seconds(10)).await;
    let of_b = |server: &ApiServer| {
        let (status, reason, _, repositories) = fresh(&server.object("trustpolicies", "shop", "b"));
        (status, reason, repositories)
    };
    assert_eq!(of_a(&server), says("False", "TrustServerUnreachable", 2));
    assert_eq!(of_b(&server), says("False", "TrustServerUnreachable", 1));
    let (status, reason, ..) = fresh(&server.object("clustertrustpolicies", "", "other"));
    assert_eq!((status.as_str(), reason.as_str()), ("Unknown", "NotAskedYet"));

    server.delete("clustertrustpolicies", "", "a");
    world.policies(&[all[1], all[2]]).await;
    let before = server.count("APPLY");
    // The resolver still knows who asked.
    world.repositories.are(vec![RepositoryHealth { trouble: None, ..troubled }]);
    world.passes(seconds(40)).await;
    assert_eq!(of_b(&server), says("True", "Fresh", 1));
    assert_eq!(server.count("APPLY") - before, 1, "nothing for who is gone: {:#?}", server.requests());
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_changed_speaks_of_what_it_leads_to_now() {
    let server = ApiServer::new();
    let (mut world, set) = shop(&server).await;
    world
        .repositories
        .are(vec![verified(&set, WEB, now()), verified(&set, "registry.example.com/shop/api:1", now())]);
    world.passes(seconds(10)).await;
    assert_eq!(of_a(&server), says("True", "Fresh", 2));
    server.put("clustertrustpolicies", cluster_policy("a", "registry.example.com/shop/api"));
    world.passes(seconds(1)).await;
    assert_eq!(of_a(&server), says("True", "Fresh", 1), "at once, with the generation");
    let elsewhere =
        with(cluster_policy("a", SHOP), "/spec/notary/server", json!("https://other.example.com"));
    server.put("clustertrustpolicies", elsewhere);
    world.passes(seconds(1)).await;
    assert_eq!(of_a(&server), says("Unknown", "NotAskedYet", 0));
    server.put("clustertrustpolicies", with(cluster_policy("a", SHOP), "/spec/mutation", json!("No")));
    world.policies(&[("ClusterTrustPolicy a", false)]).await;
    world.passes(seconds(1)).await;
    assert_eq!(of_a(&server), says("Unknown", "InvalidPolicy", 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_and_goes_makes_a_write_a_while_and_other_words_make_none() {
    let server = ApiServer::new();
    let (world, set) = shop(&server).await;
    let before = server.count("APPLY");
    for turn in 0..60 {
        let mut web = verified(&set, WEB, now());
        web.trouble = if turn % 2 == 0 { unreachable(now() - minutes(1)) } else { None };
        world.repositories.are(vec![web]);
        world.passes(seconds(10)).await;
    }
    let writes = server.count("APPLY") - before;
    assert!((2..=30).contains(&writes), "{writes} writes in 600 s");

    let said = |words: &str| {
        let trouble = unavailable(Reason::TrustServerUnreachable, words, now());
        world.repositories.are(vec![RepositoryHealth { trouble, ..verified(&set, WEB, now()) }]);
    };
    said("connection refused");
    world.passes(seconds(60)).await;
    let before = server.count("APPLY");
    for words in ["connection reset", "timed out", ""] {
        said(words);
        world.passes(seconds(60)).await;
    }
    assert_eq!(server.count("APPLY") - before, 1, "no words at all are less than was said");
    assert!(!message(&server).contains("The first"), "{}", message(&server));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_was_asked_nothing_yet_leaves_what_stands_for_as_long_as_data_may_serve() {
    let server = ApiServer::new();
    let (first, set) = shop(&server).await;
    first.repositories.are(vec![verified(&set, WEB, now())]);
    first.passes(seconds(10)).await;
    drop(first);
    let second = World::start(&server);
    let (before, stands) = (server.count("APPLY"), server.object("clustertrustpolicies", "", "a"));
    second.passes(minutes(10)).await;
    assert_eq!(server.count("APPLY"), before);
    // Another status to be written, of the same policy, does not take it along.
    server.put("clustertrustpolicies", with(stands.clone(), "/status/conditions/0/message", json!("")));
    server.break_watches();
    second.passes(minutes(1)).await;
    assert_eq!(server.object("clustertrustpolicies", "", "a")["status"], stands["status"]);

    second.clock.advance(hours(24));
    second.passes(seconds(30)).await;
    assert_eq!(of_a(&server), says("Unknown", "NotAskedYet", 0));
}

#[tokio::test(start_paused = true)]
async fn trust_data_does_not_hurry_a_status_that_cannot_be_written() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("a", SHOP));
    server.fail("APPLY clustertrustpolicies a", Fault::Status(403, "no"));
    let world = World::start(&server);
    world.passes(minutes(10)).await;
    // After 1, 2, 4, 8, 16, 32 seconds, and then each minute.
    assert!((14..=17).contains(&server.count("APPLY")), "{:#?}", server.count("APPLY"));
    server.put("clustertrustpolicies", cluster_policy("b", SHOP));
    let mut world = world;
    let set = world.policies(&[("ClusterTrustPolicy a", true), ("ClusterTrustPolicy b", true)]).await;
    world.repositories.are(vec![verified(&set, WEB, now())]);
    world.passes(seconds(30)).await;
    let (status, ..) = fresh(&server.object("clustertrustpolicies", "", "b"));
    assert_eq!(status, "True", "another one is not held up");
}

#[tokio::test(start_paused = true)]
async fn what_admissions_asked_a_resolver_for_is_what_the_status_says() {
    let clock = ManualClock::at(now());
    let mut repository = TestRepository::new("registry.example.com/shop/web", now());
    repository.sign_target("targets", "1.4", support::image_digest("one"));
    let source = FakeSource::new();
    let files = repository.publish(now());
    source.serve(SERVER, repository.gun(), &files);
    let resolver = Arc::new(Resolver::new(
        ResolverConfig::default(),
        Arc::new(source.clone()),
        Arc::new(FakeCredentials::new()),
        Arc::new(FakeState::new()),
        Arc::new(clock.clone()),
    ));
    let server = ApiServer::new();
    let pinned =
        with(cluster_policy("a", SHOP), "/spec/roots/0/keyID", json!(repository.root_key().canonical_id()));
    server.put("clustertrustpolicies", pinned);
    let mut world = World::with_trust(&server, &clock, Arc::clone(&resolver) as _);
    let set = world.policies(&[("ClusterTrustPolicy a", true)]).await;
    world.passes(seconds(25)).await;
    let upkeep = tokio::spawn(Arc::clone(&resolver).maintain());

    let image = ImageReference::parse(WEB).unwrap();
    let demand = demands(&set, &image).remove(0);
    let admits = async || {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(9);
        let pod = PodIdentity::default();
        let question = Question { demand: &demand, image: &image, pod: &pod, deadline, dry_run: false };
        resolver.resolve(question).await.map(|resolved| resolved.signed.unwrap().digest())
    };
    assert_eq!(admits().await, Ok(support::image_digest("one")));
    world.passes(seconds(10)).await;
    assert_eq!(of_a(&server), says("True", "Fresh", 1));

    source.fault("*", support::Fault::Unreachable("connection refused"));
    let before = clock.now();
    world.passes(seconds(100)).await;
    assert_eq!(of_a(&server), says("False", "TrustServerUnreachable", 1), "nobody asked meanwhile");
    assert_eq!(admits().await, Ok(support::image_digest("one")), "and yet it serves");
    source.clear_faults();
    world.passes(seconds(90)).await;
    assert_eq!(of_a(&server), says("True", "Fresh", 1));
    assert!(clock.now().duration_since(before) < SignedDuration::from_mins(5));
    upkeep.abort();
}
