//! [`Opinion`]: what is found about a change, and how it is said.

use super::super::line::DecisionLine;
use super::super::response::{Answered, Cause, Response, Status};
use super::super::text::{bounded_warnings, one_line};
use super::super::verdict::Decision;
use super::request::Request;
use crate::policy::{PolicyError, Reason};

/// The longest message about one field, in bytes.
const MESSAGE: usize = 2000;
/// So many fields are named.
const MOST: usize = 32;

/// What is found about a change.
#[derive(Debug)]
pub struct Opinion {
    decision: Decision,
    reason: Reason,
    /// What the log says of it where it is not denied.
    said: &'static str,
    errors: Vec<PolicyError>,
    warnings: Vec<String>,
}

impl Opinion {
    /// There is nothing to judge.
    pub fn unasked() -> Self {
        Self { decision: Decision::Unchanged, said: "there is nothing to judge", ..Self::passed(Vec::new()) }
    }

    /// It may be.
    pub fn passed(warnings: Vec<String>) -> Self {
        Self {
            decision: Decision::Admitted,
            reason: Reason::InvalidPolicy,
            said: "policy judged",
            errors: Vec::new(),
            warnings,
        }
    }

    /// It may not be.
    pub fn refused(errors: Vec<PolicyError>, warnings: Vec<String>) -> Self {
        Self { decision: Decision::Denied, errors, ..Self::passed(warnings) }
    }

    /// It cannot be read.
    pub fn unreadable(error: &str) -> Self {
        let error = PolicyError { field: "object".to_owned(), message: format!("cannot be read: {error}") };
        Self { reason: Reason::UnsupportedObject, ..Self::refused(vec![error], Vec::new()) }
    }

    /// There was no time to judge it. It is not refused for that: what is wrong with it will stand in its status.
    pub fn late() -> Self {
        let warning = "there was no time to judge this object; its status will say whether it can be used";
        Self { said: "there was no time to judge it", ..Self::passed(vec![warning.to_owned()]) }
    }

    /// Judging it panicked. Refused, because the watch of policies would fail on it too, and that ends every replica.
    pub fn failed() -> Self {
        let message = "tagseal fails on this object, which is a defect; its log says more";
        let error = PolicyError { field: "spec".to_owned(), message: message.to_owned() };
        Self::refused(vec![error], Vec::new())
    }

    /// It is no policy: whose rules ask about it is at fault, not whoever applies it.
    pub fn stranger(kind: &str) -> Self {
        let warning = format!(
            "{kind} is neither a policy nor an exemption; remove it from the rules of policies.tagseal.dev"
        );
        Self {
            said: "it is neither a policy nor an exemption, and was not judged",
            ..Self::passed(vec![warning])
        }
    }

    /// Says it, to the caller and in the log.
    pub fn answer(self, request: &Request<'_>) -> Result<Answered, serde_json::Error> {
        let decision = self.decision;
        let mut response = if decision == Decision::Denied {
            let message = self.message();
            self.log(request, &message);
            Response::deny(request.uid(), Status::denied(message, self.causes()))
        } else {
            self.log(request, self.said);
            Response::allow(request.uid())
        };
        let reason = (decision == Decision::Denied).then_some(self.reason);
        let mut annotations = vec![("id", request.uid()), ("decision", decision.as_str())];
        annotations.extend(reason.map(|reason| ("reason", reason.as_str())));
        response.audit_annotations =
            annotations.into_iter().map(|(key, value)| (key, value.into())).collect();
        let warnings = self.warnings.into_iter().map(|warning| format!("tagseal: {warning}"));
        response.warnings = bounded_warnings(warnings.collect());
        Ok(Answered { bytes: response.into_bytes()?, decision, reason })
    }

    /// One line for each decision, as those about workloads have.
    fn log(&self, request: &Request<'_>, message: &str) {
        let is_denied = self.decision == Decision::Denied;
        DecisionLine {
            id: request.uid(),
            hook: "policies",
            decision: self.decision,
            reason: is_denied.then_some(self.reason.as_str()),
            operation: Some(request.operation().as_str()),
            kind: Some(request.kind()),
            namespace: request.namespace(),
            name: request.name(),
            subresource: None,
            dry_run: request.is_dry_run(),
            images: None,
            counts: Some((self.errors.len(), self.warnings.len())),
            error: None,
            message,
        }
        .write();
    }

    /// One error stands on the first line, several on lines of their own.
    fn message(&self) -> String {
        let errors: Vec<_> = self.errors.iter().map(shown).collect();
        if let [one] = &*errors {
            return format!("{}: {one}", self.reason);
        }
        let mut message = format!("{}: {} fields are wrong:", self.reason, errors.len());
        for error in errors.iter().take(MOST) {
            message.push_str("\n- ");
            message.push_str(error);
        }
        if errors.len() > MOST {
            message.push_str(&format!("\n- and {} more", errors.len() - MOST));
        }
        message
    }

    fn causes(&self) -> Vec<Cause> {
        let cause = |error: &PolicyError| Cause {
            reason: self.reason.as_str(),
            message: one_line(&error.message, MESSAGE).into_owned(),
            field: one_line(&error.field, MESSAGE).into_owned(),
        };
        self.errors.iter().take(MOST).map(cause).collect()
    }
}

fn shown(error: &PolicyError) -> String {
    one_line(&error.to_string(), MESSAGE).into_owned()
}
