//! What is left of a decision: in the metrics, in the log, in the API server's audit log.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::harness::*;
use crate::support::Page;

/// The ID that the audit event of a request for `image` has from `webhook`, and the line of the log that has it.
fn traced(s: &Scenario, image: &str, webhook: &str) -> (String, Value) {
    let key = format!("{webhook}.tagseal.dev/id");
    let id = eventually("the audit event", Duration::from_secs(10), || {
        let events = s.cluster.audit_events(image);
        let ids: BTreeSet<_> = events
            .iter()
            .filter_map(|event| event["annotations"][&key].as_str())
            .map(str::to_owned)
            .collect();
        match ids.len() {
            1 => Ok(ids.into_iter().next().unwrap_or_default()),
            _ => Err(format!("{ids:?} in {events:?}")),
        }
    });
    let mut lines: Vec<_> = s.log().into_iter().filter(|line| line["id"] == *id).collect();
    assert_eq!(lines.len(), 1, "one line for one decision: {lines:?}");
    (id, lines.remove(0))
}

#[test]
fn a_decision_is_found_by_its_id_and_counted_by_reason_and_policy() {
    let s = Scenario::with_own_tagseal("telemetry", &TagsealOptions::default());
    let (image, digest) = s.signed_web();
    let (unsigned, policy) = (s.image("web:1.6"), "telemetry-production");
    let decisions = |page: &Page| {
        let series = format!(
            "tagseal_decisions_total{{endpoint=\"validate\",decision=\"Denied\",reason=\"NotSigned\",policy=\"{policy}\"}}"
        );
        page.value(&series).parse::<u64>().unwrap_or_default()
    };
    let before = decisions(&Page::read(&s.metrics()));

    assert!(!s.cluster.creates(&s.pod(&unsigned)).passed);
    for (hook, decision) in [("mutate", "Deferred"), ("validate", "Denied")] {
        let (_, line) = traced(&s, &unsigned, hook);
        let said = ["hook", "decision", "reason", "policy", "image"];
        let said = said.map(|field| line[field].as_str().unwrap_or_default());
        assert_eq!(said, [hook, decision, "NotSigned", &format!("ClusterTrustPolicy {policy}"), &unsigned]);
    }
    assert_eq!(decisions(&Page::read(&s.metrics())), before + 1);

    let stored = s.cluster.creates(&s.pod(&image)).object();
    assert_eq!(images(&stored), [sealed(&image, &digest)]);
    let (sealing, sealed_line) = traced(&s, &digest.to_string(), "mutate");
    let (verifying, verified_line) = traced(&s, &digest.to_string(), "validate");
    assert_ne!(sealing, verifying, "each webhook has a request of its own");
    let said = |line: &Value| {
        ["hook", "decision", "digest"].map(|field| line[field].as_str().unwrap_or_default().to_owned())
    };
    let digest = digest.to_string();
    assert_eq!(said(&sealed_line), ["mutate", "Sealed", &digest]);
    assert_eq!(said(&verified_line), ["validate", "Admitted", &digest]);
    assert!(verified_line["signers"].as_str().unwrap_or_default().starts_with("targets="), "{verified_line}");

    eventually("the policy's trust data is told", Duration::from_secs(40), || {
        let page = s.metrics();
        let age = format!("tagseal_trust_data_age_seconds{{policy=\"{policy}\"}}");
        let expiry = format!("tagseal_trust_data_earliest_expiry_timestamp_seconds{{policy=\"{policy}\"}}");
        let read = Page::read(&page);
        if read.value(&age).is_empty() || read.value(&expiry).is_empty() { Err(page) } else { Ok(()) }
    });
    s.cluster.does(&["label", "namespace", s.cluster.namespace(), "tagseal.dev/admission=ignore"]);
    eventually("the namespace that opted out is counted", Duration::from_secs(10), || {
        let opted_out = Page::read(&s.metrics()).value("tagseal_namespaces_opted_out").to_owned();
        if opted_out.parse::<u64>().is_ok_and(|namespaces| namespaces > 0) { Ok(()) } else { Err(opted_out) }
    });
}
