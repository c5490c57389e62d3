//! [`Remote`]: one repository at a trust server, for its publisher: reads, uploads, keys, deletion.

mod form;
mod rejection;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};

use self::form::Form;
pub use self::rejection::Rejection;
use super::NotaryClient;
use super::audience::Audience;
use super::auth::{Asker, Failed};
use super::endpoint::{Call, Reply};
use super::endpoints::address;
use super::fault::Fault;
use super::right::Right;
use super::{beside, folder, from_the_server, target};
use crate::trust::{Access, SourceError, TrustServer};
use crate::tuf::{Fetch, Gun, RoleName};

/// A larger file is not uploaded: verifying clients take none.
const MAX_FILE: usize = 16 << 20;
/// Nor is a larger set of files.
const MAX_UPLOAD: usize = 64 << 20;
/// A public key as JSON (Notary v1, "Limits").
const MAX_KEY: u64 = 256 << 10;
/// Successful changes are answered with nothing.
const MAX_RECEIPT: u64 = 64 << 10;

/// A repository at a trust server, and what its publisher shows there.
///
/// The credentials are those for the registry, and go where pull secrets would go (design §4 "Update"). Redirects are
/// not followed.
#[derive(Debug, Clone)]
pub struct Remote {
    client: Arc<NotaryClient>,
    server: Arc<TrustServer>,
    gun: Gun,
    registry: String,
    access: Access,
    timeout: Duration,
}

/// Why a request to a trust server failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// No answer, or no right to one. Nothing was changed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A change was sent, and no answer that says whether it was made.
    #[error("{0}; whether the change was made is not known")]
    Undecided(SourceError),
    /// The server answered no.
    #[error("{0}")]
    Rejected(Rejection),
    /// More than any client would take. Nothing was sent.
    #[error(
        "{what} has {bytes} bytes, and clients take at most {max_bytes}: split it, or remove what is old"
    )]
    TooLarge {
        /// A role, or the whole upload.
        what: String,
        /// Its size.
        bytes: usize,
        /// What it may have.
        max_bytes: usize,
    },
    /// More than the server, or what stands before it, takes. Nothing was changed.
    #[error(
        "{server}: it answered 413: the upload of {bytes} bytes is too large for it, or for what stands before it; {role} has \
         {role_bytes} of them: have the limit raised (nginx: client_max_body_size), or remove what is old from {role}"
    )]
    UploadTooLarge {
        /// Which server.
        server: String,
        /// The upload's size.
        bytes: usize,
        /// The role with the largest file.
        role: RoleName,
        /// Its size.
        role_bytes: usize,
    },
}

impl RemoteError {
    /// Whether the change may have been made all the same, so that the repository has to be read to learn it.
    pub fn is_undecided(&self) -> bool {
        match self {
            Self::Undecided(_) => true,
            Self::Rejected(rejection) => rejection.status >= 500,
            Self::Source(_) | Self::TooLarge { .. } | Self::UploadTooLarge { .. } => false,
        }
    }
}

impl Remote {
    /// `registry` is the host whose token realm may see the credentials too; `timeout` bounds each request.
    pub fn new(
        client: Arc<NotaryClient>,
        server: Arc<TrustServer>,
        gun: Gun,
        registry: String,
        access: Access,
        timeout: Duration,
    ) -> Self {
        Self { client, server, gun, registry, access, timeout }
    }

    /// Which repository.
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// Which server, for messages.
    pub fn server(&self) -> &str {
        self.server.url.as_str()
    }

