//! [`news`]: the Event on an exemption when it begins, when it is about to end, and when it ends.

use k8s_openapi::api::core::v1::ObjectReference;

use super::super::condition::find;
use super::super::events::Notice;
use super::WatchedExemption;
use crate::api::{API_VERSION, TrustExemptionStatus};
use crate::policy::{CompiledExemption, EXEMPTION};

/// What is to be told of the change from the status that stands to `after`: one Event for each change of the reason of
/// `Active`. A leader that takes over reads the one that stands, and so tells nothing twice.
pub(super) fn news(
    object: &WatchedExemption,
    exemption: &CompiledExemption,
    before: &TrustExemptionStatus,
    after: &TrustExemptionStatus,
) -> Option<Notice> {
    let now = find(&after.conditions, TrustExemptionStatus::ACTIVE)?;
    let was = find(&before.conditions, TrustExemptionStatus::ACTIVE);
    if was.is_some_and(|was| (&was.status, &was.reason) == (&now.status, &now.reason)) {
        return None;
    }
    let why = exemption.exemption().map(|terms| format!(" (reason: {:?})", terms.reason));
    Some(Notice {
        about: reference(object),
        is_warning: now.reason != "InForce",
        reason: now.reason.clone(),
        action: "Exempt",
        note: format!("{}{}", now.message, why.unwrap_or_default()),
    })
}

fn reference(object: &WatchedExemption) -> ObjectReference {
    ObjectReference {
        api_version: Some(API_VERSION.to_owned()),
        kind: Some(EXEMPTION.to_owned()),
        name: Some(object.name.clone()),
        uid: object.uid.clone(),
        ..ObjectReference::default()
    }
}
