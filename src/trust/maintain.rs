//! Keeping repositories fresh behind everybody's back (design §4 "Cache").

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::answer::is_due;
use super::core::Core;
use super::entry::{Entry, Trouble};
use super::flight::{FlightKey, Landing, Ticket};
use super::moment::Moment;

/// How often it is looked what is due.
const ROUND: Duration = Duration::from_secs(1);

/// Repositories that nobody asked for in this time are left alone.
pub const IN_USE: SignedDuration = SignedDuration::from_hours(24 * 30);

/// A refresh that failed is not tried again, if nobody asks, before this is over.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// One whose last refresh failed is looked at again even if it is not due: its condition must not speak of a trouble that is
/// over. After half the time that the trouble lasted, and this at the latest;
const RECHECK_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// once a tenth of that time is longer, after a tenth: a server that is down for hours is not asked once a minute for each of
/// ten thousand repositories. But after this at the latest, and each `maxStaleness`/4.
const RECHECK_AT_LEAST: SignedDuration = SignedDuration::from_hours(1);

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
        let started = self.entries.all().into_iter().filter_map(|entry| {
            // What is reset from here on is left to who asks for it: an admin's reset is not undone without a pod.
            let under = Some(entry.resets());
            if !entry.is_due(&now) {
                return None;
            }
            // Whose eyes: whoever was let in last. Nobody's roles: each is done without if it fails.
            let key = FlightKey { accessor: entry.grants.latest()?, pin: true };
            self.refresh_behind(&entry, &Ticket { key, roles: Vec::new(), not_before: None, under })
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
        let is_wanted_now = is_busy && is_due(age, freshness.revalidate_after);
        let is_in_use = is_in_use(self, now.wall);
        let trouble = self.trouble.load();
        let Some(trouble) = trouble.as_ref() else {
            return is_wanted_now || (is_in_use && age >= freshness.max_staleness / 4);
        };
        let failed = now.wall.duration_since(trouble.last);
        let over = |pause| failed.is_negative() || failed >= pause;
        (is_wanted_now && over(RETRY_AFTER)) || (is_in_use && over(trouble.recheck(freshness.max_staleness)))
    }

    fn unused(&self, now: Timestamp) -> SignedDuration {
        SignedDuration::from_secs(now.as_second().saturating_sub(self.last_used()))
    }
}

impl Trouble {
    /// How long after the last failure it is looked whether it is over, if nobody asks.
    fn recheck(&self, max_staleness: SignedDuration) -> SignedDuration {
        let lasted = self.last.duration_since(self.since);
        let most = RECHECK_AT_LEAST.min(max_staleness / 4).max(RECHECK_AFTER);
        (lasted / 2).clamp(RETRY_AFTER, RECHECK_AFTER).max((lasted / 10).min(most))
    }
}

/// Whether anybody asked for it within 30 days.
pub(super) fn is_in_use(entry: &Entry, now: Timestamp) -> bool {
    entry.unused(now) <= IN_USE
}
