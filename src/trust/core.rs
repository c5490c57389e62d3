//! [`Core`]: what the parts of the resolver share, and who boards which refresh.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::budget::Budget;
use super::disk::DiskCache;
use super::entries::Entries;
use super::entry::{Entry, Trouble};
use super::error::Refusal;
use super::flight::{Boarding, FlightKey, Flown, Landing, Ticket, Told};
use super::history::History;
use super::known;
use super::moment::Moment;
use super::refresh::Crash;
use super::resolver::ResolverConfig;
use super::source::{Credentials, MetadataSource};
use super::state::TrustState;
use crate::clock::SharedClock;
use crate::policy::Reason;
use crate::telemetry::Metrics;
use crate::tuf::RoleName;

/// The disk is cleared of so many repositories at once.
const CLEARED_AT_ONCE: usize = 4;

/// What the parts of the resolver share.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: ResolverConfig,
    pub(super) source: Arc<dyn MetadataSource>,
    pub(super) credentials: Arc<dyn Credentials>,
    pub(super) state: Arc<dyn TrustState>,
    pub(super) clock: SharedClock,
    pub(super) entries: Entries,
    pub(super) budget: Budget,
    pub(super) disk: Option<DiskCache>,
    pub(super) history: History,
    /// Turns at asking trust state whether it knows a repository.
    pub(super) asking_state: Semaphore,
    /// Turns at clearing the disk of what was reset.
    pub(super) clearing: Arc<Semaphore>,
    /// Places for refreshes that nobody waits for, on each trust server: a slow one takes none from the others.
    pub(super) background: Budget,
    pub(super) metrics: Metrics,
}

/// Why nobody waits any longer for a refresh. It goes on.
#[derive(Debug)]
pub(super) enum Waited {
    /// It failed, now or a moment ago.
    Failed(Refusal),
    /// It takes longer than the caller has.
    TooLong,
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
            entries: Entries::new(config.max_repositories, config.max_unknown),
            budget: Budget::new(config.unknown_at_once),
            disk: config.cache_dir.clone().map(DiskCache::new),
            history: History::new(),
            asking_state: Semaphore::new(known::AT_ONCE),
            clearing: Arc::new(Semaphore::new(CLEARED_AT_ONCE)),
            background: Budget::new(config.background_at_once),
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

    /// Refreshes an entry, together with all who ask alike. Waits until `deadline`, and no longer than `patience` from
    /// the refresh's start.
    pub(super) async fn refresh(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        ticket: &Ticket,
        deadline: Instant,
        patience: Option<Duration>,
    ) -> Result<(), Waited> {
        let mut patience_ends = patience.map(|patience| Instant::now() + patience);
        loop {
            let until = patience_ends.map_or(deadline, |ends| ends.min(deadline));
            match self.board(entry, ticket) {
                Boarding::Failed(refusal) => return Err(Waited::Failed(refusal)),
                Boarding::Start(sender, landing) => {
                    self.launch(entry, ticket, sender);
                    return landed(landing, until).await;
                }
                Boarding::Aboard { started, landing } => {
                    patience_ends = patience.map(|patience| started + patience);
                    let until = patience_ends.map_or(deadline, |ends| ends.min(deadline));
                    return landed(landing, until).await;
                }
                Boarding::AfterThis(landing) => {
                    if let Err(Waited::TooLong) = landed(landing, until).await {
                        return Err(Waited::TooLong);
                    }
                }
                Boarding::After(wait) => {
                    let then = Instant::now() + wait;
                    if then > until {
                        return Err(Waited::TooLong);
                    }
                    tokio::time::sleep_until(then).await;
                }
            }
        }
    }

    /// Starts a refresh that nobody waits for, where one may start.
    pub(super) fn refresh_behind(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        ticket: &Ticket,
    ) -> Option<watch::Receiver<Option<Landing>>> {
        let place = self.background.try_place(&entry.state_key.server)?;
        match self.board(entry, ticket) {
            Boarding::Start(sender, landing) => {
                self.launch(entry, ticket, sender);
                let mut lands = landing.clone();
                tokio::spawn(async move {
                    let _place = place;
                    // An error is the end of the refresh as well.
                    let _ = lands.wait_for(Option::is_some).await;
                });
                Some(landing)
            }
            _ => None,
        }
    }

    fn board(&self, entry: &Entry, ticket: &Ticket) -> Boarding {
        entry.flights.lock().unwrap_or_else(PoisonError::into_inner).board(ticket, self.moment())
    }

