//! One round of a warm-up: each repository has its turn at its trust server, and a server that is down is found out soon.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, timeout};

use super::super::core::Waited;
use super::super::entry::{Entry, Vouched};
use super::super::error::Refusal;
use super::super::flight::{FlightKey, Ticket};
use super::super::grant::Accessor;
use super::{Cold, Warming, is_trusted, next};
use crate::policy::Reason;

/// So many are revalidated at once on one trust server: a few of its connections, so that who asks has the others. After as
/// many failures in a row the server counts as down.
const AT_ONCE: usize = 8;

/// What is not warm yet, by trust server.
pub(super) type Servers = BTreeMap<String, VecDeque<Arc<Cold>>>;

/// What a failed try says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// There was no answer of the trust server.
    NoAnswer,
    /// There was none of the state: that says nothing about the trust server, which may not even have been asked.
    NoState,
    /// It cannot be had. To try again soon would not help.
    Final,
}

impl Warming<'_> {
    /// Tries what is left once, each server's apart: one that is down or slow takes no turn from the others.
    pub(super) async fn round(&self, servers: &mut Servers) {
        let rounds = std::mem::take(servers).into_iter().map(|(server, cold)| async {
            let (left, _) = self.round_of_one(cold).await;
            (server, left)
        });
        let left = join_all(rounds).await.into_iter().filter(|(_, left)| !left.is_empty());
        servers.extend(left);
    }

    /// The same once and for all, and no longer than `limit`. Which servers gave no answer, or were not done by then.
    pub(super) async fn only_round(&self, servers: Servers, limit: Duration) -> BTreeSet<String> {
        let rounds = servers.into_iter().map(|(server, cold)| async {
            let done = timeout(limit, self.round_of_one(cold)).await;
            let has_answered = done.is_ok_and(|(_, has_answered)| has_answered);
            (!has_answered).then_some(server)
        });
        join_all(rounds).await.into_iter().flatten().collect()
    }

    /// What is to be tried again, and whether the server is not silent: it said something, or was asked nothing.
    async fn round_of_one(&self, cold: VecDeque<Arc<Cold>>) -> (VecDeque<Arc<Cold>>, bool) {
        let (queue, failed) = (Mutex::new(cold), Mutex::new(Vec::new()));
        let (in_a_row, has_answered) = (AtomicUsize::new(0), AtomicBool::new(false));
        let has_failed = AtomicBool::new(false);
        let revalidate = || async {
            while in_a_row.load(Ordering::Relaxed) < AT_ONCE
                && let Some(cold) = next(&queue)
            {
                let tried = self.revalidate(&cold).await;
                self.count(&tried, &cold);
                let failure = tried.as_ref().err().map(Failure::of);
                if matches!(failure, Some(Failure::NoAnswer | Failure::NoState)) {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).push(cold);
                }
                match (failure, tried) {
                    (Some(Failure::NoAnswer), _) => {
                        in_a_row.fetch_add(1, Ordering::Relaxed);
                        has_failed.store(true, Ordering::Relaxed);
                        if !has_answered.load(Ordering::Relaxed) {
                            // One timeout is enough to wait for a server that says nothing at all.
                            return;
                        }
                    }
                    // Nobody asked it.
                    (Some(Failure::NoState), _) | (None, Ok(false)) => {}
                    (Some(Failure::Final) | None, _) => {
                        has_answered.store(true, Ordering::Relaxed);
                        in_a_row.store(0, Ordering::Relaxed);
                    }
                }
            }
        };
        join_all((0..AT_ONCE).map(|_| revalidate())).await;
        let mut left = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
        left.extend(failed.into_inner().unwrap_or_else(PoisonError::into_inner));
        (left, has_answered.into_inner() || !has_failed.into_inner())
    }

    /// `false`: it is left to who asks. What one accessor may not read, another one may: each is tried, and one suffices.
    async fn revalidate(&self, cold: &Cold) -> Result<bool, Refusal> {
        let (core, entry) = (self.core, &cold.entry);
        self.look(cold).await;
        core.recall_behind(entry).await?;
        // What is reset from here on is left to who asks as well.
        let resets = entry.resets();
        let mut accessors = cold.accessors.clone();
        if accessors.is_empty() {
            // As `maintain` does: whoever was let in last, says the disk.
            accessors.extend(entry.grants.latest());
        }
        if !is_trusted(entry) || accessors.is_empty() {
            return Ok(false);
        }
        let (mut is_had, mut failed) = (false, None);
        for accessor in accessors {
            if self.is_warm(entry, &accessor) {
                is_had = true;
                continue;
            }
            let _place = core.background.place(&entry.state_key.server).await;
            // Whatever becomes of the record meanwhile, no first use is made here.
            let key = FlightKey { accessor, pin: !entry.is_first_use() };
            // Nobody's roles: each is done without if it fails.
            let ticket = Ticket { key, roles: Vec::new(), not_before: None, under: Some(resets) };
            // A refresh ends by itself before that.
            let deadline = Instant::now() + core.config.refresh_timeout.saturating_mul(2);
            match core.refresh(entry, &ticket, deadline, None).await {
                // It was reset meanwhile, or by whoever else was fetching.
                Ok(()) if !is_trusted(entry) => return Ok(false),
                Ok(()) => is_had = true,
                Err(Waited::Failed(refusal)) => {
                    failed.get_or_insert(refusal);
                }
                Err(Waited::TooLong) => {
                    let (gun, server) = (&entry.state_key.gun, &entry.state_key.server);
                    let message = format!("{gun} at {server}: no answer");
                    failed.get_or_insert(Refusal::unavailable(Reason::TrustServerUnreachable, message));
                }
            }
        }
        match failed {
            Some(refusal) if !is_had => Err(refusal),
            _ => Ok(true),
        }
    }

    /// Whether somebody refreshed it meanwhile.
    fn is_warm(&self, entry: &Entry, accessor: &Accessor) -> bool {
        let served = entry.served().filter(|served| served.pinned);
        let vouched = served.and_then(|served| served.vouched);
        matches!(vouched, Some(Vouched::Here(sent)) if sent.order > self.started.order)
            && entry.grants.at(&accessor.eyes()).is_some()
    }

    fn count(&self, tried: &Result<bool, Refusal>, cold: &Cold) {
        let had_failed = cold.has_failed.swap(tried.is_err(), Ordering::Relaxed);
        self.told.send_modify(|warmth| {
            warmth.failed -= usize::from(had_failed);
            match tried {
                Ok(true) => warmth.revalidated += 1,
                Ok(false) => warmth.left += 1,
                Err(_) => warmth.failed += 1,
            }
        });
    }
}

impl Failure {
    fn of(refusal: &Refusal) -> Self {
        match refusal.reason() {
            Reason::TrustServerUnreachable => Self::NoAnswer,
            Reason::StateUnavailable => Self::NoState,
            _ => Self::Final,
        }
    }
}
