//! [`StageError`]: why the sandbox cannot be set up or played. Every message says what to do.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::notary::RemoteError;
use crate::publish::key::KeyFault;
use crate::publish::publisher::PublishError;
use crate::publish::trust_dir::TrustDirError;
use crate::webhook::CertificateError;

/// Why the stage does not stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// Somebody else listens there.
    #[error(
        "{address}, for the {what}, is in use: stop what listens there, or choose another port with {option} (0: any that is free)"
    )]
    PortInUse {
        /// `trust server`, `registry` or `webhook`.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// The option that names the port.
        option: &'static str,
    },
    /// Nobody may listen there, or the port is the system's.
    #[error(
        "cannot listen on {address} for the {what}: {message}; choose another port with {option} (0: any that is free)"
    )]
    Port {
        /// `trust server`, `registry` or `webhook`.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// The option that names the port.
        option: &'static str,
        /// What the system says.
        message: String,
    },
    /// A file or folder cannot be made, read or written.
    #[error("{}: {message}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The certificates that were made cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No TLS.
    #[error("TLS: {0}")]
    Tls(String),
    /// A name that makes no address.
    #[error("{0:?} is no host or address that a certificate could name")]
    Address(String),
    /// A request of the sandbox's own failed.
    #[error("{url}: {message}")]
    Request {
        /// What was asked.
        url: String,
        /// What came of it.
        message: String,
    },
    /// The sample policy does not compile, which is a defect.
    #[error("the sample policy does not compile: {0}")]
    Policy(String),
    /// A publish failed that should have succeeded.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The registry did not say what a tag names.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The registry knows no such tag.
    #[error("the registry has no {0}")]
    NoImage(String),
    /// A trust directory cannot be used.
    #[error(transparent)]
    TrustDir(#[from] TrustDirError),
    /// No key can be made.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The embedded server cannot be made to lie.
    #[error("the trust server: {0}")]
    Server(String),
    /// Something that the story rests on is not there, which is a defect.
    #[error("{0}")]
    Story(String),
}

impl StageError {
    pub(super) fn io(path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        let message = match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                format!(
                    "no permission to write here ({error}): choose another folder with --data-dir, or TMPDIR"
                )
            }
            _ => error.to_string(),
        };
        Self::Folder { path: path.into(), message }
    }
}
