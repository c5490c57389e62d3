//! What other webhooks, the API server's deadline and tagseal's own absence can and cannot do.

use std::time::Duration;

use serde_json::json;

use crate::harness::*;

#[test]
fn a6_a_later_webhook_cannot_undo_the_seal() {
    let s = Scenario::new("a6-hostile");
    let (image, digest) = s.signed_web();
    let unsigned = s.image("web:1.5");
    let another = sealed(&s.image("web"), &digest_of("another"));
    for (mischief, evil, reason) in [
        (Mischief::SwapsImage(unsigned.clone()), &unsigned, "NotSigned"),
        (Mischief::AddsContainer(unsigned.clone()), &unsigned, "NotSigned"),
        (Mischief::SwapsImage(another.clone()), &another, "DigestNotSigned"),
    ] {
        let _hostile = HostileWebhook::install(&s.cluster, mischief);
        eventually("the hostile webhook is called", Duration::from_secs(10), || {
            let answer = s.cluster.alone(Because::NotInForceYet).tries(&s.pod(&image));
            if answer.passed { Err("not yet".to_owned()) } else { Ok(()) }
        });
        s.refuses_what_becomes_of(&s.pod(&image), evil, reason);
    }
    // One that only takes the digest away is answered by sealing again.
    let _hostile = HostileWebhook::install(&s.cluster, Mischief::SwapsImage(image.clone()));
    s.soon_seals(&image, &sealed(&image, &digest));
}

#[test]
fn a30_what_could_not_be_sealed_is_passed_on_and_judged_as_a_later_webhook_leaves_it() {
    let s = Scenario::new("a30-swapper");
    let (image, digest) = s.signed_web();
    let placeholder = s.image("web:to-be-swapped");
    let message = s.denies(&placeholder, "NotSigned");
    assert!(message.contains("webhook \"validate.tagseal.dev\" denied the request"), "{message}");
    assert_eq!(message.matches("ClusterTrustPolicy a30-swapper-production").count(), 1, "{message}");

    let _swapper = HostileWebhook::install(&s.cluster, Mischief::SwapsImage(image.clone()));
    eventually("what the later webhook makes of it is admitted", Duration::from_secs(10), || {
        let answer = s.cluster.alone(Because::NotInForceYet).tries(&s.pod(&placeholder));
        if answer.passed { Ok(()) } else { Err(answer.errors) }
    });
    let answer = s.cluster.alone(Because::OtherWebhooks).creates(&s.pod(&placeholder));
    assert_eq!(images(&answer.object()), [sealed(&image, &digest)]);
    let warning = format!(
        "Warning: tagseal: container \"web\": image \"{placeholder}\": not sealed (NotSigned); validate.tagseal.dev decides"
    );
    assert_eq!(answer.errors.trim(), warning);
}

#[test]
fn a15_the_reason_comes_before_the_api_server_gives_up() {
    let options = TagsealOptions { timeout_seconds: Some(3), ..TagsealOptions::default() };
    let s = Scenario::with_own_tagseal("a15-deadline", &options);
    let web = s.repository("web");
    let (image, digest) = (s.image("web:1.4"), digest_of("web 1.4"));
    web.signs(&["targets"], "1.4", &digest);
    let proxy = Proxy::of(suite().notary().url());
    s.has_policy(&Policy::cluster("a15-deadline", &s.all_images(), &proxy.url()).trusts(&web));

    proxy.holds();
    let answer = s.cluster.alone(Because::Deadline).creates(&s.pod(&image));
    assert!(!answer.passed);
    for part in ["denied the request", "DeadlineExceeded", &image] {
        assert!(answer.errors.contains(part), "{}", answer.errors);
    }
    proxy.releases();
    eventually("the fetch that went on serves the retry", Duration::from_secs(10), || {
        let answer = s.cluster.alone(Because::NotInForceYet).tries(&s.pod(&image));
        if answer.passed { Ok(()) } else { Err(answer.errors) }
    });
    // Its own count: another tagseal that starts just then asks for what the cluster knows.
    let came: u64 = s.metrics().lines().filter_map(|line| files(line, &proxy.url())).sum();
    assert_eq!(came, 4, "timestamp, root, snapshot and targets, once each");
    s.seals(&image, &sealed(&image, &digest));
}

/// How many files came from `server`, where a line of metrics says so.
fn files(line: &str, server: &str) -> Option<u64> {
    let labels = line.strip_prefix("tagseal_trust_server_requests_total{")?;
    let (labels, value) = labels.rsplit_once(' ')?;
    let is_it = labels.contains(server) && labels.contains("result=\"ok\"");
    is_it.then(|| value.parse().expect("a count"))
}

