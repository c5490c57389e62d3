//! [`Auth`]: shows a server what it asks for, and remembers what it took.
//!
//! Cold, a request costs two more round trips: the 401 and the token. Warm, none: the token is sent at once. A token
//! that expired is fetched anew without asking the server first. However many requests need one token, one asks.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderValue};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout_at};

use super::audience::Audience;
use super::challenge::Challenge;
use super::deadline::Deadline;
use super::endpoint::{Call, Endpoint, Reply};
use super::endpoints::Endpoints;
use super::fault::{Fault, Shown};
use super::right::Right;
use super::{retry, token};
use crate::clock::SharedClock;
use crate::trust::{Access, SourceError, TrustServer};

/// How many repositories' tokens are kept.
const MAX_SLOTS: u64 = 10_000;
/// How long an unused one is.
const UNUSED: std::time::Duration = std::time::Duration::from_secs(3600);

/// Who asks a server for what.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) server: &'a TrustServer,
    /// As token scopes name it: the GUN, or a registry's repository.
    pub(super) repository: &'a str,
    pub(super) access: &'a Access,
    pub(super) registry: &'a str,
    /// Whether it verified before, or is the user's own errand.
    pub(super) known: bool,
    /// What is to be done.
    pub(super) right: Right,
    pub(super) audience: Audience<'a>,
}

/// An [`Asker`] with the connections that it uses.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) asker: Asker<'a>,
    /// The server's address, for messages.
    pub(super) at: &'a str,
    pub(super) endpoint: &'a Endpoint,
    pub(super) endpoints: &'a Endpoints,
}

/// Why a call came to nothing.
#[derive(Debug)]
pub(super) enum Failed {
    /// The server was not shown what it wants, so nothing was done.
    Access(SourceError),
    /// The request itself.
    Request(Fault),
}

