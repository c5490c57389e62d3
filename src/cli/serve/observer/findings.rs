//! What Warn and Audit policies found, as Events on the workload or its namespace.

use k8s_openapi::api::core::v1::ObjectReference;

use crate::admission::review::Request;
use crate::admission::{Decided, Decision, Hook, Metadata, Node};
use crate::controller::{Events, Notice};

/// So much of what was found is put together; less of it is posted.
const LONGEST: usize = 2048;

/// Posts what one decision found and did not deny: one notice at most. Only the validating hook's, which sees each object
/// once and with its name; none of a server-side dry run; and none of an object that is refused, which is told to the caller
/// in full and will not exist.
pub(super) fn post(events: &Events, decided: &Decided<'_>) {
    if decided.hook != Hook::Validate || decided.decision == Decision::Denied || decided.request.is_dry_run()
    {
        return;
    }
    let mut findings = decided.verdict.findings();
    let Some((reason, mut note)) = findings.next() else { return };
    for (_, finding) in findings {
        if note.len() > LONGEST {
            break;
        }
        note.push_str("; ");
        note.push_str(&finding);
    }
    let about = about(decided.request);
    events.post(Notice {
        about,
        is_warning: true,
        reason: reason.as_str().to_owned(),
        action: "Admit",
        note,
    });
}

/// The workload, where it has a name and an identity; else its namespace.
fn about(request: &Request<'_>) -> ObjectReference {
    let known = |metadata: &&Metadata<'_>| !metadata.name().is_empty() && !metadata.uid().is_empty();
    let metadata = request.object().and_then(Node::metadata).filter(known);
    let text = |text: &str| Some(text.to_owned());
    match metadata.zip(request.workload_kind()) {
        Some((metadata, kind)) => ObjectReference {
            api_version: Some(kind.api_version()),
            kind: text(kind.kind()),
            namespace: text(request.namespace()),
            name: text(metadata.name()),
            uid: text(metadata.uid()),
            ..ObjectReference::default()
        },
        None => ObjectReference {
            api_version: text("v1"),
            kind: text("Namespace"),
            name: text(request.namespace()),
            ..ObjectReference::default()
        },
    }
}

#[cfg(test)]
mod tests;
