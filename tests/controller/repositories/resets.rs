//! Deleting a `TrustedRepository` resets the repository on every replica, and is told.

use std::time::Duration;

use serde_json::json;
use tagseal::policy::Reason;

use super::super::api_server::Fault as ApiFault;
use super::super::world::{LIMIT, with};
use super::replica::{Cluster, GUN, IMAGE, RELEASES, TREPO, first_use, pinned, web};
use crate::support::{Fault, Gate, SERVER, TestRepository, image_digest};

/// A repository at version 7.
fn at_seven(name: &str) -> TestRepository {
    let mut repository = web(name);
    for role in ["targets", RELEASES, "snapshot", "timestamp"] {
        repository.version(role, 7);
    }
    repository
}

#[tokio::test]
async fn a_deleted_object_resets_pin_floors_memory_and_disk_of_every_replica_and_the_leader_tells_it() {
    let cache = tempfile::tempdir().unwrap();
    let (cluster, mut repository) = (Cluster::new(), at_seven("one"));
    cluster.publish(&mut repository);
    let mut leader = cluster.replica_with_cache(cache.path().to_owned()).await;
    let mut other = cluster.replica().await;
    leader.leads(true);
    let demand = first_use();
    assert_eq!(leader.seals(&demand).await, image_digest("one"));
    assert_eq!(other.seals(&demand).await, image_digest("one"));
    let homes = || std::fs::read_dir(cache.path()).unwrap().count();
    assert_eq!(homes(), 1);
    let name = cluster.server.names(TREPO)[0].clone();

    // Set up anew, with another root and versions that begin at 1 again.
    let mut anew = web("anew");
    cluster.publish(&mut anew);
    cluster.a_minute_passes();
    assert_eq!(cluster.replica().await.refuses(&demand).await, Reason::RootMismatch);
    cluster.reset();
    for replica in [&leader, &other] {
        replica.awaits("reset", |replica| replica.holds_nothing()).await;
    }
    let notice = tokio::time::timeout(LIMIT, leader.events.recv()).await.unwrap().unwrap();
    assert_eq!((&*notice.reason, notice.action, notice.is_warning), ("Reset", "Reset", true));
    assert_eq!(notice.about.kind.as_deref(), Some("TrustedRepository"));
    assert_eq!((notice.about.name.as_deref(), notice.about.namespace.as_deref()), (Some(&*name), None));
    assert!(notice.about.uid.is_some() && notice.note.contains(GUN), "{notice:?}");
    assert!(leader.events.try_recv().is_err(), "once");
    assert!(other.events.try_recv().is_err(), "by the leader alone");
    assert_eq!(homes(), 0);
    for replica in [&leader, &other] {
        assert_eq!(replica.seals(&demand).await, image_digest("anew"));
    }
    assert_eq!(cluster.floor(RELEASES), "1");
}

#[tokio::test]
async fn a_deletion_that_the_watch_missed_is_noticed_by_the_next_list() {
    let (cluster, mut repository) = (Cluster::new(), at_seven("one"));
    cluster.publish(&mut repository);
    let (mut replica, demand) = (cluster.replica().await, pinned(&repository));
    replica.leads(true);
    replica.seals(&demand).await;
    cluster.server.served(&format!("WATCH {TREPO}"), 1).await;
    cluster.server.delete_in_silence(TREPO, "", &cluster.server.names(TREPO)[0]);
    cluster.server.break_watches();
    let notice = tokio::time::timeout(LIMIT, replica.events.recv()).await.unwrap().unwrap();
    assert_eq!(notice.reason, "Reset");
    assert!(replica.holds_nothing());
}

/// Deleted and made anew by another replica, and the watch saw neither.
#[tokio::test]
async fn an_object_that_was_made_anew_while_nobody_watched_is_a_reset() {
    let (cluster, mut repository) = (Cluster::new(), at_seven("one"));
    cluster.publish(&mut repository);
    let (mut replica, demand) = (cluster.replica().await, pinned(&repository));
    replica.leads(true);
    replica.seals(&demand).await;
    let mut anew = cluster.object();
    anew["metadata"]["uid"] = "another".into();
    for floor in anew["spec"]["floors"].as_array_mut().unwrap() {
        floor["version"] = "1".into();
    }
    cluster.server.served(&format!("WATCH {TREPO}"), 1).await;
    cluster.server.delete_in_silence(TREPO, "", &cluster.server.names(TREPO)[0]);
    cluster.server.break_watches();
    cluster.server.put(TREPO, anew);
    let notice = tokio::time::timeout(LIMIT, replica.events.recv()).await.unwrap().unwrap();
    assert_eq!(notice.reason, "Reset");
    assert!(replica.holds_nothing());
    for role in ["targets", RELEASES, "snapshot", "timestamp"] {
        repository.version(role, 2);
    }
    cluster.publish(&mut repository);
    replica.seals(&demand).await;
    assert_eq!(cluster.floor(RELEASES), "2");
}

