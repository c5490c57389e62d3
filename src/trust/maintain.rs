//! Keeping repositories fresh behind everybody's back (design §4 "Cache").

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::answer::is_due;
use super::core::Core;
use super::entry::Entry;
use super::flight::{FlightKey, Landing, Ticket};
use super::moment::Moment;

/// How often it is looked what is due.
const ROUND: Duration = Duration::from_secs(1);

/// Repositories that nobody asked for in this time are left alone.
const IN_USE: SignedDuration = SignedDuration::from_hours(24 * 30);

/// A refresh that failed is not tried again, if nobody asks, before this is over.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// One whose last refresh failed is looked at again after this at the latest, even if it is not due: its condition must not
/// speak of a trouble that is over. A trouble that is young is looked at sooner, after half the time that it lasted.
const RECHECK_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// The refreshes that one round started.
#[derive(Debug)]
pub struct Maintenance(Vec<watch::Receiver<Option<Landing>>>);

impl Maintenance {
    /// How many there are.
    pub fn started(&self) -> usize {
        self.0.len()
    }

    /// Waits until all of them are over, however they end.
    pub async fn finished(self) {
        for mut landing in self.0 {
            // An error is the end of the refresh as well.
            let _ = landing.wait_for(Option::is_some).await;
        }
    }
}

impl Core {
    pub(super) async fn maintain(self: &Arc<Self>) {
        loop {
            tokio::time::sleep(ROUND).await;
            self.maintain_once(self.clock.now());
        }
    }

    pub(super) fn maintain_once(self: &Arc<Self>, now: Timestamp) -> Maintenance {
        let now = Moment::at(now);
        let due = self.entries.all().into_iter().filter(|entry| entry.is_due(&now));
        let started = due.filter_map(|entry| {
            // Whose eyes: whoever was let in last. Nobody's roles: each is done without if it fails.
            let key = FlightKey { accessor: entry.grants.latest()?, pin: true };
            self.refresh_behind(&entry, &Ticket { key, roles: Vec::new(), not_before: None })
        });
        Maintenance(started.collect())
    }
}

impl Entry {
    /// Whether a refresh is due: ahead of admissions for what is in use, each `maxStaleness`/4 for what was used within
    /// 30 days, so that a short outage finds them all fresh.
    fn is_due(&self, now: &Moment) -> bool {
        let Some(vouched) = self.served().filter(|served| served.pinned).and_then(|served| served.vouched)
        else {
            return false;
        };
        let age = vouched.age(now);
        let freshness = self.freshness();
        let is_busy = self.unused(now.wall) <= freshness.revalidate_after.saturating_mul(2);
        let is_wanted = (is_busy && is_due(age, freshness.revalidate_after))
            || (is_in_use(self, now.wall) && age >= freshness.max_staleness / 4);
        let trouble = self.trouble.load();
        let Some(trouble) = trouble.as_ref() else { return is_wanted };
        let failed = now.wall.duration_since(trouble.last);
        let recheck = (trouble.last.duration_since(trouble.since) / 2).clamp(RETRY_AFTER, RECHECK_AFTER);
        let over = |pause| failed.is_negative() || failed >= pause;
        (is_wanted && over(RETRY_AFTER)) || (is_in_use(self, now.wall) && over(recheck))
    }

    fn unused(&self, now: Timestamp) -> SignedDuration {
        SignedDuration::from_secs(now.as_second().saturating_sub(self.last_used()))
    }
}

/// Whether anybody asked for it within 30 days.
pub(super) fn is_in_use(entry: &Entry, now: Timestamp) -> bool {
    entry.unused(now) <= IN_USE
}
