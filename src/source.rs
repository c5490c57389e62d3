//! The traits by which the resolver reaches trust servers and credentials, and on whose behalf it does.

mod docker_auths;
mod requester;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::docker_auths::{AuthEntry, DockerAuths, DockerAuthsError, read_json};
pub(crate) use self::requester::{AsRequester, Requester, RequesterRef, Who};
use crate::image::ImageReference;
use crate::policy::{CredentialsSource, SecretRef, TrustServer};
use crate::tuf::{Fetch, Gun};

/// A boxed future, so that the traits stay object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A string that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<Arc<str>>) -> Self {
        Self(secret.into())
    }

    /// The secret itself; for the wire alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a trust server is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Access {
    /// Nothing.
    #[default]
    Anonymous,
    /// User name and password.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// An OAuth2 refresh token, as a registry login leaves it (`identitytoken`).
    IdentityToken(Secret),
}

/// The pod on whose behalf trust data is read, by what its pull secrets come from. Whether it may read is remembered by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PodIdentity {
    /// The pod's namespace; empty outside a cluster.
    pub namespace: String,
    /// The pod's ServiceAccount.
    pub service_account: String,
    /// Names of the pod's own `imagePullSecrets`, sorted.
    pub pull_secrets: Vec<String>,
}

/// One request to a trust server.
#[derive(Debug, Clone)]
pub struct SourceRequest<'a> {
    /// Which server.
    pub server: &'a Arc<TrustServer>,
    /// Which repository.
    pub gun: &'a Gun,
    /// Which file, and how much of it at most.
    pub fetch: &'a Fetch,
    /// What to show.
    pub access: &'a Access,
    /// The registry's host, whose token realm may see the credentials too.
    pub registry: &'a str,
    /// Whether the repository has verified before: known ones have a share of the request budget of their own.
    pub known: bool,
    /// How long it may take in all, retries included.
    pub timeout: Duration,
}

/// Why a server did not say anything about a file. "Not found" is not among these: it is an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The server wants other credentials, or does not let these read.
    #[error("{message}")]
    Unauthorized {
        /// What was shown, what the server said, what to check.
        message: String,
    },
    /// No answer, or none for now: refused, timed out, TLS, 429, 5xx.
    #[error("{message}")]
    Unreachable {
        /// What happened and what to check.
        message: String,
    },
    /// An answer that no trust server gives: a redirect, a status that says nothing about the file. The server is elsewhere,
    /// and waiting does not help.
    #[error("{message}")]
    Elsewhere {
        /// What came and what to check.
        message: String,
    },
    /// The body is larger than asked for, or not what its headers say: the server's fault.
    #[error("{message}")]
    Invalid {
        /// What came.
        message: String,
    },
}

/// A place that serves TUF metadata; implemented by `notary` over HTTP.
pub trait MetadataSource: Send + Sync + fmt::Debug {
    /// Fetches one file. `Ok(None)` is a 404: the server says that there is none.
    fn fetch<'a>(&'a self, request: SourceRequest<'a>) -> BoxFuture<'a, Result<Option<Bytes>, SourceError>>;
}

/// An image's own name, as a pod names it and before any `rewrite`: what selects among credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageName<'a> {
    /// The registry's host. Its token realm may see the credentials too.
    pub registry: &'a str,
    /// The repository, without the registry.
    pub repository: &'a str,
}

impl<'a> ImageName<'a> {
    /// The name of an image that is signed under its own.
    pub fn of(gun: &'a Gun) -> Self {
        let (registry, repository) = gun.as_str().split_once('/').unwrap_or((gun.as_str(), ""));
        Self { registry, repository }
    }
}

impl<'a> From<&'a ImageReference> for ImageName<'a> {
    fn from(image: &'a ImageReference) -> Self {
        Self { registry: image.registry(), repository: image.repository() }
    }
}

impl fmt::Display for ImageName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)
    }
}

/// The credentials for one image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoundCredentials {
    /// What to show, in order. [`Access::Anonymous`] where there is nothing.
    pub accesses: Vec<Access>,
    /// Where they come from and what is missing, for who is refused with them. Holds no part of them.
    pub remark: String,
    /// Whether something that the pod names does not exist yet: trying again helps without anybody's doing.
    pub is_incomplete: bool,
}

impl From<Vec<Access>> for FoundCredentials {
    fn from(accesses: Vec<Access>) -> Self {
        Self { accesses, ..Self::default() }
    }
}

/// [`Credentials`] where there are none: everything is asked for anonymously.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCredentials;

impl Credentials for NoCredentials {
    fn access<'a>(
        &'a self,
        _: &'a CredentialsSource,
        _: &'a PodIdentity,
        _: &'a TrustServer,
        _: ImageName<'a>,
    ) -> BoxFuture<'a, Result<FoundCredentials, CredentialError>> {
        Box::pin(std::future::ready(Ok(vec![Access::Anonymous].into())))
    }
}

/// Why credentials could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CredentialError {
    /// Which secret, what is wrong with it.
    pub message: String,
}

/// A client certificate and its private key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificatePem {
    /// The certificate, with those of the authorities below the server's.
    pub certificate: String,
    /// Its private key, without a passphrase.
    pub key: Secret,
}

/// A place that knows the client certificates that policies name; implemented by the controller.
pub trait ClientCertificates: Send + Sync + fmt::Debug {
    /// What is in a secret.
    fn read<'a>(&'a self, secret: &'a SecretRef) -> BoxFuture<'a, Result<CertificatePem, CredentialError>>;
}

/// A place that knows credentials; implemented by the controller (pull secrets) and by the CLI (docker's config).
pub trait Credentials: Send + Sync + fmt::Debug {
    /// The credentials for reading `image`'s trust data on `pod`'s behalf.
    fn access<'a>(
        &'a self,
        source: &'a CredentialsSource,
        pod: &'a PodIdentity,
        server: &'a TrustServer,
        image: ImageName<'a>,
    ) -> BoxFuture<'a, Result<FoundCredentials, CredentialError>>;
}
