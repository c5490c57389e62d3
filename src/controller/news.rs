//! [`news`]: the Events on a policy, one for each change of what its status says.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::condition::find;
use super::events::Notice;
use super::watched::Watched;
use crate::api::{API_VERSION, TrustPolicyStatus};

/// What changed for the reader from the status `before` to the one `after`.
///
/// A condition that turns False is a warning, and so is one that stays False and gives another cause; one that was False
/// and is True again is good news. Anything else (a new policy that works, trust data that was never asked for) is none.
pub(super) fn news(object: &Watched, before: &TrustPolicyStatus, after: &TrustPolicyStatus) -> Vec<Notice> {
    let conditions =
        [(TrustPolicyStatus::READY, "Compile"), (TrustPolicyStatus::TRUST_DATA_FRESH, "Refresh")];
    let changed = conditions.into_iter().filter_map(|(kind, action)| {
        let (now, was) = (find(&after.conditions, kind)?, find(&before.conditions, kind));
        let is_warning = match now.status.as_str() {
            "False" => is_worse(kind, was, now).then_some(true),
            "True" => was.is_some_and(|was| was.status == "False").then_some(false),
            _ => None,
        }?;
        let note = format!("{kind} is {}: {}", now.status, now.message);
        Some(Notice { about: reference(object), is_warning, reason: now.reason.clone(), action, note })
    });
    changed.collect()
}

/// Whether a condition that is False says more than the one before it. What is wrong with a policy stands in the message; of
/// trust data the message counts repositories, which come and go.
fn is_worse(kind: &str, was: Option<&Condition>, now: &Condition) -> bool {
    was.is_none_or(|was| {
        was.status != "False"
            || was.reason != now.reason
            || (kind == TrustPolicyStatus::READY && was.message != now.message)
    })
}

fn reference(object: &Watched) -> ObjectReference {
    ObjectReference {
        api_version: Some(API_VERSION.to_owned()),
        kind: Some(object.kind.as_str().to_owned()),
        namespace: object.id.namespace.clone(),
        name: Some(object.id.name.clone()),
        uid: object.uid.clone(),
        ..ObjectReference::default()
    }
}
