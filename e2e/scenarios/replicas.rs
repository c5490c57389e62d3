//! Two replicas that see different things: what they share is in the cluster, and they agree on it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tagseal::clock::{Clock as _, SystemClock};

use crate::harness::*;
use crate::support::{TestRepository, image_digest};

#[test]
fn t11_a_rollback_that_only_the_other_replica_can_tell_is_refused_and_after_a_restart_too() {
    let mut fleet = Fleet::empty("t11", Route::Together, &[]);
    fleet.adds(&[]);
    fleet.awaits_all();
    fleet.is_called();
    let s = fleet.scenario("t11-rollback");
    let (server, image) = (StaticServer::start(), s.image("web:1.4"));
    let mut repository = TestRepository::new(&s.image("web"), SystemClock.now());
    let publishes = |repository: &mut TestRepository, name: &str| {
        repository.sign_target("targets", "1.4", image_digest(name));
        server.publishes(repository);
        sealed(&image, &image_digest(name).to_string())
    };
    publishes(&mut repository, "old");
    let old = repository.files().clone();
    let new = publishes(&mut repository, "new");
    let policy = Policy::cluster("t11-rollback", &s.all_images(), &server.url());
    let policy = policy.with("freshness/revalidateAfter", "1s");
    s.has_policy(&policy.trusts_key(&repository.root_key().canonical_id()));
    s.seals(&image, &new);

    server.serves(repository.gun(), old);
    fleet.adds(&[]);
    fleet.awaits_all();
    // `tagseal verify` has the newer data in its cache, which goes on within its bounds.
    let is_rolled_back = || {
        let answer = s.cluster.alone(Because::OwnMemory).creates(&s.pod(&image));
        assert!(!answer.passed && answer.errors.contains("Rollback"), "{}", answer.text());
    };
    let refusal = fleet.replicas[1].seals("t11-rollback", &image).expect_err("it is rolled back");
    assert!(refusal.contains("Rollback"), "{refusal}");
    // The API server has nobody else to ask then.
    fleet.replicas[0].dies();
    is_rolled_back();
    for replica in &mut fleet.replicas {
        replica.is_started_anew();
        replica.awaits_ready();
        let refusal = replica.seals("t11-rollback", &image).expect_err("it is rolled back");
        assert!(refusal.contains("Rollback"), "{refusal}");
    }
    fleet.awaits_all();
    is_rolled_back();

    let newer = publishes(&mut repository, "newer");
    s.soon_seals(&image, &newer);
}

#[test]
fn t16_of_two_roots_at_first_use_exactly_one_is_pinned_for_both_replicas_and_for_good() {
    let (mut fleet, authority) = (Fleet::empty("t16", Route::Together, &[]), Authority::new("trust server"));
    let s = fleet.scenario("t16-race");
    let image = s.image("web:1.4");
    // One address, two servers: which one a replica reaches is up to the network that it is in.
    let worlds = ["one", "other"].map(|name| {
        let server = StaticServer::certified(&authority.issue_for(&["trust.test"]));
        let mut repository = TestRepository::new(&s.image("web"), SystemClock.now());
        repository.sign_target("targets", "1.4", image_digest(name));
        server.publishes(&mut repository);
        (server, sealed(&image, &image_digest(name).to_string()), repository.root_key().canonical_id())
    });
    let tunnels = Tunnel::race([worlds[0].0.port(), worlds[1].0.port()]);
    for tunnel in &tunnels {
        fleet.adds(&tunnel.variables());
    }
    fleet.awaits_all();
    fleet.is_called();
    let policy = Policy::cluster("t16-race", &s.image("web"), "https://trust.test").with("firstUse", "Trust");
    s.changes_policy(&policy.with("notary/caBundle/inline", authority.pem()));
    for replica in &fleet.replicas {
        // Any question would be the first use.
        eventually("the policy is in force", Duration::from_secs(20), || {
            let log = replica.log();
            let is_told = |line: &str| line.contains("policy added") && line.contains("t16-race");
            if log.lines().any(is_told) { Ok(()) } else { Err("not yet".to_owned()) }
        });
    }

    let answers = thread::scope(|scope| {
        let ask = |replica: &Replica| replica.seals("t16-race", &image);
        let (first, second) = fleet.replicas.split_at(1);
        let asked = [scope.spawn(move || ask(&first[0])), scope.spawn(move || ask(&second[0]))];
        asked.map(|asked| asked.join().expect("an answer"))
    });
    let winner = match &answers {
        [Ok(_), Err(refusal)] if refusal.contains("RootMismatch") => 0,
        [Err(refusal), Ok(_)] if refusal.contains("RootMismatch") => 1,
        _ => panic!("not exactly one root was pinned: {answers:#?}"),
    };
    assert_eq!(answers[winner].as_ref(), Ok(&worlds[winner].1));
    let pins = pinned(&s.cluster, &s.image("web"));
    assert_eq!(pins, [json!([worlds[winner].2])]);

    // Alone, each of them says the same as before, with nothing but what the cluster remembers.
    let loser = 1 - winner;
    for (alone, gone) in [(winner, loser), (loser, winner)] {
        fleet.replicas[gone].is_stopped();
        fleet.replicas[alone].is_started_anew();
        fleet.replicas[alone].awaits_ready();
        fleet.awaits(alone);
        let answer = s.cluster.alone(Because::OwnMemory).creates(&s.pod(&image));
        if alone == winner {
            assert_eq!(images(&answer.object()), [worlds[winner].1.as_str()]);
        } else {
            assert!(!answer.passed && answer.errors.contains("RootMismatch"), "{}", answer.text());
        }
    }
    assert_eq!(pinned(&s.cluster, &s.image("web")), pins);
}

