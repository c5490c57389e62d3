//! [`Says`]: what one condition of a policy should say, and whether it stands there already.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::TrustPolicyStatus;
use crate::policy::{CompiledPolicy, PolicyError, Reason};

/// The longest message of a condition, in characters (the API server's own limit is 32,768).
const MAX_MESSAGE: usize = 4096;

/// What one condition should say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Says {
    kind: String,
    status: String,
    reason: String,
    message: String,
    /// Stands after the message, as of when the rest was written: that it would read otherwise is no reason to write.
    detail: String,
}

impl Says {
    pub(super) fn new(kind: &str, status: &str, reason: &str, message: String) -> Self {
        let (kind, status, reason) = (kind.to_owned(), status.to_owned(), reason.to_owned());
        Self { kind, status, reason, message, detail: String::new() }
    }

    pub(super) fn with_detail(self, detail: &str) -> Self {
        let detail = if detail.is_empty() { String::new() } else { format!(". The first: {detail}") };
        Self { detail, ..self }
    }

    /// Whether the policy works (design §2: compiled, credentials and CA found). `remark` is said of one that does.
    pub(super) fn ready(policy: &CompiledPolicy, errors: &[PolicyError], remark: Option<&str>) -> Self {
        let says = |status, reason, message| Self::new(TrustPolicyStatus::READY, status, reason, message);
        if errors.is_empty() {
            let said: Vec<_> = policy.warnings().iter().map(String::as_str).chain(remark).collect();
            let message = if said.is_empty() { "the policy compiled".to_owned() } else { said.join("; ") };
            return says("True", "Compiled", message);
        }
        let message = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        says("False", Reason::InvalidPolicy.as_str(), message)
    }

    /// `TrustDataFresh` of a policy that does not work.
    pub(super) fn invalid() -> Self {
        let message = "a policy that is not ready asks for no trust data: see Ready";
        let reason = Reason::InvalidPolicy.as_str();
        Self::new(TrustPolicyStatus::TRUST_DATA_FRESH, "Unknown", reason, message.to_owned())
    }

    /// The condition that takes the place of the one in `before`. It changed when its status did.
    pub(super) fn condition(
        &self,
        before: &[Condition],
        generation: Option<i64>,
        now: Timestamp,
    ) -> Condition {
        let before = find(before, &self.kind).filter(|before| before.status == self.status);
        Condition {
            type_: self.kind.clone(),
            status: self.status.clone(),
            reason: self.reason.clone(),
            message: self.text(),
            last_transition_time: before.map_or(Time(now), |before| before.last_transition_time.clone()),
            observed_generation: generation,
        }
    }

    /// Whether `conditions` say it already.
    pub(super) fn stands_in(&self, conditions: &[Condition], generation: Option<i64>) -> bool {
        find(conditions, &self.kind).is_some_and(|condition| {
            let is_message = condition.message == self.text()
                || (!self.detail.is_empty() && condition.message.starts_with(&format!("{}. ", self.message)));
            condition.observed_generation == generation
                && condition.status == self.status
                && condition.reason == self.reason
                && is_message
        })
    }

    fn text(&self) -> String {
        cut(format!("{}{}", self.message, self.detail))
    }
}

/// The condition of this type.
pub(super) fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

fn cut(message: String) -> String {
    match message.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message,
    }
}
