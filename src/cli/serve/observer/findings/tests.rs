//! Which decisions are told in an Event.

use serde_json::{Value, json};

use super::*;
use crate::admission::judge::{Denial, ImageVerdict, Outcome, Remark};
use crate::admission::sites::{Site, SiteList};
use crate::admission::{Judged, Subject, Verdict};
use crate::policy::{Actions, PolicyId, Reason};

fn review(dry_run: bool, metadata: Value) -> Vec<u8> {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "operation": "CREATE", "namespace": "shop", "dryRun": dry_run,
            "object": {"metadata": metadata}
        }
    })
    .to_string()
    .into_bytes()
}

fn named() -> Value {
    json!({"name": "web", "namespace": "shop", "uid": "5e1f"})
}

fn denial(message: &str) -> Denial {
    let policy = PolicyId { namespace: None, name: "production".to_owned() };
    Denial::untrusted(Some(&policy), Reason::NotSigned, message)
}

fn remark(actions: Actions, message: &str) -> Remark {
    Remark { actions, denial: denial(message) }
}

fn judged(outcome: Outcome, remarks: Vec<Remark>) -> Judged<'static> {
    let site = Site { list: SiteList::Containers, index: 0, name: "web", image: "r.io/web:1" };
    let verdict = ImageVerdict {
        image: "r.io/web:1".to_owned(),
        outcome,
        policies: Vec::new(),
        remarks,
        warnings: Vec::new(),
        exemptions: Vec::new(),
    };
    Judged { sites: vec![site], verdict }
}

const WARN: Actions = Actions { deny: false, warn: true, audit: false };
const AUDIT: Actions = Actions { deny: false, warn: false, audit: true };

/// What is posted of one decision.
fn posted(hook: Hook, body: &[u8], judged: Vec<Judged<'_>>, mirror: bool) -> Option<Notice> {
    let request = Request::read(body).unwrap();
    let kind = request.workload_kind().unwrap();
    let subject = Subject { kind, is_controlled: false, is_mirror: mirror };
    let verdict = Verdict::new(hook, subject, judged);
    let decided = Decided { hook, request: &request, decision: verdict.decision(false), verdict: &verdict };
    let (events, mut notices) = Events::channel();
    post(&events, &decided);
    let notice = notices.try_recv().ok();
    assert!(notices.try_recv().is_err(), "one at most");
    notice
}

#[test]
fn what_warn_and_audit_policies_found_is_one_notice_on_the_workload() {
    for actions in [WARN, AUDIT] {
        let remarks = vec![remark(actions, "no role lists 1"), remark(actions, "nor 2")];
        let images = vec![judged(Outcome::Unmatched, Vec::new()), judged(Outcome::Unmatched, remarks)];
        let notice = posted(Hook::Validate, &review(false, named()), images, false).unwrap();
        assert_eq!(
            notice.note,
            "container \"web\": image \"r.io/web:1\": NotSigned (ClusterTrustPolicy production): no role lists 1; \
             container \"web\": image \"r.io/web:1\": NotSigned (ClusterTrustPolicy production): nor 2"
        );
        assert_eq!((notice.is_warning, notice.reason.as_str(), notice.action), (true, "NotSigned", "Admit"));
        let about = ObjectReference {
            api_version: Some("apps/v1".to_owned()),
            kind: Some("Deployment".to_owned()),
            namespace: Some("shop".to_owned()),
            name: Some("web".to_owned()),
            uid: Some("5e1f".to_owned()),
            ..ObjectReference::default()
        };
        assert_eq!(notice.about, about);
    }
}

#[test]
fn a_workload_without_name_or_identity_leaves_it_to_its_namespace() {
    for metadata in [json!({"generateName": "web-", "uid": "5e1f"}), json!({"name": "web"}), json!({})] {
        let images = vec![judged(Outcome::Unmatched, vec![remark(WARN, "no")])];
        let about = posted(Hook::Validate, &review(false, metadata), images, false).unwrap().about;
        assert_eq!((about.kind.as_deref(), about.name.as_deref()), (Some("Namespace"), Some("shop")));
        assert_eq!(about.namespace, None);
    }
}

#[test]
fn nothing_is_told_where_nothing_was_found_or_somebody_is_told_already() {
    let found = || vec![judged(Outcome::Unmatched, vec![remark(WARN, "no")])];
    let (body, dry_run) = (review(false, named()), review(true, named()));
    assert!(posted(Hook::Validate, &body, found(), false).is_some());
    assert_eq!(posted(Hook::Validate, &dry_run, found(), false), None, "A11: a dry run writes no Event");
    assert_eq!(posted(Hook::Mutate, &body, found(), false), None, "one request, one Event");
    assert_eq!(posted(Hook::Validate, &body, vec![judged(Outcome::Unmatched, Vec::new())], false), None);
    let refused = Outcome::Denied(vec![denial("no")]);
    let images = vec![judged(refused, vec![remark(WARN, "no")])];
    assert_eq!(posted(Hook::Validate, &body, images, false), None, "its caller is told");
}

#[test]
fn a_mirror_pod_that_would_have_been_refused_is_a_finding() {
    let images = vec![judged(Outcome::Denied(vec![denial("no role lists 1")]), Vec::new())];
    let notice = posted(Hook::Validate, &review(false, named()), images, true).unwrap();
    assert_eq!(notice.reason, "NotSigned");
    assert!(notice.note.ends_with("no role lists 1"), "{}", notice.note);
}

#[test]
fn a_thousand_findings_of_one_request_are_put_together_up_to_a_bound() {
    let remarks = (0..1000).map(|n| remark(WARN, &format!("no role lists {n}"))).collect();
    let images = vec![judged(Outcome::Unmatched, remarks)];
    let notice = posted(Hook::Validate, &review(false, named()), images, false).unwrap();
    assert!((LONGEST..LONGEST + 200).contains(&notice.note.len()), "{}", notice.note.len());
}
