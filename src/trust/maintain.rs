//! Keeping repositories fresh behind everybody's back (design §4 "Cache").

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::cell::Cell;
use super::contents::{Contents, Failing};
use super::core::Core;
use super::decide::is_due;
use super::in_flight::{RefreshRequest, RefreshResult};
use super::moment::Moment;
use super::refreshing;
use super::usage::Usage;
use crate::limits::{BACKGROUND_APART, BACKGROUND_OF_NAMESPACE};
use crate::policy::PolicySet;

/// How often it is looked what is due.
const ROUND: Duration = Duration::from_secs(1);

/// A refresh that failed is not tried again, if nobody asks, before this is over.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// One whose last refresh failed is looked at again even if it is not due: its condition must not speak of a trouble that is
/// over. After half the time that the trouble lasted, and this at the latest;
const RECHECK_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// once a tenth of that time is longer, after a tenth: a server that is down for hours is not asked once a minute for each of
/// ten thousand repositories. But after this at the latest, and each `maxStaleness`/4.
const RECHECK_AT_LEAST: SignedDuration = SignedDuration::from_hours(1);

/// How far apart refreshes are that are on one namespace's account.
const APART: SignedDuration = SignedDuration::from_secs(BACKGROUND_APART.cast_signed());

/// The refreshes that one round started.
#[derive(Debug)]
pub struct Maintenance(Vec<watch::Receiver<Option<RefreshResult>>>);

impl Maintenance {
    /// How many there are.
    pub fn started(&self) -> usize {
        self.0.len()
    }

    /// Waits until all of them are over, however they end.
    pub async fn finished(self) {
        for mut result in self.0 {
            // An error is the end of the refresh as well.
            let _ = result.wait_for(Option::is_some).await;
        }
    }
}

/// Keeps the repositories in use fresh, for ever.
pub(super) async fn maintain(core: &Arc<Core>) {
    loop {
        tokio::time::sleep(ROUND).await;
        maintain_once(core, core.clock.now());
        core.older_files.drop_expired().await;
    }
}

/// Starts the refreshes that are due at `now`.
pub(super) fn maintain_once(core: &Arc<Core>, now: Timestamp) -> Maintenance {
    let now = Moment::at(now);
    let mut accounts = Accounts::default();
    let started = core.repositories.all().into_iter().filter_map(|cell| {
        let requester = {
            let contents = cell.contents();
            if !is_due_in_background(&contents, &cell.usage, &now)
                || !accounts.may_have(&cell, &contents, &now)
            {
                return None;
            }
            // On behalf of whoever was let in last.
            contents.permissions.latest()?
        };
        // Nobody's roles: each is done without if it fails.
        let request = RefreshRequest::in_background(requester, true);
        refreshing::start_behind(core, &cell, &request)
    });
    Maintenance(started.collect())
}

/// Forgets which policies lead to repositories where `policies` do not have them any more, or they lead elsewhere.
pub(super) fn keep_to(core: &Core, policies: &PolicySet) {
    for cell in core.repositories.all() {
        cell.usage.keep(|policy, image| match image.and_then(|image| policies.demand_of(policy, image)) {
            Some(demand) => cell.key.answers(&demand),
            None => policies.has(policy),
        });
    }
}

/// How many refreshes of one round are on the account of which namespace, by trust server.
#[derive(Debug, Default)]
struct Accounts(HashMap<(String, String), usize>);

impl Accounts {
    /// Whether a repository may be refreshed in this round: one to which only policies of one namespace lead is on that
    /// namespace's account.
    fn may_have(&mut self, cell: &Cell, contents: &Contents, now: &Moment) -> bool {
        let Some(namespace) = cell.usage.only_namespace() else { return true };
        let vouched = contents.pinned().and_then(|served| served.vouched);
        if vouched.is_some_and(|vouched| vouched.age(now) < APART) {
            return false;
        }
        let started = self.0.entry((namespace, cell.state_key.server.clone())).or_default();
        *started += 1;
        *started <= BACKGROUND_OF_NAMESPACE
    }
}

/// Whether a refresh is due: ahead of admissions for what is in use, each `maxStaleness`/4 for what was used within
/// 30 days, so that a short outage finds them all fresh.
fn is_due_in_background(contents: &Contents, usage: &Usage, now: &Moment) -> bool {
    let Some(vouched) = contents.pinned().and_then(|served| served.vouched) else { return false };
    let age = vouched.age(now);
    // Where no policy leads any more, nobody needs it fresh.
    let Some(freshness) = usage.freshness() else { return false };
    let is_busy = usage.unused(now.wall) <= freshness.revalidate_after.saturating_mul(2);
    let is_wanted_now = is_busy && is_due(age, freshness.revalidate_after);
    let is_in_use = usage.is_in_use(now.wall);
    let Some(failing) = contents.failing.as_ref() else {
        return is_wanted_now || (is_in_use && age >= freshness.max_staleness / 4);
    };
    let failed = now.wall.duration_since(failing.last);
    let over = |pause| failed.is_negative() || failed >= pause;
    (is_wanted_now && over(RETRY_AFTER)) || (is_in_use && over(recheck(failing, freshness.max_staleness)))
}

/// How long after the last failure it is looked whether it is over, if nobody asks.
fn recheck(failing: &Failing, max_staleness: SignedDuration) -> SignedDuration {
    let lasted = failing.last.duration_since(failing.since);
    let most = RECHECK_AT_LEAST.min(max_staleness / 4).max(RECHECK_AFTER);
    (lasted / 2).clamp(RETRY_AFTER, RECHECK_AFTER).max((lasted / 10).min(most))
}
