//! Exemptions before a real API server: in force at once, told everywhere, over at their end, and nobody's but an admin's.

use std::time::Duration;

use serde_json::{Value, json};
use tagseal::clock::{Clock as _, SystemClock};

use crate::harness::*;

/// How long until what was applied is in force, and until what follows is told.
const SETTLED: Duration = Duration::from_secs(60);

fn exemption(name: &str, include: &str, changes: &[(&str, Value)]) -> Value {
    let mut object = json!({
        "apiVersion": "tagseal.dev/v1alpha1", "kind": "TrustExemption", "metadata": {"name": name},
        "spec": {"images": {"include": [include]}, "reason": "its signer is away"},
    });
    for (field, value) in changes {
        object["spec"][field] = value.clone();
    }
    object
}

/// When so many seconds are over, by the clock of this machine.
fn in_seconds(seconds: i64) -> String {
    let now = SystemClock.now();
    (now + jiff::SignedDuration::from_secs(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn condition(s: &Scenario, name: &str, kind: &str, status: &str) -> Value {
    eventually(&format!("{name} says {kind}={status}"), SETTLED, || {
        let object = s.cluster.gets(&format!("trustexemption/{name}"));
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        match conditions.iter().any(|of| of["type"] == kind && of["status"] == status) {
            true => Ok(object["status"].clone()),
            false => Err(object["status"].to_string()),
        }
    })
}

#[test]
fn p15_an_exemption_holds_at_once_is_told_and_is_over_at_its_end() {
    let s = Scenario::new("exempt");
    let web = s.repository("web");
    s.has_policy(&s.policy().trusts(&web));
    let image = s.image("vendor:1");
    let admitted = |what: &str, wanted: bool| {
        eventually(what, SETTLED, || {
            let answer = s.cluster.alone(Because::NotInForceYet).tries(&s.pod(&image));
            if answer.passed == wanted { Ok(answer) } else { Err(answer.text()) }
        })
    };
    admitted("it is refused", false);
    let name = "exempt-vendor";
    s.has_beside(&exemption(name, &s.image("vendor"), &[("until", json!(in_seconds(40)))]));
    admitted("it is exempt", true);
    let answer = s.cluster.creates(&s.pod(&image));
    assert_eq!(images(&answer.object()), [image.as_str()], "it is not sealed");
    let status = condition(&s, name, "Active", "True");
    assert_eq!(status["observedGeneration"], 1);
    eventually("its use is counted", SETTLED, || {
        let status = s.cluster.gets(&format!("trustexemption/{name}"))["status"].take();
        if status["used"].as_i64() >= Some(1) { Ok(()) } else { Err(status.to_string()) }
    });
    eventually("the audit event", SETTLED, || {
        let events = s.cluster.audit_events(&image);
        if events.iter().any(|event| event["annotations"].to_string().contains(name)) {
            Ok(())
        } else {
            Err(format!("{events:?}"))
        }
    });

    let refused = admitted("it is refused again", false);
    assert!(refused.errors.contains("vendor:1"), "{}", refused.errors);
    assert!(!s.cluster.tries(&s.pod(&image)).passed);
    condition(&s, name, "Expired", "True");
    eventually("Events tell of its beginning and its end", SETTLED, || {
        let events = s.cluster.in_namespace("default").gets("events.events.k8s.io");
        let of_it = |event: &&Value| event["regarding"]["name"] == name;
        let events = events["items"].as_array().cloned().unwrap_or_default();
        let reasons: Vec<_> =
            events.iter().filter(of_it).map(|event| event["reason"].as_str().unwrap_or_default()).collect();
        match reasons.contains(&"EndsSoon") && reasons.contains(&"Expired") {
            true => Ok(()),
            false => Err(format!("{reasons:?}")),
        }
    });
    s.cluster.does(&["delete", "trustexemption", name]);
}

#[test]
fn p15_an_exemption_of_other_images_sites_namespaces_and_policies_has_no_effect() {
    let s = Scenario::new("exempt-elsewhere");
    let web = s.repository("web");
    let policy = s.policy().trusts(&web);
    s.has_policy(&policy);
    let image = s.image("vendor:1");
    let elsewhere = json!({"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}});
    let here = json!({"matchLabels": {"kubernetes.io/metadata.name": s.cluster.namespace()}});
    let include = s.image("vendor");
    let all = [
        exemption("exempt-else-image", &s.image("other"), &[]),
        exemption("exempt-else-site", &include, &[("sites", json!(["ephemeralContainers"]))]),
        exemption("exempt-else-namespace", &include, &[("namespaceSelector", elsewhere)]),
        exemption("exempt-else-policy", &include, &[("policies", json!(["another"]))]),
        exemption("exempt-else-past", &include, &[("until", json!("2020-01-01T00:00:00Z"))]),
    ];
    for object in &all {
        s.has_beside(object);
        let name = object["metadata"]["name"].as_str().expect("a name");
        // Once it has a status, it is in force, if ever.
        let status = if name.ends_with("past") { "False" } else { "True" };
        condition(&s, name, "Active", status);
        let answer = s.cluster.tries(&s.pod(&image));
        assert!(!answer.passed, "{name}: {}", answer.text());
    }
    let named = exemption(
        "exempt-else-named",
        &include,
        &[("namespaceSelector", here), ("policies", json!([policy.name()]))],
    );
    s.has_beside(&named);
    eventually("it is exempt", SETTLED, || {
        let answer = s.cluster.alone(Because::NotInForceYet).tries(&s.pod(&image));
        if answer.passed { Ok(()) } else { Err(answer.text()) }
    });
    assert!(s.cluster.tries(&s.pod(&image)).passed);
    for object in all.iter().chain([&named]) {
        s.cluster.does(&["delete", "trustexemption", object["metadata"]["name"].as_str().expect("a name")]);
    }
}

#[test]
fn p15_a_tenant_cannot_write_an_exemption_and_a_bad_one_is_refused_at_apply() {
    let s = Scenario::new("exempt-tenant");
    let tenant = "exempt-tenant-admin";
    s.cluster.does(&["create", "rolebinding", "admins", "--clusterrole=admin", &format!("--user={tenant}")]);
    let manifest = exemption("exempt-tenant", "**", &[]).to_string();
    let as_tenant = format!("--as={tenant}");
    let answer = s.cluster.kubectl_with(&[&as_tenant, "create", "-f", "-"], manifest.as_bytes());
    assert!(!answer.passed && answer.errors.contains("trustexemptions"), "{}", answer.text());
    assert!(answer.errors.contains("forbidden"), "{}", answer.errors);

    for (changes, field) in [
        (("reason", json!("")), "spec.reason"),
        (("policies", json!(["A/B/C"])), "spec.policies"),
        (("sites", json!(["sidecars"])), "spec.sites"),
        (("until", json!("Friday")), "spec.until"),
    ] {
        let answer = s.cluster.tries(&exemption("exempt-bad", "registry.test/**", &[changes]));
        assert!(!answer.passed && answer.errors.contains(field), "{field}: {}", answer.text());
    }
    // What only tagseal sees: the pattern.
    let answer = s.cluster.tries(&exemption("exempt-bad", "vendor/**", &[]));
    assert!(answer.errors.contains("InvalidPolicy: spec.images.include[0]"), "{}", answer.text());
}
