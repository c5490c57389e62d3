//! What the cluster remembers of repositories: the inventory, and how to start anew.

use std::time::Duration;

use serde_json::{Value, json};

use tagseal::clock::{Clock as _, SystemClock};

use crate::harness::*;
use crate::support::{TestRepository, image_digest};

/// Until a status says what is.
const SAID: Duration = Duration::from_secs(60);

/// The object that is about `repository`.
fn object_of(s: &Scenario, repository: &str) -> Option<Value> {
    let list: Value = serde_json::from_str(&s.cluster.does(&["get", "trepo", "-o", "json"])).expect("JSON");
    let items = list["items"].as_array().expect("items");
    items.iter().find(|item| item["spec"]["repository"] == repository).cloned()
}

#[test]
fn kubectl_get_trepo_is_the_inventory_of_what_is_trusted() {
    let s = Scenario::new("repositories-inventory");
    let (web, _) = s.released_repository("web");
    let (image, digest) = (s.image("web:1.4"), digest_of("web 1.4"));
    web.signs(&["targets/releases"], "1.4", &digest);
    s.has_policy(&s.policy().trusts(&web));
    s.seals(&image, &sealed(&image, &digest));

    let object = eventually("the status is written", SAID, || {
        let object = object_of(&s, &s.image("web")).ok_or("no object")?;
        if object["status"]["lastVerified"].is_string() { Ok(object) } else { Err(object.to_string()) }
    });
    let name = object["metadata"]["name"].as_str().expect("a name").to_owned();
    let shown = s.cluster.does(&["get", "trepo", &name]);
    let mut lines = shown.lines();
    let head: Vec<_> = lines.next().expect("a head").split_whitespace().collect();
    let columns = "NAME SERVER REPOSITORY ROOT PINNED BY SIGNERS EXPIRES VERIFIED OK";
    assert_eq!(head.join(" "), columns);
    let line: Vec<_> = lines.next().expect("a line").split_whitespace().collect();
    let (expires, verified) = (object["status"]["expires"].as_str().expect("a time"), line[line.len() - 2]);
    let key =
        |role: usize| object["status"]["signers"][role]["keyIDs"][0].as_str().expect("a key")[..8].to_owned();
    let signers = ["targets:", &format!("{};", key(0)), "targets/releases:", &key(1)].map(str::to_owned);
    let server = object["spec"]["server"].as_str().expect("a server");
    let expected =
        [&[&name, server, web.gun(), "1", "Policy"], &signers.each_ref().map(|s| &**s)[..]].concat();
    assert_eq!(line, [expected, vec![expires, verified, "True"]].concat());
    assert!(verified.ends_with('s') || verified.ends_with('m'), "an age: {shown}");
    let explained = s.cluster.does(&["explain", "trepo.spec.floors"]);
    assert!(explained.contains("The floor of every role"), "{explained}");

    // Which repository it is about cannot be edited.
    let patch = json!({"spec": {"repository": "registry.test/other"}}).to_string();
    let answer = s.cluster.kubectl(&["patch", "trepo", &name, "--type=merge", "-p", &patch]);
    assert!(
        !answer.passed && answer.errors.contains("which repository this is about cannot change"),
        "{answer:?}"
    );

    // The explicit way to start anew, told by an Event.
    s.cluster.does(&["delete", "trepo", &name]);
    eventually("the reset is told", SAID, || {
        let about = format!("--field-selector=regarding.name={name}");
        let args =
            ["get", "events.events.k8s.io", "-n", "default", &about, "-o", "jsonpath={.items[*].reason}"];
        let reasons = s.cluster.does(&args);
        if reasons == "Reset" { Ok(()) } else { Err(reasons) }
    });
    s.seals(&image, &sealed(&image, &digest));
    let again = object_of(&s, &s.image("web")).expect("made anew");
    assert_eq!(again["metadata"]["name"], name.as_str());
    assert_ne!(again["metadata"]["uid"], object["metadata"]["uid"]);
}

/// The API server may call one replica alone for a long time, and need not call the leader.
#[test]
fn what_only_a_replica_that_does_not_lead_was_asked_for_is_in_the_inventory_all_the_same() {
    let fleet = Fleet::start("repositories-follower", Route::Together);
    let s = fleet.scenario("repositories-others");
    let (web, _) = s.released_repository("web");
    let (image, digest) = (s.image("web:1.4"), digest_of("web 1.4"));
    web.signs(&["targets/releases"], "1.4", &digest);
    let policy = s.policy().trusts(&web);
    s.changes_policy(&policy);
    let (leader, other) = match fleet.leader() {
        0 => (&fleet.replicas[0], &fleet.replicas[1]),
        _ => (&fleet.replicas[1], &fleet.replicas[0]),
    };
    // Past the API server, which chooses whom it calls.
    eventually("the policy is in force", SAID, || match other.seals("repositories-others", &image) {
        Ok(found) if found == sealed(&image, &digest) => Ok(()),
        found => Err(format!("{found:?}")),
    });

    let object = eventually("the status is written", SAID, || {
        let object = object_of(&s, &s.image("web")).ok_or("no object")?;
        let status = &object["status"];
        let is_whole = status["expires"].is_string() && status["image"].is_string();
        if is_whole { Ok(object) } else { Err(object.to_string()) }
    });
    let status = &object["status"];
    let roles: Vec<_> =
        status["signers"].as_array().expect("signers").iter().map(|signer| &signer["role"]).collect();
    assert_eq!(roles, ["targets", "targets/releases"]);
    assert!(status["lastUsed"].is_string() && status["lastVerified"].is_string(), "{status}");
    assert_eq!(status["image"], image.as_str());
    let shown = s.cluster.does(&["get", "trepo", object["metadata"]["name"].as_str().expect("a name")]);
    let line = shown.lines().nth(1).expect("a line");
    for part in [status["signedBy"].as_str(), status["expires"].as_str(), Some("True")] {
        assert!(line.contains(part.expect("a column")), "{shown}");
    }

    // The leader, whom nobody asked, fetched it too: what it says of the policy is true.
    let said = s.soon_says(&policy, "TrustDataFresh", "True", "Fresh");
    assert_eq!(said["repositories"], 1, "{said}");
    let metrics = leader.metrics();
    let mut verdicts = metrics.lines().filter(|line| line.starts_with("tagseal_policy_verdicts_total{"));
    assert!(!verdicts.any(|line| line.contains(policy.name())), "the leader was asked: {metrics}");
}

