//! [`Leadership`]: whether this replica is the one that writes what only one may; [`Election`], which settles it by a Lease.
//!
//! The election is our own, some two hundred lines. kube-lease-manager (0.13), which would have saved them, goes on saying
//! that it leads for as long as the API server does not answer, takes over without optimistic concurrency, so that two that
//! see one expired lease both get it, and judges another machine's clock by its own.

mod election;
mod lease;

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

pub use self::election::{Election, ElectionOptions};
use crate::clock::SharedClock;

/// How long a replica that stops waits until its lease is given up.
const RESIGN: Duration = Duration::from_secs(2);

/// Who leads, as this replica knows it. Clones share the answer.
#[derive(Debug, Clone)]
pub struct Leadership {
    leads: watch::Receiver<bool>,
    /// `None`: nobody else can lead.
    office: Option<Office>,
}

/// What an election shares with whom it is about.
#[derive(Debug, Clone)]
struct Office {
    term: watch::Receiver<Option<Term>>,
    clock: SharedClock,
    resigns: watch::Sender<bool>,
}

/// Until when a lease that was renewed holds, for its holder: no later than anybody else may take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Term {
    until: Instant,
    /// The monotonic clock stands still while a machine sleeps, and another replica's does not.
    on_the_wall: Timestamp,
}

impl Term {
    fn is_over(&self, clock: &SharedClock) -> bool {
        Instant::now() >= self.until || clock.now() >= self.on_the_wall
    }
}

impl Leadership {
    /// Leadership as `leads` shows it.
    pub fn new(leads: watch::Receiver<bool>) -> Self {
        Self { leads, office: None }
    }

    /// Of the only replica there is.
    pub fn always() -> Self {
        // A receiver keeps the last value after its sender is gone.
        Self::new(watch::channel(true).1)
    }

    /// Whether this replica leads now. Asked right before each write that only a leader may make: a lease that was not
    /// renewed is over by this replica's own clocks, whatever the rest of it is busy with.
    pub fn is_leader(&self) -> bool {
        let is_over = |office: &Office| office.term.borrow().is_none_or(|term| term.is_over(&office.clock));
        *self.leads.borrow() && !self.office.as_ref().is_some_and(is_over)
    }

    /// Waits until leadership is gained or lost; never returns where it is settled for good.
    pub async fn changed(&mut self) {
        if self.leads.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Stops leading at once, and lets another replica take over.
    pub fn resign(&self) {
        if let Some(office) = &self.office {
            office.resigns.send_replace(true);
        }
    }

    /// Waits until the lease is given up, for two seconds at most.
    pub async fn resigned(&self) {
        if let Some(office) = &self.office {
            let _ = timeout(RESIGN, office.resigns.closed()).await;
        }
    }
}