#[test]
fn a23_without_the_mutating_webhook_nothing_unsealed_passes() {
    let s = Scenario::with_own_tagseal("a23-unmutated", &VALIDATING_ONLY);
    let (image, digest) = s.signed_web();
    let answer = s.cluster.alone(Because::OtherWebhookConfiguration).creates(&s.pod(&image));
    assert!(!answer.passed);
    for part in ["webhook \"validate.tagseal.dev\" denied the request", "NotSealed", &image] {
        assert!(answer.errors.contains(part), "{}", answer.errors);
    }
    s.seals(&sealed(&image, &digest), &sealed(&image, &digest));
    s.denies(&s.image("web:1.5"), "NotSigned");
}

#[test]
fn a24_while_tagseal_is_down_only_what_concerns_no_image_passes() {
    let s = Scenario::with_own_tagseal("a24-down", &TagsealOptions::default());
    let (image, _) = s.signed_web();
    s.cluster.applies(&deployment("web", 1, &image));
    s.pods_of("web", 1);
    let mut held = pod("held", &image);
    held["metadata"]["finalizers"] = json!(["e2e.tagseal.dev/hold"]);
    assert!(s.cluster.creates(&held).passed);

    s.loses_tagseal();
    s.cluster.does(&["label", "deployment/web", "pod/held", "seen=yes"]);
    s.cluster.does(&["scale", "deployment/web", "--replicas=0"]);
    s.cluster.does(&["patch", "pod/held", "-p", r#"{"metadata":{"finalizers":null}}"#]);
    s.cluster.does(&["delete", "pod/held", "--timeout=20s"]);

    is_unanswered(s.cluster.creates(&s.pod(&image)));
    is_unanswered(s.cluster.kubectl(&[
        "set",
        "image",
        "deployment/web",
        &format!("web={}", s.image("web:1.5")),
    ]));
    is_unanswered(s.cluster.kubectl(&["rollout", "restart", "deployment/web"]));

    s.cluster.does(&["label", "namespace", s.cluster.namespace(), "tagseal.dev/admission=ignore"]);
    eventually("an excluded namespace is left alone", Duration::from_secs(10), || {
        let answer = s.cluster.alone(Because::OtherWebhookConfiguration).creates(&s.pod(&image));
        if answer.passed { Ok(()) } else { Err(answer.errors) }
    });
}

/// The API server did not get an answer, and refused.
fn is_unanswered(answer: Answer) {
    assert!(!answer.passed, "{}", answer.text());
    let failed = "failed calling webhook \"validate.tagseal.dev\"";
    assert!(answer.errors.contains(failed), "{}", answer.errors);
}

#[test]
fn the_match_conditions_let_pass_what_changes_no_image_and_nothing_else() {
    let s = Scenario::unguarded("match-conditions");
    let image = s.image("web:1.4");
    for manifest in [
        pod("web", &image),
        deployment("web", 1, &image),
        suspended_cron_job("web", &image),
        pod_template("web", &image),
    ] {
        s.cluster.applies(&manifest);
    }
    s.has_unanswered_webhooks();
    for args in [
        &["label", "pod/web", "deployment/web", "cronjob/web", "podtemplate/web", "seen=yes"] as &[&str],
        &["patch", "pod/web", "-p", r#"{"metadata":{"finalizers":["e2e.tagseal.dev/hold"]}}"#],
        &["scale", "deployment/web", "--replicas=0"],
        &["patch", "deployment/web", "-p", r#"{"spec":{"paused":true}}"#],
        &["rollout", "resume", "deployment/web"],
        &["patch", "cronjob/web", "-p", r#"{"spec":{"schedule":"0 0 2 1 *"}}"#],
        &["delete", "pod/web", "--wait=false"],
        &["patch", "pod/web", "-p", r#"{"metadata":{"finalizers":null}}"#],
        &["wait", "--for=delete", "pod/web", "--timeout=20s"],
    ] {
        s.cluster.does(args);
    }
    let set = format!("web={}", s.image("web:1.5"));
    let other = s.image("web:1.5");
    for args in [
        &["set", "image", "deployment/web", &set] as &[&str],
        &["rollout", "restart", "deployment/web"],
        &["set", "image", "cronjob/web", &set],
        &["create", "deployment", "other", "--image", &other],
        &["create", "job", "other", "--image", &other],
    ] {
        is_unanswered(s.cluster.kubectl(args));
    }
    let changed = pod_template("web", &other).to_string();
    is_unanswered(s.cluster.kubectl_with(&["apply", "-f", "-"], changed.as_bytes()));
}

#[test]
fn an_ephemeral_container_reaches_the_webhooks() {
    let s = Scenario::unguarded("match-ephemeral");
    s.cluster.applies(&pod("web", &s.image("web:1.4")));
    s.has_unanswered_webhooks();
    let image = format!("--image={}", s.image("web:1.5"));
    is_unanswered(s.cluster.kubectl(&["debug", "web", &image, "--attach=false", "-c", "debugger"]));
}
