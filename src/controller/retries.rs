//! [`Retries`]: when statuses that could not be written are tried again.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::backoff::Backoff;
use crate::policy::PolicyId;

/// The pause before statuses that could not be written are tried again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Why it is looked what is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// Policies changed.
    Policies,
    /// What failed is due again.
    Retry,
    /// It is time to look at trust data.
    Tick,
}

/// What could not be written, and until when it is left alone.
#[derive(Debug)]
pub(super) struct Retries {
    failed: BTreeSet<PolicyId>,
    until: Option<Pin<Box<Sleep>>>,
    backoff: Backoff,
}

impl Default for Retries {
    fn default() -> Self {
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        Self { failed: BTreeSet::new(), until: None, backoff }
    }
}

impl Retries {
    /// Resolves when what failed is to be tried again; never where nothing failed.
    pub(super) async fn over(&mut self) {
        match &mut self.until {
            Some(until) => until.await,
            None => std::future::pending().await,
        }
    }

    /// Whether the policy's status may be tried now: trust data does not hurry what failed a moment ago.
    pub(super) fn lets(&self, wake: Wake, policy: &PolicyId) -> bool {
        wake != Wake::Tick || !self.failed.contains(policy)
    }

    /// Takes note of what could not be written.
    pub(super) fn note(&mut self, wake: Wake, failed: Vec<PolicyId>) {
        match wake {
            Wake::Policies => *self = Self::default(),
            Wake::Retry => {
                self.failed.clear();
                self.until = None;
            }
            Wake::Tick => {}
        }
        self.failed.extend(failed);
        if self.failed.is_empty() {
            *self = Self::default();
        } else if self.until.is_none() {
            self.until = Some(Box::pin(sleep(self.backoff.next_pause())));
        }
    }
}
