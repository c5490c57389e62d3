//! Which policies count, and what they do when they find something.

use std::time::Duration;

use serde_json::json;

use crate::harness::*;

#[test]
fn a_namespaced_policy_tightens_and_only_in_its_namespace() {
    let s = Scenario::new("policies-namespaced");
    let (web, _) = s.released_repository("web");
    let qa = Signer::new("qa");
    web.delegates("targets/qa", &[&qa]);
    web.signs(&["targets/releases", "targets/qa"], "1.4", &digest_of("web 1.4"));
    web.signs(&["targets/releases"], "1.5", &digest_of("web 1.5"));
    s.has_policy(&s.policy().trusts(&web).requires(&["targets/releases"]));
    let (tested, released) = (s.image("web:1.4"), s.image("web:1.5"));
    s.seals(&released, &sealed(&released, &digest_of("web 1.5")));

    s.has_policy(&s.namespaced_policy("needs-qa").trusts(&web).requires(&["targets/qa"]));
    s.seals(&tested, &sealed(&tested, &digest_of("web 1.4")));
    s.soon_denies(&released, "NotSigned");
    let elsewhere = s.neighbour("policies-elsewhere");
    assert_eq!(
        images(&elsewhere.creates(&pod("web", &released)).object()),
        [sealed(&released, &digest_of("web 1.5"))]
    );
}

#[test]
fn a_namespaced_policy_may_not_name_a_server_that_no_cluster_policy_names() {
    let s = Scenario::new("policies-server");
    let (image, digest) = s.signed_web();
    s.seals(&image, &sealed(&image, &digest));
    let proxy = Proxy::of(suite().notary().url());
    let policy = Policy::namespaced("elsewhere", s.cluster.namespace(), &s.all_images(), &proxy.url());
    s.has_policy(&policy.trusts_key(&"0".repeat(64)));
    s.soon_denies(&image, "InvalidPolicy");
    assert_eq!(proxy.count("/"), 0);
}

#[test]
fn a_namespace_selector_chooses_namespaces() {
    let s = Scenario::new("policies-selector");
    let web = s.repository("web");
    web.signs(&["targets"], "1.4", &digest_of("web 1.4"));
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": s.cluster.namespace()}});
    s.has_policy(&s.policy().trusts(&web).with("namespaceSelector", selector));
    s.denies(&s.image("web:1.5"), "NotSigned");
    let elsewhere = s.neighbour("policies-unselected");
    assert_eq!(images(&elsewhere.creates(&pod("web", &s.image("web:1.5"))).object()), [s.image("web:1.5")]);
}

#[test]
fn what_a_policy_excludes_is_left_alone() {
    let s = Scenario::new("policies-exclude");
    let web = s.repository("web");
    s.has_policy(&s.policy().trusts(&web).with("images/exclude", json!([s.image("scratch/**")])));
    s.leaves_alone(&s.image("scratch/web:1.4"));
    s.leaves_alone("elsewhere.test/web:1.4");
    s.denies(&s.image("web:1.4"), "NotSigned");
}

#[test]
fn warn_seals_what_it_can_and_tells_the_rest() {
    let s = Scenario::new("policies-warn");
    let web = s.repository("web");
    let (image, digest) = (s.image("web:1.4"), digest_of("web 1.4"));
    web.signs(&["targets"], "1.4", &digest);
    s.has_policy(&s.policy().trusts(&web).with("validationActions", json!(["Warn"])));
    s.seals(&image, &sealed(&image, &digest));

    let unsigned = s.image("web:1.5");
    let answer = s.cluster.creates(&s.pod(&unsigned));
    assert_eq!(images(&answer.object()), [unsigned.as_str()]);
    for part in ["Warning:", "NotSigned", &unsigned] {
        assert!(answer.errors.contains(part), "{}", answer.errors);
    }
    assert_eq!(answer.errors.matches("NotSigned").count(), 1, "{}", answer.errors);
    s.passes(&unsigned);
}

#[test]
fn audit_says_it_in_the_audit_log_alone() {
    let s = Scenario::new("policies-audit");
    let web = s.repository("web");
    let (image, digest) = (s.image("web:1.4"), digest_of("web 1.4"));
    web.signs(&["targets"], "1.4", &digest);
    s.has_policy(&s.policy().trusts(&web).with("validationActions", json!(["Audit"])));
    s.seals(&image, &sealed(&image, &digest));

    let unsigned = s.image("web:1.5");
    s.leaves_alone(&unsigned);
    let events = eventually("the audit event", Duration::from_secs(10), || {
        let events = s.cluster.audit_events(&unsigned);
        if events.is_empty() { Err("none".to_owned()) } else { Ok(events) }
    });
    assert!(events[0]["annotations"].to_string().contains("NotSigned"), "{:#}", events[0]);
}

#[test]
fn images_that_no_policy_matches_go_as_the_flag_says() {
    for (value, name) in [("Deny", "unmatched-deny"), ("Warn", "unmatched-warn")] {
        let options = TagsealOptions { unmatched_images: Some(value), ..TagsealOptions::default() };
        let s = Scenario::with_own_tagseal(name, &options);
        let answer = s.cluster.creates(&s.pod("elsewhere.test/web:1.4"));
        assert_eq!(answer.passed, value == "Warn", "{}", answer.text());
        assert!(answer.errors.contains("NoPolicy"), "{}", answer.errors);
    }
}