/// One repository's commit is slow, and its disk has to wait for that. Its memory does not, nor does another repository.
#[tokio::test]
async fn a_reset_waits_for_no_other() {
    let cache = tempfile::tempdir().unwrap();
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let mut replica = cluster.replica_with_cache(cache.path().to_owned()).await;
    replica.leads(true);
    let (slow, quick) = (pinned(&repository), first_use());
    for demand in [&slow, &quick] {
        replica.seals(demand).await;
    }
    let name_of = |anchors: String| {
        let objects = cluster.server.objects(TREPO);
        let object = objects.iter().find(|object| object["spec"]["anchors"] == anchors).unwrap();
        object["metadata"]["name"].as_str().unwrap().to_owned()
    };
    let names = [&slow, &quick].map(|demand| name_of(demand.anchors.fingerprint().hex()));
    repository.sign_target(RELEASES, "1.4", image_digest("two"));
    cluster.publish(&mut repository);
    cluster.a_minute_passes();
    cluster.server.fail(&format!("UPDATE {TREPO} {}", names[0]), ApiFault::Silent);
    let reset = async {
        cluster.server.served(&format!("UPDATE {TREPO} {}", names[0]), 1).await;
        for name in &names {
            cluster.server.delete(TREPO, "", name);
        }
        let notice = tokio::time::timeout(LIMIT, replica.events.recv()).await.unwrap().unwrap();
        assert_eq!(notice.about.name.as_ref(), Some(&names[1]), "the one whose disk is free");
        assert!(replica.resolver.status().is_empty(), "memory waits for nothing");
        assert!(replica.events.try_recv().is_err());
    };
    let image = tagseal::image::ImageReference::parse(IMAGE).unwrap();
    let (deadline, pod) = (tokio::time::Instant::now() + LIMIT, tagseal::trust::PodIdentity::default());
    let resolver = std::sync::Arc::clone(&replica.resolver);
    let question =
        tagseal::trust::Question { demand: &slow, image: &image, pod: &pod, deadline, dry_run: false };
    let (_, ()) = tokio::join!(resolver.resolve(question), reset);
}

/// It was edited by hand until nobody could read its floors: to delete it is what the refusals say to do.
#[tokio::test]
async fn the_deletion_of_an_object_that_is_not_believed_resets_what_its_name_says() {
    for (pointer, value) in [("/spec/floors/0/version", json!("-1")), ("/spec/floors", json!("none"))] {
        let (cluster, mut repository) = (Cluster::new(), at_seven("one"));
        cluster.publish(&mut repository);
        let (mut replica, demand) = (cluster.replica().await, pinned(&repository));
        replica.leads(true);
        replica.seals(&demand).await;
        cluster.server.put(TREPO, with(cluster.object(), pointer, value));
        replica.awaits("told", |replica| replica.state.known().is_empty()).await;
        assert!(!replica.holds_nothing(), "that it cannot be read is no deletion");
        cluster.reset();
        let notice = tokio::time::timeout(LIMIT, replica.events.recv()).await.unwrap().unwrap();
        assert_eq!(notice.reason, "Reset");
        assert!(replica.holds_nothing());
    }
}

/// The replica found out by itself, and has made the record anew, before the watch shows the deletion.
#[tokio::test]
async fn a_deletion_that_is_shown_late_drops_nothing_of_the_record_that_was_made_since() {
    let cache = tempfile::tempdir().unwrap();
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let mut replica = cluster.replica_with_cache(cache.path().to_owned()).await;
    let demand = pinned(&repository);
    replica.leads(true);
    replica.seals(&demand).await;
    replica.awaits("told", |replica| replica.state.known().len() == 1).await;
    let before = cluster.object()["metadata"]["uid"].clone();
    cluster.server.served(&format!("WATCH {TREPO}"), 1).await;
    cluster.server.lag();
    cluster.reset();
    repository.sign_target(RELEASES, "1.4", image_digest("two"));
    cluster.publish(&mut repository);
    cluster.a_minute_passes();
    assert_eq!(replica.seals(&demand).await, image_digest("two"));
    assert_ne!(cluster.object()["metadata"]["uid"], before);
    cluster.server.catch_up();
    let notice = tokio::time::timeout(LIMIT, replica.events.recv()).await.unwrap().unwrap();
    assert_eq!(notice.about.uid.as_deref(), before.as_str());
    assert!(!replica.holds_nothing());
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 1);
    cluster.source.forget();
    assert_eq!(replica.seals(&demand).await, image_digest("two"));
    assert_eq!(cluster.source.paths(), Vec::<String>::new());
}

