//! Which failures are a "no" (exit status 1), and which are a "could not" (2).

use std::process::ExitCode;

use crate::cli::DENIED;
use crate::cli::output::{failure, tell};
use crate::notary::RemoteError;
use crate::publish::publisher::{MoveError, PublishError};
use crate::trust::{Refusal, SourceError};

/// The answer to what was asked is no: the server refused, or the repository is not what was assumed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub(super) String);

/// Prints a refusal and gives its exit status; other errors pass through.
pub(super) fn exit_code(error: anyhow::Error) -> anyhow::Result<ExitCode> {
    if !is_refusal(&error) {
        return Err(error);
    }
    tell(&failure(&error));
    Ok(ExitCode::from(DENIED))
}

/// Whether the answer is no.
pub(super) fn is_refusal(error: &anyhow::Error) -> bool {
    error.is::<Refused>()
        || matches!(error.downcast_ref(), Some(Refusal::Untrusted(_)))
        || error.downcast_ref().is_some_and(is_no_of_publisher)
        || error.downcast_ref().is_some_and(is_no_of_server)
        || error.downcast_ref().is_some_and(is_no_of_mover)
}

/// Not trusted, not signed, not allowed by the repository's roles, or refused by the server. What lacks here (a key, a
/// passphrase, an answer) is none of these.
fn is_no_of_publisher(error: &PublishError) -> bool {
    match error {
        PublishError::NotInitialised { .. }
        | PublishError::GoneFromServer { .. }
        | PublishError::Untrusted { .. }
        | PublishError::RootExpired { .. }
        | PublishError::Refused { .. }
        | PublishError::TimestampKeyLost { .. }
        | PublishError::ServerKeysLost { .. }
        | PublishError::NotDelegated { .. }
        | PublishError::PathNotAllowed { .. }
        | PublishError::NotListed { .. } => true,
        PublishError::Remote(error) => is_no_of_server(error),
        _ => false,
    }
}

/// The repositories at the two servers do not allow it, or one of them refused.
fn is_no_of_mover(error: &MoveError) -> bool {
    match error {
        MoveError::Publish(error) => is_no_of_publisher(error),
        MoveError::AtServer { error, .. } => is_no_of_publisher(error),
        MoveError::SameServer { .. }
        | MoveError::Occupied { .. }
        | MoveError::Parted { .. }
        | MoveError::CertificateExpired { .. }
        | MoveError::Unacceptable { .. } => true,
        MoveError::RootKeysMissing { .. }
        | MoveError::NothingToLeaveOut { .. }
        | MoveError::TooManyUploads { .. }
        | MoveError::TooManyRoots { .. }
        | MoveError::TimestampBehind { .. } => false,
    }
}

fn is_no_of_server(error: &RemoteError) -> bool {
    match error {
        RemoteError::Source(SourceError::Unauthorized { .. }) => true,
        RemoteError::Rejected(rejection) => rejection.status < 500,
        RemoteError::UploadTooLarge { .. } => true,
        _ => false,
    }
}
