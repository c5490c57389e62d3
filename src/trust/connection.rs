//! [`Connection`]: the way to one repository on its trust server, with one requester's credentials.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::cell::Cell;
use super::core::Core;
use crate::policy::{Reason, TrustServer};
use crate::resolution::Refusal;
use crate::source::{Access, FoundCredentials, MetadataSource, Requester, SourceError, SourceRequest, Who};
use crate::tuf::{Fetch, Gun};

/// The way to one repository on its trust server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection<'a> {
    source: &'a dyn MetadataSource,
    server: &'a Arc<TrustServer>,
    gun: &'a Gun,
    registry: &'a str,
    access: &'a Access,
    known: bool,
    timeout: Duration,
}

impl<'a> Connection<'a> {
    /// `server` is what [`server_for`] says, `known` whether the request has the known repositories' share.
    pub(super) fn new(
        core: &'a Core,
        cell: &'a Cell,
        server: &'a Arc<TrustServer>,
        requester: &'a Requester,
        access: &'a Access,
        known: bool,
    ) -> Self {
        let (gun, timeout) = (&cell.key.gun, core.config.request_timeout);
        Self { source: &*core.source, server, gun, registry: &requester.registry, access, known, timeout }
    }

    /// Asks for one file. `Ok(None)` is the server's word that there is none.
    pub(super) async fn fetch(&self, fetch: &Fetch) -> Result<Option<Bytes>, SourceError> {
        let Self { server, gun, registry, access, known, timeout, .. } = *self;
        self.source.fetch(SourceRequest { server, gun, fetch, access, registry, known, timeout }).await
    }
}

/// What to show the server, in order. What it honoured the last time comes first.
pub(super) async fn credentials_of(
    core: &Core,
    cell: &Cell,
    requester: &Requester,
) -> Result<FoundCredentials, Refusal> {
    if requester.who == Who::Anybody {
        return Ok(vec![Access::Anonymous].into());
    }
    let (source, pod) = requester.credentials();
    let found = core.credentials.access(&source, &pod, &cell.key.server, requester.image()).await;
    let mut found = found.map_err(|error| no_credentials(cell, &error.message))?;
    if let Some(good) = cell.contents().permissions.access(requester) {
        found.accesses.sort_by_key(|access| *access != good);
    }
    Ok(found)
}

/// The server, with the token realms that the requester's own policy allows: cells are shared, realms are not.
pub(super) fn server_for(cell: &Cell, requester: &Requester) -> Arc<TrustServer> {
    let server = &cell.key.server;
    if server.token_realms == requester.token_realms {
        return Arc::clone(server);
    }
    Arc::new(TrustServer { token_realms: requester.token_realms.clone(), ..TrustServer::clone(server) })
}

/// The refusal with what is to be said of the credentials that were shown. That comes first where there is no answer: it
/// is what has to change.
pub(super) fn with_remark(refusal: Refusal, cell: &Cell, remark: &str) -> Refusal {
    let message = refusal.message();
    let message = match refusal {
        _ if remark.is_empty() => return refusal,
        Refusal::Untrusted(_) => format!("{message}; {remark}"),
        Refusal::Unavailable(_) => {
            let about = format!("{} at {}: ", cell.state_key.gun, cell.state_key.server);
            format!("{about}{remark}; {}", message.strip_prefix(&about).unwrap_or(message))
        }
    };
    refusal.with_message(message)
}

pub(super) fn no_credentials(cell: &Cell, what: &str) -> Refusal {
    let (gun, server) = (&cell.state_key.gun, &cell.state_key.server);
    Refusal::unavailable(Reason::Unauthorized, format!("{gun} at {server}: no credentials: {what}"))
}