/// While leadership changes hands, nobody leads.
#[tokio::test(start_paused = true)]
async fn a_reset_while_nobody_leads_is_told_by_who_leads_next() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (mut next, mut other) = (cluster.replica().await, cluster.replica().await);
    let demand = pinned(&repository);
    next.seals(&demand).await;
    other.awaits("told", |other| other.state.known().len() == 1).await;
    cluster.reset();
    next.awaits("reset", |next| next.holds_nothing()).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    next.leads(true);
    let notice = tokio::time::timeout(LIMIT, next.events.recv()).await.unwrap().unwrap();
    assert_eq!(notice.reason, "Reset");
    // What somebody else must have told long ago is not told again.
    tokio::time::sleep(Duration::from_secs(15)).await;
    other.leads(true);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(other.events.try_recv().is_err() && next.events.try_recv().is_err());
}

/// While the API server cannot be asked, what a list lacks is not known to be gone.
#[tokio::test]
async fn what_was_written_after_a_list_began_is_not_taken_for_deleted() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (mut replica, demand) = (cluster.replica().await, pinned(&repository));
    replica.leads(true);
    cluster.server.lag();
    replica.seals(&demand).await;
    let name = cluster.server.names(TREPO)[0].clone();
    cluster.server.hide(TREPO, &name);
    let lists = cluster.server.count(&format!("LIST {TREPO}"));
    cluster.server.break_watches();
    cluster.server.served(&format!("LIST {TREPO}"), lists + 1).await;
    cluster.server.served(&format!("GET {TREPO} {name}"), 1).await;
    cluster.a_minute_passes();
    assert_eq!(replica.seals(&demand).await, image_digest("one"));
    assert!(replica.events.try_recv().is_err(), "nothing was reset");
}

/// A refresh that began under the old record does not write it down again, nor what it fetched under it.
#[tokio::test]
async fn a_refresh_under_way_does_not_bring_back_what_was_reset() {
    for first_use_pins in [false, true] {
        let (cluster, mut repository) = (Cluster::new(), at_seven("one"));
        cluster.publish(&mut repository);
        let replica = cluster.replica().await;
        let demand = if first_use_pins { first_use() } else { pinned(&repository) };
        replica.seals(&demand).await;
        // Version 8 is under way when the admin sets the repository up anew and deletes the record.
        repository.sign_target(RELEASES, "1.4", image_digest("eight"));
        cluster.publish(&mut repository);
        let gate = Gate::new();
        cluster.source.fault(&format!("{RELEASES}.*"), Fault::Delay(gate.clone()));
        cluster.a_minute_passes();
        let refresh = replica.resolve(&demand, IMAGE);
        let reset = async {
            gate.arrived(1).await;
            repository.sign_target(RELEASES, "1.4", image_digest("anew"));
            for role in ["targets", RELEASES, "snapshot", "timestamp"] {
                repository.version(role, 1);
            }
            cluster.server.lag();
            cluster.reset();
            gate.open();
            cluster.source.clear_faults();
            cluster.source.serve(SERVER, GUN, &repository.publish(cluster.now()));
        };
        let (answer, ()) = tokio::join!(refresh, reset);
        cluster.server.catch_up();
        cluster.a_minute_passes();
        assert_eq!(replica.seals(&demand).await, image_digest("anew"), "after {answer:?}");
        assert_eq!(cluster.floor(RELEASES), "1", "first use {first_use_pins}");
    }
}

/// T11's other half: without an answer nothing is forgotten.
#[tokio::test(start_paused = true)]
async fn t11_an_api_server_that_goes_away_resets_nothing() {
    let (cluster, mut repository) = (Cluster::new(), at_seven("one"));
    cluster.publish(&mut repository);
    let (replica, demand) = (cluster.replica().await, pinned(&repository));
    replica.seals(&demand).await;
    for fault in
        [ApiFault::Refused, ApiFault::Status(404, "404 page not found"), ApiFault::Status(503, "starting")]
    {
        cluster.server.fail("", fault);
        let lists = cluster.server.count(&format!("LIST {TREPO}"));
        cluster.server.break_watches();
        cluster.server.served(&format!("LIST {TREPO}"), lists + 2).await;
        assert_eq!(replica.state.known().len(), 1);
        assert!(!replica.holds_nothing());
        cluster.server.heal();
        cluster.server.served(&format!("WATCH {TREPO}"), 1).await;
    }
}