/// The keys of each root that first use pinned for `repository`.
fn pinned(cluster: &Cluster, repository: &str) -> Vec<Value> {
    let list = cluster.gets("trustedrepositories");
    let items = list["items"].as_array().expect("a list").iter();
    let own = items.filter(|item| item["spec"]["repository"] == repository);
    own.map(|item| item["spec"]["root"]["firstUse"]["keyIDs"].clone()).collect()
}

#[test]
fn a22_a_publish_between_the_two_calls_and_two_replicas_that_answer_them_deny_nothing() {
    let mut fleet = Fleet::start("a22", Route::Apart);
    let s = fleet.scenario("a22-publish");
    let (web, image) = (Arc::new(s.repository("web")), s.image("web:1.4"));
    let [one, two, three, four] =
        ["one", "two", "three", "four"].map(|name| (digest_of(name), sealed(&image, &digest_of(name))));
    web.signs(&["targets"], "1.4", &one.0);
    // So that nobody learns of a publish but by a question.
    let freshness = json!({"revalidateAfter": "1h", "maxStaleness": "24h"});
    s.has_policy(&s.policy().trusts(&web).with("freshness", freshness));
    s.seals(&image, &one.1);

    let publish = Meanwhile::once({
        let (web, image, two) = (web.clone(), image.clone(), two.clone());
        let validating = fleet.replicas[1].asker();
        move || {
            web.signs(&["targets"], "1.4", &two.0);
            validating.soon_seals("a22-publish", &image, &two.1);
        }
    });
    let published = publish.clone();
    let _meanwhile = HostileWebhook::install(&s.cluster, Mischief::LetsHappen(publish));
    eventually("the webhook in between is called", Duration::from_secs(10), || {
        s.cluster.alone(Because::NotInForceYet).tries(&s.pod(&image));
        if published.is_called() { Ok(()) } else { Err("not yet".to_owned()) }
    });
    published.arms();
    // Sealed to what was current, validated by one who knows that it no longer is.
    let meanwhile = s.cluster.alone(Because::OtherWebhooks);
    assert_eq!(images(&meanwhile.creates(&s.pod(&image)).object()), [one.1.as_str()]);
    assert!(published.has_happened());

    let cluster = s.cluster.alone(Because::OlderTrustData);
    // Sealed to what is current, validated by one who has not heard of it.
    web.signs(&["targets"], "1.4", &three.0);
    fleet.replicas[0].soon_seals("a22-publish", &image, &three.1);
    assert_eq!(fleet.replicas[1].seals("a22-publish", &image), Ok(two.1.clone()));
    assert_eq!(images(&cluster.creates(&s.pod(&image)).object()), [three.1.as_str()]);

    // Sealed to what was current, validated by one who was not there when it was.
    fleet.replicas[1].is_started_anew();
    web.signs(&["targets"], "1.4", &four.0);
    fleet.awaits_all();
    fleet.replicas[1].soon_seals("a22-publish", &image, &four.1);
    assert_eq!(fleet.replicas[0].seals("a22-publish", &image), Ok(three.1.clone()));
    assert_eq!(images(&cluster.creates(&s.pod(&image)).object()), [three.1.as_str()]);
}

