//! [`says`]: what the conditions of an exemption should say.

use jiff::{SignedDuration, Timestamp};

use super::super::condition::Says;
use crate::api::TrustExemptionStatus;
use crate::policy::{CompiledExemption, PolicyId};

/// How long before its end an exemption is said to end soon.
const SOON: SignedDuration = SignedDuration::from_hours(24);
/// The message names at most this many missing policies.
const NAMED: usize = 8;

/// The conditions of `exemption`, which names the policies `unknown` that are not there.
pub(super) fn says(exemption: &CompiledExemption, unknown: &[&PolicyId], now: Timestamp) -> [Says; 2] {
    let active = |status, reason, message| Says::new(TrustExemptionStatus::ACTIVE, status, reason, message);
    let expired = |status, reason, message: &str| {
        Says::new(TrustExemptionStatus::EXPIRED, status, reason, message.to_owned())
    };
    let Some(terms) = exemption.exemption() else {
        let errors: Vec<_> = exemption.errors().iter().map(ToString::to_string).collect();
        let message = format!("it exempts nothing until this is mended: {}", errors.join("; "));
        return [
            active("False", "Invalid", message),
            expired("Unknown", "Invalid", "an exemption that cannot be used has no end: see Active"),
        ];
    };
    let Some(until) = terms.until else {
        let message = format!("in force without an end{}", missing(unknown));
        return [active("True", "InForce", message), expired("False", "InForce", "it has no end")];
    };
    if !terms.is_active(now) {
        let message = format!(
            "it ended at {until}, and its images are judged again: delete it, or set a later spec.until"
        );
        return [
            active("False", "Expired", message),
            expired("True", "Expired", &format!("it ended at {until}")),
        ];
    }
    let ends = format!("it ends at {until}");
    if until.duration_since(now) <= SOON {
        let message = format!(
            "in force, and ends at {until}, less than a day after this was written; then its images are judged \
             again{}",
            missing(unknown)
        );
        return [active("True", "EndsSoon", message), expired("False", "EndsSoon", &ends)];
    }
    let message = format!("in force until {until}{}", missing(unknown));
    [active("True", "InForce", message), expired("False", "InForce", &ends)]
}

/// A name that is misspelt exempts from nothing, and nothing else would tell.
fn missing(unknown: &[&PolicyId]) -> String {
    if unknown.is_empty() {
        return String::new();
    }
    let mut names: Vec<_> = unknown.iter().take(NAMED).map(|id| id.to_string()).collect();
    if unknown.len() > NAMED {
        names.push(format!("{} more", unknown.len() - NAMED));
    }
    format!("; it names policies that are not there: {}", names.join(", "))
}