/// Both find no record and make one; who comes second reads what the first one wrote, and goes by it.
#[test]
fn two_replicas_that_are_asked_at_once_agree_on_one_record() {
    let fleet = Fleet::start("repositories-at-once", Route::Together);
    let s = fleet.scenario("repositories-at-once");
    let (web, _) = s.released_repository("web");
    let (image, digest) = (s.image("web:1.4"), digest_of("web 1.4"));
    web.signs(&["targets/releases"], "1.4", &digest);
    s.changes_policy(&s.policy().trusts(&web));
    let wanted = sealed(&image, &digest);
    for replica in &fleet.replicas {
        replica.soon_seals("repositories-at-once", &image, &wanted);
    }
    let uid = |object: &Value| object["metadata"]["uid"].as_str().expect("a uid").to_owned();
    // How close they come is chance, so it is done over and over.
    for _ in 0..20 {
        let before = object_of(&s, &s.image("web")).expect("an object");
        s.cluster.does(&["delete", "trepo", before["metadata"]["name"].as_str().expect("a name")]);
        eventually("the record is made anew", SAID, || {
            std::thread::scope(|scope| {
                for replica in &fleet.replicas {
                    let (asker, image, wanted) = (replica.asker(), &image, &wanted);
                    scope.spawn(move || {
                        assert_eq!(asker.seals("repositories-at-once", image).as_ref(), Ok(wanted));
                    });
                }
            });
            match object_of(&s, &s.image("web")).map(|object| uid(&object)) {
                Some(now) if now != uid(&before) => Ok(()),
                found => Err(format!("{found:?}")),
            }
        });
    }
}

/// A repository at `version`, signed by the same root each time.
fn publishes(server: &StaticServer, repository: &mut TestRepository, version: u64, name: &str) -> String {
    repository.sign_target("targets", "1.4", image_digest(name));
    for role in ["targets", "snapshot", "timestamp"] {
        repository.version(role, version);
    }
    server.publishes(repository);
    image_digest(name).to_string()
}

#[test]
fn t11_a_replica_without_a_disk_refuses_a_rollback_until_the_object_is_deleted() {
    let s = Scenario::with_own_tagseal("repositories-reset", &TagsealOptions::default());
    let (server, image) = (StaticServer::start(), s.image("web:1.4"));
    let mut repository = TestRepository::new(&s.image("web"), SystemClock.now());
    let seven = publishes(&server, &mut repository, 7, "seven");
    let policy = Policy::cluster("repositories-reset", &s.all_images(), &server.url());
    let policy = policy.with("freshness", json!({"revalidateAfter": "2s"}));
    s.has_policy(&policy.trusts_key(&repository.root_key().canonical_id()));
    let creates = || s.cluster.alone(Because::OwnMemory).creates(&s.pod(&image));
    assert_eq!(images(&creates().object()), [sealed(&image, &seven)]);
    let name = object_of(&s, &s.image("web")).expect("an object")["metadata"]["name"].clone();
    let name = name.as_str().expect("a name");

    let anew = publishes(&server, &mut repository, 1, "anew");
    s.tagseal_starts_anew();
    let answer = creates();
    assert!(!answer.passed && answer.errors.contains("Rollback"), "{answer:?}");
    s.cluster.does(&["delete", "trepo", name]);
    let stored = eventually("what was set up anew is sealed", SAID, || {
        let answer = creates();
        if answer.passed { Ok(answer.object()) } else { Err(answer.errors) }
    });
    assert_eq!(images(&stored), [sealed(&image, &anew)]);
}

#[test]
fn a_new_replica_is_ready_once_it_has_what_the_cluster_knows() {
    let s = Scenario::with_own_tagseal("repositories-warm", &TagsealOptions::default());
    let web = s.repository("web");
    let (image, digest) = (s.image("web:1.4"), digest_of("web 1.4"));
    web.signs(&["targets"], "1.4", &digest);
    let proxy = Proxy::of(suite().notary().url());
    s.has_policy(&Policy::cluster("repositories-warm", &s.all_images(), &proxy.url()).trusts(&web));
    s.seals(&image, &sealed(&image, &digest));

    s.tagseal_starts_anew();
    proxy.stops();
    s.seals(&image, &sealed(&image, &digest));
    s.denies(&s.image("other:1.4"), "TrustServerUnreachable");
    // A trust server that is down holds up no replica.
    s.tagseal_starts_anew();
    // `tagseal verify` still has its cache.
    let answer = s.cluster.alone(Because::OwnMemory).creates(&s.pod(&image));
    assert!(!answer.passed && answer.errors.contains("TrustServerUnreachable"), "{}", answer.text());
}