#[test]
fn a24_with_all_replicas_down_nothing_is_caught_in_a_trap_and_they_come_back_without_the_trust_server() {
    let mut fleet = Fleet::start("a24", Route::Together);
    let s = fleet.scenario("a24-restart");
    let (web, image, digest) = (s.repository("web"), s.image("web:1.4"), digest_of("web 1.4"));
    web.signs(&["targets"], "1.4", &digest);
    let proxy = Proxy::of(suite().notary().url());
    s.has_policy(&Policy::cluster("a24-restart", &s.all_images(), &proxy.url()).trusts(&web));
    s.cluster.applies(&deployment("web", 1, &image));
    let running = s.pods_of("web", 1)[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    let running = format!("pod/{running}");
    s.cluster.does(&["patch", &running, "-p", r#"{"metadata":{"finalizers":["e2e.tagseal.dev/hold"]}}"#]);
    // Both have it on disk.
    for replica in &fleet.replicas {
        assert_eq!(replica.seals("a24-restart", &image), Ok(sealed(&image, &digest)));
    }

    proxy.stops();
    for replica in &mut fleet.replicas {
        replica.dies();
    }
    let refused = s.cluster.creates(&s.pod(&image));
    assert!(!refused.passed && refused.errors.contains("failed calling webhook"), "{}", refused.text());
    // The chart's own pods, and the system's.
    let system = fleet.cluster().in_namespace("tagseal-system");
    let own = "--selector=app.kubernetes.io/name=tagseal";
    system.does(&["delete", "pods", own, "--wait=false", "--grace-period=0", "--force"]);
    system.does(&["wait", "--for=create", "pod", own, "--timeout=60s"]);
    let kube_system = fleet.cluster().in_namespace("kube-system");
    kube_system.does(&["wait", "--for=create", "serviceaccount/default", "--timeout=60s"]);
    assert!(kube_system.creates(&pod("node-agent", &image)).passed);
    // What runs already goes on.
    s.cluster.does(&["scale", "deployment/web", "--replicas=0"]);
    s.cluster.does(&["patch", &running, "-p", r#"{"metadata":{"finalizers":null}}"#]);
    s.cluster.does(&["wait", "--for=delete", &running, "--timeout=60s"]);

    for replica in &mut fleet.replicas {
        replica.starts();
    }
    fleet.awaits_all();
    eventually("a known image is admitted", Duration::from_secs(20), || {
        let answer = s.cluster.alone(Because::NotInForceYet).creates(&s.pod(&image));
        if !answer.passed {
            return Err(answer.errors);
        }
        let images = images(&answer.object());
        if images == [sealed(&image, &digest)] { Ok(()) } else { Err(format!("{images:?}")) }
    });
    let unknown = s.cluster.creates(&s.pod(&s.image("unknown:1.4")));
    assert!(!unknown.passed && unknown.errors.contains("TrustServerUnreachable"), "{}", unknown.text());

    // Breaking the glass, and putting it back (docs/operations.md).
    let unverified = s.image("unknown:1.4");
    fleet.cluster().does(&[
        "delete",
        "validatingwebhookconfiguration,mutatingwebhookconfiguration",
        "tagseal",
    ]);
    eventually("nothing is verified", Duration::from_secs(10), || {
        let answer = s.cluster.alone(Because::NotInForceYet).tries(&s.pod(&unverified));
        if answer.passed { Ok(()) } else { Err(answer.errors) }
    });
    upgrades(&fleet.cluster());
    fleet.is_called();
    assert!(!s.cluster.creates(&s.pod(&unverified)).passed);
}