    /// One file, with the right to push (Notary v1, "HTTP API"). `None` is a 404.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn fetch(&self, fetch: &Fetch) -> Result<Option<Bytes>, RemoteError> {
        let target = target(self.server.url.path(), &self.gun, &fetch.file);
        let reply = self.ask(Right::Push, read(target, fetch.max_bytes)).await?;
        match reply.status {
            StatusCode::NOT_FOUND => Ok(None),
            _ => self.taken(reply).map(Some),
        }
    }

    /// Uploads the files in one POST: all of them are taken, or none (Notary v1, "HTTP API" and "Upload").
    ///
    /// It is made again only where the server cannot have done it: after a 401 and a 429, and where no connection came about.
    ///
    /// # Errors
    /// [`RemoteError`]; after [`RemoteError::Undecided`], and a rejection with 500 or more, the caller reads the repository
    /// to learn whether it arrived.
    pub async fn upload(&self, files: &[(RoleName, Bytes)]) -> Result<(), RemoteError> {
        within_limits(files)?;
        let form = Form::of(files).map_err(|fault| RemoteError::Source(self.told(fault)))?;
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, form.content_type)]);
        let bytes = form.body.len();
        let call = change(Method::POST, self.folder(), headers, form.body, MAX_RECEIPT);
        let reply = self.ask(Right::Push, call).await?;
        if reply.status == StatusCode::PAYLOAD_TOO_LARGE
            && let Some((role, file)) = files.iter().max_by_key(|(_, file)| file.len())
        {
            let (server, role_bytes) = (address(&self.server.url), file.len());
            return Err(RemoteError::UploadTooLarge { server, bytes, role: role.clone(), role_bytes });
        }
        self.taken(reply).map(drop)
    }

    /// The server's public key for `timestamp` or `snapshot`, as JSON.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn server_key(&self, role: &RoleName) -> Result<Bytes, RemoteError> {
        let reply = self.ask(Right::Push, read(self.key(role), MAX_KEY)).await?;
        self.taken(reply)
    }

    /// Makes the server take a new key for `timestamp` or `snapshot`; it counts when a root lists it.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn rotate_server_key(&self, role: &RoleName) -> Result<Bytes, RemoteError> {
        let call = change(Method::POST, self.key(role), nothing(), Bytes::new(), MAX_KEY);
        let reply = self.ask(Right::Admin, call).await?;
        self.taken(reply)
    }

    /// Deletes the repository's trust data. That there is none is no error.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn delete(&self) -> Result<(), RemoteError> {
        let call = change(Method::DELETE, self.folder(), nothing(), Bytes::new(), MAX_RECEIPT);
        let reply = self.ask(Right::Admin, call).await?;
        self.taken(reply).map(drop)
    }

    fn folder(&self) -> String {
        folder(self.server.url.path(), &self.gun)
    }

    fn key(&self, role: &RoleName) -> String {
        format!("{}{role}.key", self.folder())
    }

    async fn ask(&self, right: Right, call: Call) -> Result<Reply, RemoteError> {
        let changes = !call.repeatable;
        let asker = Asker {
            server: &self.server,
            repository: self.gun.as_str(),
            access: &self.access,
            registry: &self.registry,
            // Somebody waits for it.
            known: true,
            right,
            audience: self.audience(),
        };
        let (method, target) = (call.method.clone(), call.target.clone());
        let outcome = self.client.ask(&asker, call, self.timeout).await;
        let status = outcome.as_ref().map(|reply| reply.status.as_u16()).ok();
        tracing::debug!(server = %address(&self.server.url), %method, path = target, status, "asked as a publisher");
        outcome.map_err(|failed| match failed {
            Failed::Access(error) => error.into(),
            Failed::Request(Fault::Failing { status, body, .. }) if Rejection::has_code(&body) => {
                RemoteError::Rejected(Rejection::of(status, &body))
            }
            Failed::Request(fault) if changes && fault.is_undecided() => {
                RemoteError::Undecided(self.told(fault))
            }
            Failed::Request(fault) => self.told(fault).into(),
        })
    }

    /// The body of an answer that says yes.
    fn taken(&self, reply: Reply) -> Result<Bytes, RemoteError> {
        let status = reply.status;
        if status.is_success() {
            return Ok(reply.body);
        }
        match status.is_client_error() && (Rejection::has_code(&reply.body) || !self.is_not_http(status)) {
            true => {
                let rejection = Rejection::of(status.as_u16(), &reply.body).dated(&reply.headers);
                Err(RemoteError::Rejected(rejection))
            }
            false => Err(self.told(beside(&reply, &self.server.url)).into()),
        }
    }

    /// What Go's servers say to plain http on their https port.
    fn is_not_http(&self, status: StatusCode) -> bool {
        status == StatusCode::BAD_REQUEST && self.server.url.scheme() == "http"
    }

    fn audience(&self) -> Audience<'_> {
        Audience::CommandLine { registry: &self.registry }
    }

    fn told(&self, fault: Fault) -> SourceError {
        fault.told(&address(&self.server.url), self.audience())
    }
}

fn within_limits(files: &[(RoleName, Bytes)]) -> Result<(), RemoteError> {
    for (role, file) in files {
        if file.len() > MAX_FILE {
            let what = role.to_string();
            return Err(RemoteError::TooLarge { what, bytes: file.len(), max_bytes: MAX_FILE });
        }
    }
    match files.iter().map(|(_, file)| file.len()).sum() {
        bytes if bytes > MAX_UPLOAD => {
            let what = "the upload".to_owned();
            Err(RemoteError::TooLarge { what, bytes, max_bytes: MAX_UPLOAD })
        }
        _ => Ok(()),
    }
}

/// Nothing that a publisher reads may be older than what the server has: the next version is made from it.
fn read(target: String, max_bytes: u64) -> Call {
    let (headers, body) = (from_the_server(), Bytes::new());
    Call { method: Method::GET, target, headers, body, max_bytes, known: true, repeatable: true }
}

fn change(method: Method, target: String, headers: HeaderMap, body: Bytes, max_bytes: u64) -> Call {
    Call { method, target, headers, body, max_bytes, known: true, repeatable: false }
}

/// Said of a body that is not there, because some proxies answer 411 where nothing is said.
fn nothing() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static("0"))])
}
