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
            if s.cluster.tries(&s.pod(&image)).passed { Err("not yet".to_owned()) } else { Ok(()) }
        });
        s.refuses(&s.pod(&image), evil, reason);
    }
    // One that only takes the digest away is answered by sealing again.
    let _hostile = HostileWebhook::install(&s.cluster, Mischief::SwapsImage(image.clone()));
    s.soon_seals(&image, &sealed(&image, &digest));
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
    let answer = s.cluster.creates(&s.pod(&image));
    assert!(!answer.passed);
    for part in ["denied the request", "DeadlineExceeded", &image] {
        assert!(answer.errors.contains(part), "{}", answer.errors);
    }
    proxy.releases();
    eventually("the fetch that went on serves the retry", Duration::from_secs(10), || {
        let answer = s.cluster.tries(&s.pod(&image));
        if answer.passed { Ok(()) } else { Err(answer.errors) }
    });
    assert_eq!(proxy.count("web/_trust/tuf/timestamp.json"), 1);
    s.seals(&image, &sealed(&image, &digest));
}

#[test]
fn a23_without_the_mutating_webhook_nothing_unsealed_passes() {
    let s = Scenario::with_own_tagseal("a23-unmutated", &VALIDATING_ONLY);
    let (image, digest) = s.signed_web();
    let answer = s.cluster.creates(&s.pod(&image));
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

    let fails = |answer: Answer| {
        assert!(!answer.passed, "{}", answer.text());
        assert!(
            answer.errors.contains("failed calling webhook \"validate.tagseal.dev\""),
            "{}",
            answer.errors
        );
    };
    fails(s.cluster.creates(&s.pod(&image)));
    fails(s.cluster.kubectl(&["set", "image", "deployment/web", &format!("web={}", s.image("web:1.5"))]));
    fails(s.cluster.kubectl(&["rollout", "restart", "deployment/web"]));

    s.cluster.does(&["label", "namespace", s.cluster.namespace(), "tagseal.dev/admission=ignore"]);
    eventually("an excluded namespace is left alone", Duration::from_secs(10), || {
        let answer = s.cluster.creates(&s.pod(&image));
        if answer.passed { Ok(()) } else { Err(answer.errors) }
    });
}
