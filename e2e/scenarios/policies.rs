//! Which policies count, and what they do when they find something.

use std::time::Duration;

use serde_json::json;

use crate::harness::*;

#[test]
fn the_api_server_explains_policies_and_refuses_what_its_rules_can_see() {
    suite().has_crds();
    let s = Scenario::unguarded("policies-schema");
    for field in ["clustertrustpolicies.spec.images", "trustpolicies.spec.requiredDelegations"] {
        assert!(s.cluster.does(&["explain", field]).contains("DESCRIPTION"), "{field}");
    }
    let good = || s.policy().trusts_key(&"0".repeat(64));
    let namespaced = || s.namespaced_policy("tenant").trusts_key(&"0".repeat(64));
    assert!(s.cluster.tries(good().manifest()).passed);
    assert!(s.cluster.tries(namespaced().manifest()).passed);
    for (fault, policy) in [
        ("no image at all", good().with("images/include", json!([]))),
        ("plain http beyond loopback", good().with("notary/server", "http://notary.example.com")),
        ("no root, no first use", good().with("roots", json!([]))),
        ("first use by a tenant", namespaced().with("firstUse", "Trust")),
        ("a tenant's namespace selector", namespaced().with("namespaceSelector", json!({}))),
        ("a quorum larger than its roles", good().requires(&["targets/a"]).with("threshold", 2)),
        ("an unknown action", good().with("validationActions", json!(["Pray"]))),
        ("an unknown field", good().with("unheardOf", true)),
    ] {
        let answer = s.cluster.tries(policy.manifest());
        assert!(!answer.passed, "{fault} was accepted");
    }
}

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
    s.stores_elsewhere(&elsewhere, &released, &sealed(&released, &digest_of("web 1.5")));
}

#[test]
fn a_namespaced_policy_may_not_name_a_server_that_no_cluster_policy_names() {
    let s = Scenario::new("policies-server");
    let (image, digest) = s.signed_web();
    s.seals(&image, &sealed(&image, &digest));
    let proxy = Proxy::of(suite().notary().url());
    let policy = Policy::namespaced("elsewhere", s.cluster.namespace(), &s.all_images(), &proxy.url());
    s.has_policy(&policy.trusts_key(&"0".repeat(64)).slips_through());
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
    s.stores_elsewhere(&elsewhere, &s.image("web:1.5"), &s.image("web:1.5"));
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
    let warns = |s: &Scenario| s.policy().trusts(&web).with("validationActions", json!(["Warn"]));
    s.has_policy(&warns(&s).with("mutation", json!("Pods")));
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
    s.leaves_alone(&image);

    let unsigned = s.image("web:1.5");
    s.leaves_alone(&unsigned);
    let events = eventually("the audit event", Duration::from_secs(10), || {
        let events = s.cluster.audit_events(&unsigned);
        if events.is_empty() { Err("none".to_owned()) } else { Ok(events) }
    });
    assert!(events[0]["annotations"].to_string().contains("NotSigned"), "{:#}", events[0]);
}

#[test]
fn an_image_that_no_policy_matches_goes_as_the_flag_says() {
    let unmatched = "elsewhere.test/web:1.4";
    let s = Scenario::new("unmatched-allow");
    s.signed_web();
    s.leaves_alone(unmatched);

    let options = |value| TagsealOptions { unmatched_images: Some(value), ..TagsealOptions::default() };
    let s = Scenario::with_own_tagseal("unmatched-deny", &options("Deny"));
    s.signed_web();
    s.denies(unmatched, "NoPolicy");

    let s = Scenario::with_own_tagseal("unmatched-warn", &options("Warn"));
    s.signed_web();
    let answer = s.cluster.creates(&s.pod(unmatched));
    assert_eq!(images(&answer.object()), [unmatched]);
    assert!(answer.errors.contains("NoPolicy"), "{}", answer.errors);
    s.passes(unmatched);
}
