//! What is left to say when the suite has ended: tagseal asked for nothing that it may not do, and may do nothing that it
//! did not ask for.

use serde_json::json;

use crate::harness::rights::{asked, findings_of_last_run, granted, refused, unused};

/// Of the run before: `make e2e` calls it by name when the suite has passed.
#[test]
#[ignore = "looks at the run of the suite that ended before it"]
fn the_rights_of_the_last_run_were_enough_and_all_used() {
    let findings = findings_of_last_run();
    assert!(findings.requests > 0, "tagseal asked the API server for nothing");
    let is_clean = findings.refused.is_empty() && findings.told.is_empty() && findings.unused.is_empty();
    assert!(is_clean, "{findings}");
}

#[test]
fn a_right_counts_as_used_only_where_it_was_granted() {
    let role =
        |kind: &str, name: &str, rules| json!({"kind": kind, "metadata": {"name": name}, "rules": rules});
    let binding = |role: &str, account: &str| {
        json!({
            "kind": "ClusterRoleBinding", "metadata": {"name": role},
            "roleRef": {"kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "tagseal-system"}],
        })
    };
    let rules = json!([
        {"apiGroups": ["tagseal.dev"], "resources": ["trustpolicies", "trustpolicies/status"], "verbs": ["patch"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["tagseal"], "verbs": ["get"]},
    ]);
    let objects = json!({"items": [
        role("ClusterRole", "tagseal", rules), binding("tagseal", "tagseal"),
        role("ClusterRole", "other", json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])),
        binding("other", "somebody"),
    ]});
    let event =
        |user: &str, group: &str, resource: &str, subresource: Option<&str>, name: &str, code: u64| {
            let verb = if resource == "leases" { "get" } else { "patch" };
            json!({
                "user": {"username": user}, "verb": verb, "responseStatus": {"code": code},
            "requestReceivedTimestamp": "2026-01-01T00:00:00.000001Z",
                "objectRef": {
                    "apiGroup": group, "resource": resource, "subresource": subresource, "name": name,
                    "namespace": "tagseal-system",
                },
            })
            .to_string()
        };
    let own = "system:serviceaccount:tagseal-system:tagseal";
    let rights = granted(&objects);
    assert_eq!(rights.len(), 3);
    let left = |log: &[String]| -> Vec<String> {
        unused(rights.clone(), &asked(&log.join("\n"))).iter().map(ToString::to_string).collect()
    };
    let (policies, status, leases) = (
        "ClusterRole tagseal: patch trustpolicies.tagseal.dev",
        "ClusterRole tagseal: patch trustpolicies/status.tagseal.dev",
        "ClusterRole tagseal: get leases.coordination.k8s.io [\"tagseal\"]",
    );
    assert_eq!(left(&[]), [policies, status, leases]);
    assert_eq!(
        left(&[
            event(own, "tagseal.dev", "trustpolicies", Some("status"), "web", 200),
            event(own, "coordination.k8s.io", "leases", None, "another", 200),
            event("admin", "tagseal.dev", "trustpolicies", None, "web", 200),
        ]),
        [policies, leases]
    );
    assert_eq!(
        left(&[
            event(own, "tagseal.dev", "trustpolicies", None, "web", 403),
            event(own, "coordination.k8s.io", "leases", None, "tagseal", 404),
        ]),
        [policies, status]
    );
    let forbidden = asked(&event(own, "tagseal.dev", "trustpolicies", None, "web", 403));
    assert_eq!(refused(&forbidden, &[]), forbidden);
    let time = |text: &str| text.parse().expect("a time");
    let start = (time("2026-01-01T00:00:00Z"), time("2026-01-01T00:00:02Z"));
    assert_eq!(refused(&forbidden, &[start]), []);
}
