//! What one of several tagseals does for all: the lease, and the Events about policies. And those about workloads, which each
//! does for itself.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::*;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn of_several_tagseals_one_holds_the_lease_and_renews_it() {
    let s = Scenario::with_own_tagseal("leader-lease", &TagsealOptions::default());
    let system = s.cluster.in_namespace("tagseal-system");
    let lease = || system.gets("lease/tagseal")["spec"].take();
    let first = lease();
    let renewed = eventually("the lease is renewed", PATIENCE, || {
        let now = lease();
        if now["renewTime"] == first["renewTime"] { Err(now.to_string()) } else { Ok(now) }
    });
    for field in ["holderIdentity", "acquireTime", "leaseTransitions"] {
        assert_eq!(renewed[field], first[field], "{field}");
    }
    s.loses_tagseal();
    eventually("the lease is renewed once more", PATIENCE, || {
        let now = lease();
        if now["renewTime"] == renewed["renewTime"] { Err(now.to_string()) } else { Ok(()) }
    });
    assert_eq!(lease()["holderIdentity"], first["holderIdentity"]);
}

#[test]
fn a_policy_that_breaks_and_is_mended_says_so_in_events_that_describe_shows() {
    let s = Scenario::new("leader-events");
    let (image, digest) = s.signed_web();
    s.seals(&image, &sealed(&image, &digest));
    let broken = s.policy().trusts_key(&"0".repeat(64));
    let broken = broken
        .with("notary/caBundle", json!({"configMapKeyRef": {"name": "leader-events", "key": "ca.crt"}}));
    s.has_policy(&broken);
    let status = s.soon_says(&broken, "Ready", "False", "InvalidPolicy");
    assert_eq!(status["observedGeneration"], 2, "{status}");
    let describes = |words: &[&str]| {
        eventually("describe shows the Event", PATIENCE, || {
            let told = s.cluster.does(&["describe", "clustertrustpolicy", broken.name()]);
            let events = told.split("Events:").last().unwrap_or_default();
            if words.iter().all(|word| events.contains(word)) { Ok(events.to_owned()) } else { Err(told) }
        })
    };
    describes(&["Warning", "InvalidPolicy", "Ready is False", "spec.notary.caBundle", "leader-events"]);
    s.cluster.in_namespace("tagseal-system").applies(&json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "leader-events"},
        "data": {"ca.crt": Authority::new("leader-events").pem()}
    }));
    s.soon_says(&broken, "Ready", "True", "Compiled");
    let events = describes(&["Normal", "Compiled", "Ready is True"]);
    assert_eq!(events.matches("InvalidPolicy").count(), 1, "{events}");
}

#[test]
fn a11_what_a_warning_policy_finds_is_an_event_on_the_workload_but_not_of_a_dry_run() {
    let s = Scenario::new("leader-findings");
    let web = s.repository("web");
    web.signs(&["targets"], "1.4", &digest_of("web 1.4"));
    s.has_policy(&s.policy().trusts(&web).with("validationActions", json!(["Warn"])));
    let unsigned = s.image("web:1.5");
    let answer = s.cluster.tries(&pod("dry", &unsigned));
    assert!(answer.passed && answer.errors.contains("NotSigned"), "{}", answer.text());
    let stored = s.cluster.creates(&pod("web", &unsigned)).object();
    eventually("kubectl shows the Event", PATIENCE, || {
        let told = s.cluster.does(&["events", "--for", "pod/web"]);
        let is_told = ["Warning", "NotSigned", &unsigned].iter().all(|word| told.contains(word));
        if is_told { Ok(()) } else { Err(told) }
    });
    let events = s.cluster.gets("events.events.k8s.io")["items"].take();
    let ours = |event: &&Value| event["reportingController"] == "tagseal";
    let about: Vec<_> =
        events.as_array().unwrap().iter().filter(ours).map(|event| &event["regarding"]).collect();
    // Nothing of the dry runs before it, the probes of the policy among them.
    assert_eq!(about.len(), 1, "{events:#}");
    assert_eq!((&about[0]["name"], &about[0]["uid"]), (&json!("web"), &stored["metadata"]["uid"]));
}

#[test]
fn a_finding_that_repeats_is_counted_in_its_first_event() {
    let s = Scenario::new("leader-repeats");
    let web = s.repository("web");
    web.signs(&["targets"], "1.4", &digest_of("web 1.4"));
    s.has_policy(&s.policy().trusts(&web).with("validationActions", json!(["Warn"])));
    let (one, other) = (s.image("web:1.5"), s.image("web:1.6"));
    assert!(s.cluster.creates(&pod("web", &one)).passed);
    // The first repetition is told within some ten seconds.
    let (each, limit) = (Duration::from_secs(2), Duration::from_secs(60));
    eventually_each(each, "the first Event is counted up", limit, || {
        for image in [&other, &one] {
            s.cluster.does(&["set", "image", "pod/web", &format!("web={image}")]);
        }
        let events = s.cluster.gets("events.events.k8s.io")["items"].take();
        let is_first = |event: &&Value| event["note"].as_str().is_some_and(|note| note.contains(&one));
        let first: Vec<_> = events.as_array().unwrap().iter().filter(is_first).collect();
        assert!(first.len() <= 1, "{events:#}");
        match first[..] {
            [event] if event["series"]["count"].as_i64() > Some(1) => Ok(()),
            _ => Err(events.to_string()),
        }
    });
}
