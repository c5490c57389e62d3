//! Policies that nobody has: in reviews, and in force.

use bytes::Bytes;
use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::process::Process;
use crate::admission::review::{Answer, Review};

/// A review of a TrustPolicy in which `field` of the spec is this text.
fn forged(field: &str, text: &str) -> Bytes {
    let spec = json!({"images": {"include": ["r.test/**"]}, field: "HERE"});
    let object = json!({"apiVersion": "tagseal.dev/v1alpha1", "kind": "TrustPolicy",
        "metadata": {"name": "a", "namespace": "shop"}, "spec": spec});
    let review = Review::create("tagseal.dev", "v1alpha1", "TrustPolicy", object);
    String::from_utf8(review.bytes()).unwrap().replace("\"HERE\"", text).into()
}

#[test]
fn a26_forged_reviews_of_policies_are_bounded_and_admissions_go_on() {
    let large = |item: &str| format!("[{}]", vec![item; (3 << 20) / (item.len() + 1)].join(","));
    let bodies: Vec<_> =
        ["0", "{}", "[]", r#"{"a":0}"#].iter().map(|item| forged("roots", &large(item))).collect();
    Process::start(&[]).attacked(async |process| {
        for body in &bodies {
            let answers = join_all((0..8).map(|_| process.post("/policies", body.clone()))).await;
            for (status, body) in answers {
                // Those that find no room in time are told so; the API server lets the policy pass then.
                if status == StatusCode::SERVICE_UNAVAILABLE {
                    continue;
                }
                assert_eq!(status, StatusCode::OK, "{body:?}");
                let answer = Answer::read(&body);
                assert_eq!(answer.annotation("reason"), "UnsupportedObject");
                assert!(answer.denial().contains("more than 50000 values"), "{}", answer.denial());
            }
        }
    });
}

/// The cluster policy that names the trust server of the tenants; it is nowhere.
fn of_cluster() -> Value {
    let images = json!({"include": ["registry.test/tenant/**"]});
    crate::cli::run::policy("tenants", SERVER, &json!({"images": images}))
}

const SERVER: &str = "http://127.0.0.1:1";
const KEY: &str = "5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f";

/// A tenant's policy with these fields of its spec besides, or in their place.
fn tenants(namespace: &str, name: &str, more: &Value) -> Value {
    let mut spec = json!({
        "images": {"include": ["registry.test/tenant/**"]}, "notary": {"server": SERVER}, "roots": [{"keyID": KEY}],
    });
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    json!({"apiVersion": "tagseal.dev/v1alpha1", "kind": "TrustPolicy",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

/// So many patterns of so many segments, each another one from its first segment on.
fn patterns(count: usize, segments: usize, segment: &str) -> Vec<String> {
    let one = |n| format!("r.test/{n:03}{}", format!("/{segment}").repeat(segments - 2));
    (0..count).map(one).collect()
}

/// What is said of an image of a tenant in this namespace.
async fn said(process: &Process, namespace: &str) -> String {
    process.said(namespace, "registry.test/tenant/web:1").await
}

#[test]
fn p14_fourteen_policies_of_a_megabyte_are_beyond_and_others_go_on() {
    let large = patterns(256, 120, "*aa");
    let roots: Vec<_> = (0..12).map(|_| json!({"keyID": KEY, "images": patterns(128, 120, "*aa")})).collect();
    let spec = json!({"images": {"include": large, "exclude": large}, "roots": roots});
    let policies: Vec<_> = (0..14).map(|n| tenants("greedy", &format!("p{n}"), &spec)).collect();
    assert!(policies[0].to_string().len() > 800_000, "{}", policies[0].to_string().len());
    let process = Process::start(&[policies, vec![of_cluster()]].concat());
    process.holds_at_most(128);
    process.attacked(async |process| {
        let message = said(process, "greedy").await;
        assert!(message.starts_with("InvalidPolicy: "), "{message}");
        assert!(
            message.contains("MiB of memory, and a policy may take 8: use fewer or shorter patterns"),
            "{message}"
        );
        assert!(said(process, "modest").await.starts_with("TrustServerUnreachable: "));
    });
}

#[test]
fn p14_of_300_small_policies_64_hold_and_others_go_on() {
    let roots = |n: usize| json!({"roots": [{"keyID": KEY}, {"keyID": format!("{n:064x}")}]});
    let greedy = (0..300).map(|n| tenants("greedy", &format!("p{n}"), &roots(n)));
    let policies: Vec<_> = greedy.chain([tenants("modest", "one", &json!({})), of_cluster()]).collect();
    let process = Process::start(&policies);
    process.holds_at_most(128);
    process.attacked(async |process| {
        let message = said(process, "greedy").await;
        assert!(message.starts_with("InvalidPolicy: "), "{message}");
        assert!(
            message.contains("\"greedy\" has more than 64 TrustPolicies, and this one is beyond"),
            "{message}"
        );
        assert!(said(process, "modest").await.starts_with("TrustServerUnreachable: "));
    });
}

#[test]
fn p14_what_policies_are_said_to_take_is_about_what_they_take() {
    // Each nearly as large as one may be, and together all that tenants may have.
    let include = |segments, segment| json!({"images": {"include": patterns(256, segments, segment)}});
    let root = |_| json!({"keyID": KEY, "images": patterns(64, 80, "b")});
    let specs = [
        include(38, "aa"),
        include(15, "*a"),
        json!({"images": {"include": ["registry.test/tenant/**"], "exclude": patterns(256, 80, "abc")},
            "roots": (0..7).map(root).chain([json!({"keyID": KEY})]).collect::<Vec<_>>()}),
    ];
    let policies = (0..8).map(|n| tenants(&format!("tenant-{n}"), "large", &specs[n % specs.len()]));
    let process = Process::start(&policies.chain([of_cluster()]).collect::<Vec<_>>());
    process.holds_at_most(64 + 96);
    process.attacked(async |process| {
        for n in 0..3 {
            let message = said(process, &format!("tenant-{n}")).await;
            assert!(message.starts_with("TrustServerUnreachable: "), "{message}");
        }
    });
}
