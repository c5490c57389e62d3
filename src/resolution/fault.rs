//! The one table from what went wrong with trust data to the reason that everybody is told (design §6).

use std::collections::BTreeMap;

use super::error::Refusal;
use crate::policy::Reason;
use crate::records::{RepositoryKey, StateError};
use crate::source::SourceError;
use crate::tuf::{FileName, RoleName, RoleProblem, RootKeys, TufError};

/// What an error does not carry: why files could not be fetched (the update knows only that they could not), and root keys.
#[derive(Debug, Default)]
pub(crate) struct Causes {
    files: BTreeMap<FileName, SourceError>,
    /// Which root keys were asked for and came, where the root is not trusted.
    pub(crate) root_keys: Option<RootKeys>,
}

impl Causes {
    pub(crate) fn note(&mut self, file: &FileName, cause: SourceError) {
        self.files.insert(file.clone(), cause);
    }

    pub(crate) fn of(&self, file: &FileName) -> Option<&SourceError> {
        self.files.get(file)
    }
}

/// The reason for what the update found.
pub(crate) fn reason(error: &TufError) -> Reason {
    match error {
        TufError::Malformed { .. }
        | TufError::HashMismatch { .. }
        | TufError::TooLarge { .. }
        | TufError::TooMany { .. }
        | TufError::Missing { .. }
        | TufError::KeyIdMismatch { .. } => Reason::InvalidMetadata,
        TufError::Rollback { .. } => Reason::Rollback,
        TufError::Unsigned { .. } | TufError::NoValidSignature { .. } => Reason::InvalidSignature,
        TufError::Expired { .. } => Reason::Expired,
        TufError::ThresholdNotMet { .. } => Reason::ThresholdNotMet,
        TufError::RootMismatch(_) => Reason::RootMismatch,
        TufError::RootNotPinned => Reason::RootNotPinned,
        TufError::DamagedPin(_) => Reason::StateUnavailable,
        TufError::RepositoryNotFound => Reason::RepositoryNotFound,
        TufError::Unreachable { .. } => Reason::TrustServerUnreachable,
        TufError::Stopped => Reason::DeadlineExceeded,
    }
}

/// The refusal for what the update found, in words for whoever is woken by it.
pub(crate) fn refusal(error: &TufError, causes: &Causes, key: &RepositoryKey) -> Refusal {
    let what = match error {
        TufError::Unreachable { file } | TufError::TooLarge { file, .. } => match causes.of(file) {
            Some(cause) => return source(cause, file, key),
            None => error.to_string(),
        },
        TufError::RootMismatch(_) => match &causes.root_keys {
            Some(keys) => format!("{error} ({keys})"),
            None => error.to_string(),
        },
        _ => error.to_string(),
    };
    let reason = reason(error);
    let message = format!("{} at {}: {what}{}", key.gun, key.server, advice(error));
    match reason {
        // Nothing was learned about the image.
        Reason::TrustServerUnreachable | Reason::StateUnavailable | Reason::DeadlineExceeded => {
            Refusal::unavailable(reason, message)
        }
        _ => Refusal::untrusted(reason, message),
    }
}

/// What an admin deletes to start anew, where it cannot be called by its name.
pub(crate) const ITS_RECORD: &str = "its TrustedRepository (or its file in the state directory)";

/// The refusal of what contradicts `records`, by the names that an admin has for them.
pub(crate) fn remembered(error: &TufError, key: &RepositoryKey, records: &[String]) -> Refusal {
    let records = records.join(" and ");
    let advice = match error {
        TufError::Rollback { .. } => format!(
            "if the repository was set up anew on purpose, delete what remembers the newer version: {records}"
        ),
        _ => {
            format!("if the publisher really has a new root, delete what holds the first-use pin: {records}")
        }
    };
    Refusal::untrusted(reason(error), format!("{} at {}: {error}; {advice}", key.gun, key.server))
}

/// Why a publisher's role is unusable, by itself: `inspect` has no policy to say `DelegationUnusable`.
pub(crate) fn of_role(problem: &RoleProblem) -> Reason {
    match problem {
        RoleProblem::Unusable { error, .. } => reason(error),
        RoleProblem::Missing { .. } | RoleProblem::NotDelegated { .. } | RoleProblem::NotLoaded { .. } => {
            Reason::DelegationMissing
        }
    }
}

