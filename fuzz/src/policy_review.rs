//! Reviews of policies: every answer is one, what is let in can be used, and nothing keeps anybody from deleting.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use serde_json::{Value, json};
use tagseal::admission::PolicyReview;
use tagseal::clock::ManualClock;
use tagseal::policy::{
    CompileContext, LookupError, PolicyKind, PolicySet, PolicySnapshot, ReferencedObjects, SetOptions,
    UnknownFields, compile, compile_exemption, is_exemption,
};
use tokio::sync::watch;

use super::repository::now;
use super::review::ask;

static REVIEW: LazyLock<PolicyReview> = LazyLock::new(|| {
    let trust_servers = ["https://notary.example.com".parse().unwrap()].into();
    let options = SetOptions { trust_servers, ..SetOptions::default() };
    let set = PolicySet::new([], options);
    let (_, policies) = watch::channel(PolicySnapshot::Synced(Arc::new(set)));
    let review = PolicyReview::new(policies, "tagseal-system".to_owned(), None);
    review.with_clock(Arc::new(ManualClock::at(now())))
});

/// The body of a call.
pub fn run(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let Some(answer) = ask(data, async |deadline| REVIEW.answer(&body, deadline).await) else { return };
    assert!(!answer.message().contains("which is a defect"), "judging a policy panicked");
    let request = &answer.request;
    let operation = request["operation"].as_str().unwrap_or_default();
    if matches!(operation, "DELETE" | "CONNECT") {
        assert!(answer.is_allowed(), "a deletion is refused");
    }
    let is_judged = operation == "CREATE"
        && text(&request["subResource"]).is_empty()
        && request["object"]["metadata"]["deletionTimestamp"].is_null()
        && request["oldObject"].is_null();
    if is_judged && answer.is_allowed() {
        assert_usable(request);
    }
}

/// A new policy that was allowed compiles, if the objects that it names exist.
fn assert_usable(request: &Value) {
    let (group, kind) = (text(&request["kind"]["group"]), text(&request["kind"]["kind"]));
    let mut object = json!({"metadata": {"name": "any", "namespace": "any"}});
    for field in ["apiVersion", "spec"] {
        if let Some(value) = request["object"].get(field) {
            object[field] = value.clone();
        }
    }
    let errors = match PolicyKind::find(group, kind) {
        Some(kind) => {
            let context = CompileContext {
                system_namespace: "tagseal-system",
                objects: &Everything,
                unknown_fields: UnknownFields::Warn,
            };
            compile(kind, &object, &context).errors().to_vec()
        }
        None if is_exemption(group, kind) => compile_exemption(&object).errors().to_vec(),
        None => return,
    };
    assert_eq!(errors, []);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whatever policies name.
struct Everything;

impl ReferencedObjects for Everything {
    fn config_map_key(&self, _: &str, _: &str, _: &str) -> Result<Arc<str>, LookupError> {
        Ok(include_str!("../data/root.crt").into())
    }

    fn secret(&self, _: &str, _: &str) -> Result<(), LookupError> {
        Ok(())
    }
}
