//! What kubectl says when a policy is applied that cannot work, or leaves something uncovered.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::*;

const KEY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn applied(s: &Scenario, policy: &Policy) -> Answer {
    s.cluster.kubectl_with(&["apply", "-f", "-"], policy.manifest().to_string().as_bytes())
}

/// A policy whose pattern names no registry: the API server's own rules cannot see that.
fn broken(policy: Policy) -> Policy {
    policy.with("images/include", json!(["shop/**"]))
}

#[track_caller]
fn says(answer: &Answer, parts: &[&str]) {
    for part in parts {
        assert!(answer.errors.contains(part), "no {part:?} in: {}", answer.errors);
    }
}

#[test]
fn a_policy_that_cannot_work_is_refused_at_apply_with_field_and_advice() {
    let s = Scenario::new("policy-webhook-refused");
    let denied = "admission webhook \"policies.tagseal.dev\" denied the request: InvalidPolicy: ";
    let pattern = "spec.images.include[0]: ";
    let good = || s.policy().trusts_key(KEY);
    let answer = applied(&s, &broken(good()));
    assert!(!answer.passed, "{}", answer.text());
    says(&answer, &[denied, pattern, "write docker.io/shop/**"]);

    let rewrite = json!([{"from": "mirror.test/**", "to": "shop/**"}]);
    let answer = applied(&s, &broken(good()).with("notary/rewrite", rewrite));
    assert!(!answer.passed, "{}", answer.text());
    says(&answer, &[denied, "2 fields are wrong:\n- spec.", pattern, "\n- spec.notary.rewrite[0]: "]);

    // An update is refused, and what stands goes on.
    s.cluster.applies(good().manifest());
    let answer = applied(&s, &broken(good()));
    assert!(!answer.passed, "{}", answer.text());
    let stored = s.cluster.gets(&format!("ctp/{}", good().name()));
    assert_eq!(stored["spec"]["images"]["include"], json!([s.all_images()]));
}

#[test]
fn p6_a_namespaced_policy_with_a_server_of_its_own_is_refused_at_apply() {
    let s = Scenario::new("policy-webhook-server");
    let server = "https://policy-webhook-server.test";
    let tenant = s.namespaced_policy("tenant").trusts_key(KEY).with("notary/server", server);
    let answer = applied(&s, &tenant);
    assert!(!answer.passed, "{}", answer.text());
    says(&answer, &["InvalidPolicy: spec.notary.server: ", "is named by no ClusterTrustPolicy"]);

    // Both in one kubectl apply: what was applied a moment before counts.
    let cluster = s.policy().trusts_key(KEY).with("notary/server", server);
    let both = json!({"apiVersion": "v1", "kind": "List", "items": [cluster.manifest(), tenant.manifest()]});
    s.cluster.applies(&both);
    let answer = s.cluster.kubectl(&["delete", "ctp", cluster.name()]);
    assert!(answer.passed, "{}", answer.text());
    let named =
        format!("TrustPolicy {}/tenant becomes InvalidPolicy: spec.notary.server", s.cluster.namespace());
    says(&answer, &["Warning: tagseal: ", &named]);
}

#[test]
fn what_a_policy_names_may_come_later_and_is_a_warning() {
    let s = Scenario::new("policy-webhook-later");
    let reference = json!({"configMapKeyRef": {"name": "policy-webhook-ca", "key": "ca.crt"}});
    let policy = s.policy().trusts_key(KEY).with("notary/caBundle", reference);
    let missing =
        "ConfigMap tagseal-system/policy-webhook-ca does not exist; until that is mended, the policy denies";
    says(
        &s.cluster.applies(policy.manifest()),
        &["Warning: tagseal: spec.notary.caBundle.configMapKeyRef: ", missing],
    );
    s.soon_says(&policy, "Ready", "False", "InvalidPolicy");
    let ca = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "policy-webhook-ca", "namespace": "tagseal-system"},
        "data": {"ca.crt": Authority::new("policy webhook").pem()},
    });
    s.cluster.in_namespace("tagseal-system").applies(&ca);
    s.soon_says(&policy, "Ready", "True", "Compiled");
    let answer = s.cluster.applies(policy.with("mutation", "None").manifest());
    assert_eq!(answer.errors, "");
}

