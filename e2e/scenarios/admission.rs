//! The verbs by which objects change: the verdict is the same by every one of them.

use serde_json::{Value, json};
use tagseal::clock::{Clock as _, SystemClock};

use crate::harness::*;
use crate::support::{TestRepository, image_digest};

#[test]
fn a8_an_object_under_deletion_is_verified_like_any_other() {
    let s = Scenario::new("a8-deletion");
    let (image, _) = s.signed_web();
    let mut pod = s.pod(&image);
    pod["metadata"]["finalizers"] = json!(["e2e.tagseal.dev/hold"]);
    assert!(s.cluster.creates(&pod).passed);
    s.cluster.does(&["delete", "pod/pod-0", "--wait=false"]);
    assert!(s.cluster.gets("pod/pod-0")["metadata"]["deletionTimestamp"].is_string());

    let unsigned = s.image("web:1.5");
    let answer = s.cluster.kubectl(&["set", "image", "pod/pod-0", &format!("web={unsigned}")]);
    let mut changed = s.cluster.gets("pod/pod-0");
    changed["spec"]["containers"][0]["image"] = json!(unsigned);
    s.is_refusal(answer, &changed, &unsigned, "NotSigned");
    s.cluster.does(&["patch", "pod/pod-0", "-p", r#"{"metadata":{"finalizers":null}}"#]);
    s.cluster.does(&["wait", "--for=delete", "pod/pod-0", "--timeout=20s"]);
}

#[test]
fn a9_updates_that_change_no_image_need_no_trust_server() {
    let s = Scenario::new("a9-updates");
    let web = s.repository("web");
    web.signs(&["targets"], "1.4", &digest_of("web 1.4"));
    let proxy = Proxy::of(suite().notary().url());
    s.has_policy(&Policy::cluster("a9-updates", &s.all_images(), &proxy.url()).trusts(&web));
    s.cluster.applies(&deployment("web", 1, &s.image("web:1.4")));
    let pod = s.pods_of("web", 1)[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    let pod = format!("pod/{pod}");
    s.cluster.does(&["patch", &pod, "-p", r#"{"metadata":{"finalizers":["e2e.tagseal.dev/hold"]}}"#]);

    proxy.stops();
    s.cluster.does(&["label", "deployment/web", &pod, "seen=yes"]);
    s.cluster.does(&["scale", "deployment/web", "--replicas=0"]);
    s.cluster.does(&["patch", &pod, "-p", r#"{"metadata":{"finalizers":null}}"#]);
    s.cluster.does(&["wait", "--for=delete", &pod, "--timeout=20s"]);
}

#[test]
fn a11_every_way_to_create_a_pod_is_judged_alike() {
    let s = Scenario::new("a11-create");
    let (image, digest) = s.signed_web();
    let unsigned = s.image("web:1.5");
    let nameless = |image: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "web-"},
            "spec": {"containers": [{"name": "web", "image": image}]},
        })
    };
    assert_eq!(images(&s.cluster.creates(&nameless(&image)).object()), [sealed(&image, &digest)]);
    s.refuses(&nameless(&unsigned), &unsigned, "NotSigned");
    assert_eq!(images(&s.cluster.tries(&nameless(&image)).object()), [sealed(&image, &digest)]);
    s.is_refusal(s.cluster.tries(&nameless(&unsigned)), &nameless(&unsigned), &unsigned, "NotSigned");

    let server_side = |name: &str, image: &str| {
        let args = ["apply", "--server-side", "-o", "json", "-f", "-"];
        s.cluster.kubectl_with(&args, pod(name, image).to_string().as_bytes())
    };
    assert_eq!(images(&server_side("good", &image).object()), [sealed(&image, &digest)]);
    s.is_refusal(server_side("bad", &unsigned), &pod("bad", &unsigned), &unsigned, "NotSigned");
    let run = |name: &str, image: &str| s.cluster.kubectl(&["run", name, &format!("--image={image}")]);
    assert!(run("runs", &image).passed);
    s.is_stored_alike(&pod("runs", &image), &s.cluster.gets("pod/runs"));
    s.is_refusal(run("does-not-run", &unsigned), &pod("does-not-run", &unsigned), &unsigned, "NotSigned");
    let copy = |name: &str, image: &str| {
        let (name, image) = (format!("--copy-to={name}"), format!("--set-image=web={image}"));
        s.cluster.kubectl(&["debug", "good", &name, &image, "--attach=false"])
    };
    assert!(copy("copy", &image).passed);
    s.is_stored_alike(&pod("copy", &image), &s.cluster.gets("pod/copy"));
    s.is_refusal(copy("bad-copy", &unsigned), &pod("bad-copy", &unsigned), &unsigned, "NotSigned");
}

#[test]
fn a11_every_way_to_change_an_image_is_judged_alike() {
    let s = Scenario::new("a11-update");
    let (image, _) = s.signed_web();
    let unsigned = s.image("web:1.5");
    s.cluster.applies(&deployment("web", 1, &image));
    let strategic =
        json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": unsigned}]}}}});
    let json_patch =
        json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": unsigned}]);
    let (strategic, json_patch) = (strategic.to_string(), json_patch.to_string());
    let set_image = format!("web={unsigned}");
    let (object, changed) = ("deployment/web", deployment("web", 1, &unsigned));
    for args in [
        &["patch", object, "--type=strategic", "-p", &strategic] as &[&str],
        &["patch", object, "--type=json", "-p", &json_patch],
        &["set", "image", object, &set_image],
        &["set", "image", object, &set_image, "--dry-run=server"],
    ] {
        s.is_refusal(s.cluster.kubectl(args), &changed, &unsigned, "NotSigned");
    }
    let manifest = changed.to_string();
    for args in
        [&["apply", "-f", "-"] as &[&str], &["apply", "--server-side", "--force-conflicts", "-f", "-"]]
    {
        s.is_refusal(s.cluster.kubectl_with(args, manifest.as_bytes()), &changed, &unsigned, "NotSigned");
    }
    assert_eq!(images(&s.cluster.gets(object)["spec"]["template"]), [image]);
    s.cluster.does(&["rollout", "restart", object]);
}

#[test]
fn a11_a_dry_run_pins_nothing_and_writes_no_event() {
    let s = Scenario::new("a11-dry-run");
    let (server, image) = (StaticServer::start(), s.image("web:1.4"));
    let publishes = |name: &str| {
        let mut repository = TestRepository::new(&s.image("web"), SystemClock.now());
        repository.sign_target("targets", "1.4", image_digest(name));
        server.publishes(&mut repository);
        sealed(&image, &image_digest(name).to_string())
    };
    let policy = Policy::cluster("a11-dry-run", &s.all_images(), &server.url());
    s.has_policy(&policy.with("firstUse", "Trust"));

    let one = publishes("one");
    let tried = s.cluster.alone(Because::FirstUseOnDryRun).tries(&s.pod(&image));
    assert_eq!(images(&tried.object()), [one]);
    // Another publisher, another root: it would be refused, had the dry run pinned the one before.
    let other = publishes("other");
    assert_eq!(images(&s.cluster.creates(&s.pod(&image)).object()), [other.as_str()]);
    // That one was pinned: a third is refused, and what it vouched for goes on.
    publishes("third");
    assert_eq!(images(&s.cluster.creates(&s.pod(&image)).object()), [other]);

    let answer = s.cluster.tries(&s.pod(&s.image("web:1.5")));
    assert!(!answer.passed && answer.errors.contains("RootMismatch"), "{}", answer.text());
    let events: Value =
        serde_json::from_str(&s.cluster.does(&["get", "events", "-o", "json"])).expect("JSON");
    let by_tagseal =
        |event: &&Value| event["source"]["component"].as_str().is_some_and(|name| name.contains("tagseal"));
    assert_eq!(events["items"].as_array().expect("events").iter().find(by_tagseal), None);
}

#[test]
fn a19_a_namespace_that_the_watch_does_not_know_is_asked_for() {
    let s = Scenario::new("a19-unknown");
    let (web, image) = (s.repository("web"), s.image("web:1.4"));
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": "a19-unknown"}});
    s.has_policy(&s.policy().trusts(&web).with("namespaceSelector", selector));
    // The API server would not ask about one that is not there: this is the moment before the watch has it.
    let refusal = suite().asker().seals("a19-nowhere", &image).expect_err("its labels are not known");
    assert!(refusal.contains("NotSynced"), "{refusal}");
}