/// The refusal for a file that could not be fetched.
pub(crate) fn source(cause: &SourceError, file: &FileName, key: &RepositoryKey) -> Refusal {
    let message = format!("{} at {}: {file}: {cause}", key.gun, key.server);
    match cause {
        SourceError::Unauthorized { .. } => Refusal::unavailable(Reason::Unauthorized, message),
        SourceError::Unreachable { .. } | SourceError::Elsewhere { .. } => {
            Refusal::unavailable(Reason::TrustServerUnreachable, message)
        }
        SourceError::Invalid { .. } => Refusal::untrusted(Reason::InvalidMetadata, message),
    }
}

/// The refusal for state that could not be read or written.
pub(crate) fn state(error: &StateError, key: &RepositoryKey) -> Refusal {
    Refusal::unavailable(
        Reason::StateUnavailable,
        format!("trust state of {} at {}: {error}; no other repository is affected", key.gun, key.server),
    )
}

/// The delegation that an error is about, where it is about one: other policies may do without it.
pub(crate) fn delegation(error: &TufError) -> Option<&RoleName> {
    let role = match error {
        TufError::Malformed { role, .. }
        | TufError::HashMismatch { role, .. }
        | TufError::Rollback { role, .. }
        | TufError::KeyIdMismatch { role, .. }
        | TufError::Unsigned { role } => role,
        TufError::TooLarge { file, .. } | TufError::Missing { file } | TufError::Unreachable { file } => {
            &file.role
        }
        _ => return None,
    };
    role.is_delegation().then_some(role)
}

/// What to do about it, where that is not in the words already.
fn advice(error: &TufError) -> &'static str {
    match error {
        TufError::Rollback { .. } => {
            "; if the repository was set up anew on purpose, delete its TrustedRepository (or its file in the state \
             directory)"
        }
        TufError::Expired { .. } => {
            "; whoever holds the role's key must sign it again (for timestamp and snapshot that is usually the server)"
        }
        TufError::RootMismatch(_) => {
            "; if the publisher really has a new root, update the policy's roots, or delete the TrustedRepository that \
             first use pinned"
        }
        TufError::RepositoryNotFound => {
            "; nothing was ever signed there, or the server hides it from these credentials"
        }
        TufError::Malformed { .. } | TufError::HashMismatch { .. } | TufError::Missing { .. } => {
            "; check the trust server, its storage and what stands before it"
        }
        TufError::DamagedPin(_) => "; put back a good copy, or remove it to start anew",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::tuf::{Gun, Selector};

    fn key() -> RepositoryKey {
        let gun = Gun::new("registry.example.com/shop/web").unwrap();
        RepositoryKey { server: "https://notary.example.com/".to_owned(), gun, anchors: Digest::of(b"") }
    }

    fn timestamp() -> FileName {
        FileName { role: RoleName::timestamp(), selector: Selector::Current }
    }

    #[test]
    fn a_file_that_could_not_be_fetched_keeps_its_cause() {
        let error = TufError::Unreachable { file: timestamp() };
        for (cause, reason, undecided) in [
            (SourceError::Unauthorized { message: "401".into() }, Reason::Unauthorized, true),
            (SourceError::Unreachable { message: "refused".into() }, Reason::TrustServerUnreachable, true),
            (SourceError::Elsewhere { message: "307".into() }, Reason::TrustServerUnreachable, true),
            (SourceError::Invalid { message: "short".into() }, Reason::InvalidMetadata, false),
        ] {
            let mut causes = Causes::default();
            let message = cause.to_string();
            causes.note(&timestamp(), cause);
            let refusal = refusal(&error, &causes, &key());
            assert_eq!(refusal.reason(), reason);
            assert_eq!(matches!(refusal, Refusal::Unavailable(_)), undecided);
            assert!(refusal.message().contains(&message), "{refusal}");
        }
    }

    #[test]
    fn what_the_server_says_and_what_nobody_says_are_told_apart() {
        let of = |error| refusal(&error, &Causes::default(), &key());
        assert!(matches!(of(TufError::RepositoryNotFound), Refusal::Untrusted(_)));
        assert!(matches!(of(TufError::Missing { file: timestamp() }), Refusal::Untrusted(_)));
        assert!(matches!(of(TufError::Unreachable { file: timestamp() }), Refusal::Unavailable(_)));
        let damaged = TufError::DamagedPin(Box::new(TufError::Unsigned { role: RoleName::root() }));
        assert_eq!(of(damaged).reason(), Reason::StateUnavailable);
    }
}
