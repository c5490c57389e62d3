//! [`Core`]: what the parts of the resolver share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::config::ResolverConfig;
use super::moment::Moment;
use super::older_files::OlderFiles;
use super::per_server::PerServer;
use super::table::Repositories;
use super::verifier::Verifier;
use crate::clock::SharedClock;
use crate::limits::{CLEARED_AT_ONCE, STATE_LOOKUPS_AT_ONCE};
use crate::records::TrustState;
use crate::source::{Credentials, MetadataSource};
use crate::store::DiskCache;
use crate::telemetry::Metrics;

/// What the parts of the resolver share.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: ResolverConfig,
    pub(super) source: Arc<dyn MetadataSource>,
    pub(super) credentials: Arc<dyn Credentials>,
    pub(super) state: Arc<dyn TrustState>,
    pub(super) clock: SharedClock,
    pub(super) repositories: Repositories,
    pub(super) disk: Option<DiskCache>,
    pub(super) older_files: OlderFiles,
    /// Places for look-ups of repositories that never verified: invented names leave connections to the known ones.
    pub(super) unknown: PerServer,
    /// Places for refreshes that nobody waits for, on each trust server: a slow one takes none from the others.
    pub(super) background: PerServer,
    /// Turns at asking trust state whether it knows a repository.
    pub(super) asking_state: Semaphore,
    /// Turns at clearing the disk of what was reset.
    pub(super) clearing: Arc<Semaphore>,
    pub(super) verifier: Verifier,
    pub(super) metrics: Metrics,
}

impl Core {
    pub(super) fn new(
        config: ResolverConfig,
        source: Arc<dyn MetadataSource>,
        credentials: Arc<dyn Credentials>,
        state: Arc<dyn TrustState>,
        clock: SharedClock,
    ) -> Self {
        Self {
            repositories: Repositories::new(
                config.bounds.repositories_in_memory,
                config.max_unknown,
                config.bounds.repositories_per_namespace,
            ),
            disk: config.cache_dir.clone().map(DiskCache::new),
            older_files: OlderFiles::new(),
            unknown: PerServer::new(config.unknown_at_once),
            background: PerServer::new(config.background_at_once),
            asking_state: Semaphore::new(STATE_LOOKUPS_AT_ONCE),
            clearing: Arc::new(Semaphore::new(CLEARED_AT_ONCE)),
            verifier: Verifier::new(&Metrics::default()),
            metrics: Metrics::default(),
            config,
            source,
            credentials,
            state,
            clock,
        }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment::now(&*self.clock)
    }
}
