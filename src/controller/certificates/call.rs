//! [`call`]: one request to the API server, bounded in time, and what its failure means.

use std::time::Duration;

use tokio::time::timeout;

use crate::controller::trouble::chain;

/// The longest that one request takes (design §11, deadlines: a request).
const REQUEST: Duration = Duration::from_secs(5);

/// Why something was not read or not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failed {
    /// Somebody else wrote meanwhile: read again.
    #[error("somebody else wrote it at the same time")]
    Conflict,
    /// It is not there (any more).
    #[error("it is not there")]
    Gone,
    /// Anything else, with what to do about it.
    #[error("{0}")]
    Other(String),
}

/// Awaits a request; `right` is what has to be allowed for it: `update the Secret tagseal-tls in the namespace …`.
pub(super) async fn call<T>(
    request: impl Future<Output = kube::Result<T>>,
    right: impl FnOnce() -> String,
) -> Result<T, Failed> {
    match timeout(REQUEST, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(match status.code {
            404 => Failed::Gone,
            409 => Failed::Conflict,
            403 => {
                Failed::Other(format!("{}; let tagseal's ServiceAccount {}", status.message.trim(), right()))
            }
            code => Failed::Other(format!("{} ({code})", status.message.trim())),
        }),
        Ok(Err(error)) => Err(Failed::Other(chain(&error))),
        Err(_) => Err(Failed::Other(format!("the API server did not answer within {} s", REQUEST.as_secs()))),
    }
}
