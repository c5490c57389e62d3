//! What an answer says beside its digest: what somebody must do soon.

use jiff::{SignedDuration, Timestamp};

use crate::resolution::SignedDigest;
use crate::tuf::TrustedRepository;

/// A role that expires sooner than this is worth a warning.
const SOON: SignedDuration = SignedDuration::from_hours(24 * 30);

/// That data older than wanted answers, and why. The reason stands early: the API server cuts warnings.
pub(super) fn old_data(vouched: Option<Timestamp>, why: &str) -> String {
    let since = match vouched {
        Some(vouched) => format!("last confirmed at {}", vouched.strftime("%Y-%m-%dT%H:%M:%SZ")),
        None => "of unknown age".to_owned(),
    };
    format!("older trust data answers, {since}: {why}")
}

/// Roles whose publisher must sign them anew soon.
pub(super) fn expiring(repository: &TrustedRepository, signed: &SignedDigest, now: Timestamp) -> Vec<String> {
    let soon = now.saturating_add(SOON).unwrap_or(Timestamp::MAX);
    let expiring = signed.provenance().expiring(repository, soon);
    expiring.map(|(name, expires)| format!("{name} of {} expires at {expires}", repository.gun())).collect()
}