impl Reader<'_> {
    /// What a grant may be used for again: nothing but the same question on the same behalf (attack T24).
    fn key(&self) -> [u8; 32] {
        let (kind, name, secret) = match self.asker.access {
            Access::Anonymous => ("anonymous", "", ""),
            Access::Basic { username, password } => ("basic", username.as_str(), password.expose()),
            Access::IdentityToken(token) => ("identity token", "", token.expose()),
        };
        let Asker { server, repository, registry, right, .. } = self.asker;
        let parts = [
            server.url.as_str(),
            server.ca_pem.as_deref().unwrap_or_default(),
            repository,
            right.actions(),
            registry,
            kind,
            name,
            secret,
        ];
        let mut hash = Sha256::new();
        for part in parts.into_iter().chain(server.token_realms.iter().map(String::as_str)) {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// The error for a fault of the server.
    pub(super) fn told(&self, fault: Fault) -> SourceError {
        fault.told(self.at, self.asker.audience)
    }

    /// The actions that a token for `challenge` is asked for.
    ///
    /// Clients compute them themselves (Notary v1, HTTP API "Auth"): a server cannot ask for more. Only who is to delete
    /// may do anything already, and which of its words for that a server takes, it says itself.
    pub(super) fn actions(&self, challenge: &Challenge) -> String {
        let Asker { repository, right, .. } = self.asker;
        let wanted = match (right, challenge) {
            (Right::Admin, Challenge::Bearer { scope: Some(scope), .. }) => scope
                .strip_prefix("repository:")
                .and_then(|rest| rest.strip_prefix(repository)?.strip_prefix(':')),
            _ => None,
        };
        let fits = |actions: &&str| {
            let sane = |b: u8| b.is_ascii_lowercase() || b == b'*' || b == b',';
            !actions.is_empty() && actions.len() <= 64 && actions.bytes().all(sane)
        };
        wanted.filter(fits).unwrap_or(right.actions()).to_owned()
    }

    /// What matters of a challenge: two that differ in the rest are met alike.
    fn relevant(&self, challenge: Challenge) -> Challenge {
        match challenge {
            Challenge::Bearer { realm, service, .. } if self.asker.right != Right::Admin => {
                Challenge::Bearer { realm, service, scope: None }
            }
            challenge => challenge,
        }
    }
}

/// What a server took, or may take.
#[derive(Debug, Clone)]
pub(super) struct Authorization {
    pub(super) challenge: Challenge,
    /// The `Authorization` header; marked sensitive, so that nothing prints it.
    pub(super) header: HeaderValue,
    /// When it is not to be used any more.
    pub(super) until: Option<Timestamp>,
    /// What it was got for.
    pub(super) shown: Shown,
}

impl Authorization {
    fn serves_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

#[derive(Debug, Default)]
struct Slot {
    authorization: Option<Authorization>,
    /// The last refusal and when it was, for those who waited for it.
    refused: Option<(Instant, SourceError)>,
}

/// The grants of all servers.
pub(super) struct Auth {
    slots: moka::future::Cache<[u8; 32], Arc<Mutex<Slot>>>,
    clock: SharedClock,
}

impl Auth {
    pub(super) fn new(clock: SharedClock) -> Self {
        let slots = moka::future::Cache::builder().max_capacity(MAX_SLOTS).time_to_idle(UNUSED).build();
        Self { slots, clock }
    }

    /// Makes a call with what the server wants to be shown. The answer is neither 401 nor 403.
    pub(super) async fn call(
        &self,
        reader: &Reader<'_>,
        mut call: Call,
        deadline: Deadline,
    ) -> Result<Reply, Failed> {
        let key = reader.key();
        let mut authorization = match self.slots.get(&key).await {
            Some(slot) => self.remembered(&slot, reader, deadline).await.map_err(Failed::Access)?,
            None => None,
        };
        for challenged in [false, true] {
            if let Some(authorization) = &authorization {
                call.headers.insert(AUTHORIZATION, authorization.header.clone());
            }
            let reply = retry::call(reader.endpoint, &call, deadline, &self.clock).await;
            let reply = reply.map_err(Failed::Request)?;
            match reply.status {
                StatusCode::UNAUTHORIZED if !challenged => {
                    let challenge = Challenge::of(&reply.headers)
                        .ok_or_else(|| Failed::Access(reader.told(Fault::NoChallenge)))?;
                    let challenge = reader.relevant(challenge);
                    let slot = self.slots.get_with(key, std::future::ready(Arc::default())).await;
                    let next = self.renewed(&slot, reader, challenge, authorization.as_ref(), deadline).await;
                    let next = next.map_err(Failed::Access)?;
                    if authorization.as_ref().is_some_and(|refused| refused.header == next.header) {
                        return Err(denied(reader, reply.status, authorization.as_ref()));
                    }
                    authorization = Some(next);
                }
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    // A token holds what was allowed when it was issued: the next request gets a new one.
                    self.slots.invalidate(&key).await;
                    return Err(denied(reader, reply.status, authorization.as_ref()));
                }
                _ => return Ok(reply),
            }
        }
        Err(denied(reader, StatusCode::UNAUTHORIZED, authorization.as_ref()))
    }

    /// What the server took last time, renewed if it has expired.
    async fn remembered(
        &self,
        slot: &Mutex<Slot>,
        reader: &Reader<'_>,
        deadline: Deadline,
    ) -> Result<Option<Authorization>, SourceError> {
        let since = Instant::now();
        let mut slot = locked(slot, reader, deadline).await?;
        match slot.authorization.clone() {
            Some(authorization) if !authorization.serves_at(self.clock.now()) => {
                self.fetched(&mut slot, since, reader, authorization.challenge, deadline).await.map(Some)
            }
            authorization => Ok(authorization),
        }
    }

    /// Something else than `refused` that answers `challenge`; what another request got meanwhile will do.
    async fn renewed(
        &self,
        slot: &Mutex<Slot>,
        reader: &Reader<'_>,
        challenge: Challenge,
        refused: Option<&Authorization>,
        deadline: Deadline,
    ) -> Result<Authorization, SourceError> {
        let since = Instant::now();
        let mut slot = locked(slot, reader, deadline).await?;
        match &slot.authorization {
            Some(authorization)
                if authorization.challenge == challenge
                    && authorization.serves_at(self.clock.now())
                    && refused.is_none_or(|refused| refused.header != authorization.header) =>
            {
                Ok(authorization.clone())
            }
            _ => self.fetched(&mut slot, since, reader, challenge, deadline).await,
        }
    }

    async fn fetched(
        &self,
        slot: &mut Slot,
        since: Instant,
        reader: &Reader<'_>,
        challenge: Challenge,
        deadline: Deadline,
    ) -> Result<Authorization, SourceError> {
        // A token server that refuses a password is not asked again by everybody who waited: accounts get locked.
        if let Some((_, error)) = slot.refused.as_ref().filter(|(at, _)| *at >= since) {
            return Err(error.clone());
        }
        let outcome = token::answer(reader, challenge, deadline, &self.clock).await;
        match &outcome {
            Ok(authorization) => *slot = Slot { authorization: Some(authorization.clone()), refused: None },
            Err(error @ SourceError::Unauthorized { .. }) => {
                slot.refused = Some((Instant::now(), error.clone()));
            }
            // No answer is a matter of each one's own deadline.
            Err(_) => {}
        }
        outcome
    }
}

async fn locked<'s>(
    slot: &'s Mutex<Slot>,
    reader: &Reader<'_>,
    deadline: Deadline,
) -> Result<MutexGuard<'s, Slot>, SourceError> {
    let lock = timeout_at(deadline.at(), slot.lock()).await;
    lock.map_err(|_| reader.told(Fault::TokenTimeout { within: deadline.span() }))
}

fn denied(reader: &Reader<'_>, status: StatusCode, authorization: Option<&Authorization>) -> Failed {
    let Asker { repository, right, .. } = reader.asker;
    let shown = authorization.map_or(Shown::Nothing, |authorization| authorization.shown.clone());
    let fault = Fault::Denied { status: status.as_u16(), repository: repository.to_owned(), right, shown };
    Failed::Access(reader.told(fault))
}