    /// Runs a refresh as a task of its own, so that it outlives whoever asked for it.
    fn launch(self: &Arc<Self>, entry: &Arc<Entry>, ticket: &Ticket, sender: watch::Sender<Option<Landing>>) {
        let mut flight =
            Flying { core: Arc::clone(self), entry: Arc::clone(entry), key: ticket.key.clone(), over: false };
        let ticket = ticket.clone();
        tokio::spawn(async move {
            let fly = flight.core.fly(&flight.entry, &ticket);
            let flown = tokio::time::timeout(flight.core.config.refresh_timeout, fly).await;
            let mut flown = flown.unwrap_or_else(|_| Err(flight.took_too_long().into()));
            if ticket.under.is_some_and(|under| under != flight.entry.resets()) {
                // Whatever came of it is of the record that was reset.
                flown = Ok(Flown::Void);
            }
            let landing = flight.land(flown);
            sender.send_replace(Some(landing));
        });
    }

    /// Takes note of how a refresh ended: for conditions and logs, and for the grant that it was made with.
    fn note_landing(&self, entry: &Entry, key: &FlightKey, flown: &Result<Flown, Crash>) {
        let crash = match flown {
            Ok(Flown::Void) => return,
            Ok(Flown::Fresh) => {
                if let Some(trouble) = entry.trouble.swap(None) {
                    tracing::info!(gun = %entry.key.gun, server = %entry.state_key.server, since = %trouble.since,
                        "trust data is fresh again");
                }
                return;
            }
            Err(crash) => crash,
        };
        let refusal = &crash.refusal;
        if key.accessor.is_tenant() && concerns_one_tenant(entry, key, crash) {
            return;
        }
        let now = self.clock.now();
        let before = entry.trouble.load_full();
        if before.as_ref().is_none_or(|before| before.refusal.reason() != refusal.reason()) {
            tracing::warn!(gun = %entry.key.gun, server = %entry.state_key.server, reason = %refusal.reason(),
                "trust data could not be refreshed: {}", refusal.message());
        }
        let since = before.map_or(now, |before| before.since);
        let (refusal, role) = (refusal.clone(), crash.role.clone());
        entry.trouble.store(Some(Arc::new(Trouble { refusal, role, since, last: now })));
    }
}

/// Whether a tenant's failed refresh is its own affair. The server's refusal ends the tenant's grant at once; that its
/// credentials could not be read says nothing about what it may read, and neither is trouble of the repository.
fn concerns_one_tenant(entry: &Entry, key: &FlightKey, crash: &Crash) -> bool {
    let unauthorized = crash.refusal.reason() == Reason::Unauthorized;
    match (unauthorized, crash.about_access) {
        (true, true) => entry.grants.end(&key.accessor),
        (true, false) => entry.grants.doubt(&key.accessor),
        // A server that hides the repository from who was never let in; from others it is the server's fault.
        (false, about_access) => return about_access && entry.grants.at(&key.accessor.eyes()).is_none(),
    }
    true
}

/// A refresh under way. However its task ends, the entry learns of it.
struct Flying {
    core: Arc<Core>,
    entry: Arc<Entry>,
    key: FlightKey,
    over: bool,
}

impl Flying {
    fn land(&mut self, flown: Result<Flown, Crash>) -> Landing {
        self.over = true;
        self.core.note_landing(&self.entry, &self.key, &flown);
        match &flown {
            Ok(Flown::Fresh) => self.core.metrics.refreshed(Ok(())),
            Ok(Flown::Void) => {}
            Err(crash) => self.core.metrics.refreshed(Err(crash.refusal.reason().as_str())),
        }
        let (landing, role, is_passing): (Landing, Option<RoleName>, bool) = match flown {
            Ok(_) => (Ok(()), None, false),
            Err(Crash { refusal, role, is_passing, .. }) => (Err(refusal), role, is_passing),
        };
        let mut flights = self.entry.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.land(&self.key, &landing, Told { role, is_passing }, self.core.moment());
        landing
    }

    fn took_too_long(&self) -> Refusal {
        let (key, timeout) = (&self.entry.state_key, self.core.config.refresh_timeout);
        Refusal::unavailable(
            Reason::TrustServerUnreachable,
            format!("{} at {}: the refresh took longer than {timeout:?}", key.gun, key.server),
        )
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        if !self.over {
            let interrupted = Refusal::unavailable(
                Reason::TrustServerUnreachable,
                format!("{}: the refresh was interrupted; try again", self.entry.state_key.gun),
            );
            let _ = self.land(Err(interrupted.into()));
        }
    }
}

async fn landed(mut landing: watch::Receiver<Option<Landing>>, until: Instant) -> Result<(), Waited> {
    let Ok(waited) = timeout_at(until, landing.wait_for(Option::is_some)).await else {
        return Err(Waited::TooLong);
    };
    match waited.as_deref() {
        Ok(Some(Ok(()))) => Ok(()),
        Ok(Some(Err(refusal))) => Err(Waited::Failed(refusal.clone())),
        // The task is gone without a word: it panicked, or the runtime shuts down.
        Ok(None) | Err(_) => Err(Waited::Failed(Refusal::unavailable(
            Reason::TrustServerUnreachable,
            "the refresh was interrupted; try again",
        ))),
    }
}