#[test]
fn a_change_that_uncovers_what_runs_is_told_and_a_deletion_is_never_refused() {
    let s = Scenario::new("policy-webhook-uncovers");
    let (image, digest) = s.signed_web();
    s.seals(&image, &sealed(&image, &digest));
    let policy = s.cluster.gets(&format!("ctp/{}-production", s.cluster.namespace()));

    let mut narrowed = policy.clone();
    narrowed["spec"]["images"]["include"] = json!([s.image("api")]);
    let running = sealed(&image, &digest);
    let named = format!("no longer covered: {running} in {}", s.cluster.namespace());
    let parts =
        ["Warning: tagseal: 1 running image is covered by no Deny policy", "admitted unverified", &named];
    says(&tried(&s, &narrowed), &parts);
    let mut unnarrowed = policy.clone();
    unnarrowed["spec"]["mutation"] = json!("None");
    assert_eq!(tried(&s, &unnarrowed).errors, "");

    let answer = s.cluster.kubectl(&["delete", "ctp", &format!("{}-production", s.cluster.namespace())]);
    assert!(answer.passed, "{}", answer.text());
    says(&answer, &parts);
}

/// A dry run on the server, without conflicts by versions.
#[track_caller]
fn tried(s: &Scenario, object: &Value) -> Answer {
    let mut object = object.clone();
    object["metadata"] = json!({"name": object["metadata"]["name"]});
    let args = ["apply", "--dry-run=server", "-f", "-"];
    let answer = s.cluster.kubectl_with(&args, object.to_string().as_bytes());
    assert!(answer.passed, "{}", answer.text());
    answer
}

#[test]
fn p7_what_slips_through_while_tagseal_is_down_denies_what_it_could_match() {
    suite().has_tagseal();
    let s = Scenario::unguarded("policy-webhook-down");
    let image = s.image("web:1.4");
    let tenant = broken(s.namespaced_policy("tenant").trusts_key(KEY));
    s.has_unanswered_webhooks();
    let answer = applied(&s, &tenant);
    assert!(answer.passed, "it fails open: {}", answer.text());

    s.has_tagseal_back();
    s.soon_says(&tenant, "Ready", "False", "InvalidPolicy");
    eventually("what it could match is denied", Duration::from_secs(20), || {
        let answer = s.cluster.alone(Because::NotInForceYet).tries(&s.pod(&image));
        if answer.errors.contains("InvalidPolicy") { Ok(()) } else { Err(answer.text()) }
    });
    s.refuses_by_its_own_policies(&s.pod(&image), &image, "InvalidPolicy");
    cannot_be_verified_by(&s, &tenant, &image);
    let worse = applied(&s, &tenant.clone().with("mutation", "None"));
    assert!(!worse.passed, "{}", worse.text());
    says(&worse, &["InvalidPolicy: spec.images.include[0]"]);
    // Metadata, status and deletion of what is broken are nobody's concern.
    s.cluster.does(&["label", "tp/tenant", "seen=yes"]);
    s.cluster.does(&[
        "patch",
        "tp/tenant",
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":["e2e.tagseal.dev/hold"]}}"#,
    ]);
    s.cluster.does(&["delete", "tp/tenant", "--wait=false"]);
    s.cluster.does(&["patch", "tp/tenant", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]);
    s.cluster.does(&["wait", "--for=delete", "tp/tenant", "--timeout=20s"]);
}

/// In a file it is a mistake that whoever verifies can mend: nothing is judged by it, and nothing passes.
#[track_caller]
fn cannot_be_verified_by(s: &Scenario, policy: &Policy, image: &str) {
    let file = s.folder("broken.yaml");
    std::fs::write(&file, policy.manifest().to_string()).expect("the policy's file");
    let mut verify = command(tagseal_binary());
    verify.args(["verify", "-f", "-", "-o", "json", "--policy"]).arg(&file).env("HOME", s.folder("home"));
    let output = output_of(&mut verify, s.pod(image).to_string().as_bytes());
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{told}");
    assert!(told.contains("broken.yaml") && told.contains("spec.images.include[0]: "), "{told}");
}
