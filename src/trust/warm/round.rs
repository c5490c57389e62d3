//! One round of a warm-up: each repository has its turn at its trust server, and a server that is down is found out soon.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, timeout};

use super::{Cold, Warming, is_trusted, next};
use crate::policy::Reason;
use crate::resolution::Refusal;
use crate::source::Requester;
use crate::trust::cell::Cell;
use crate::trust::in_flight::RefreshRequest;
use crate::trust::{decide, load, refreshing};

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

    /// `false`: it is left to who asks. What one requester may not read, another one may: each is tried, and one suffices.
    async fn revalidate(&self, cold: &Cold) -> Result<bool, Refusal> {
        let (core, cell) = (self.core, &cold.cell);
        self.look(cold).await;
        load::load_behind(core, cell).await?;
        let mut requesters = cold.requesters.clone();
        if requesters.is_empty() {
            // As `maintain` does: whoever was let in last, says the disk.
            requesters.extend(cell.contents().permissions.latest());
        }
        // What is reset is left to who asks as well: the cell is empty then.
        if !is_trusted(cell) || requesters.is_empty() {
            return Ok(false);
        }
        let (mut is_had, mut failed) = (false, None);
        for requester in requesters {
            if self.is_warm(cell, &requester) {
                is_had = true;
                continue;
            }
            let _place = core.background.place(&cell.state_key.server).await;
            // Whatever becomes of the record meanwhile, no first use is made here.
            let request = RefreshRequest::in_background(requester, !cell.key.is_first_use());
            // A refresh ends by itself before that.
            let deadline = Instant::now() + core.config.refresh_timeout.saturating_mul(2);
            match refreshing::refresh(core, cell, &request, deadline, None).await {
                // It was reset meanwhile, or by whoever else was fetching.
                Ok(()) if !is_trusted(cell) => return Ok(false),
                Ok(()) => is_had = true,
                Err(decide::Failure::Failed(refusal)) => {
                    failed.get_or_insert(refusal);
                }
                Err(decide::Failure::TooLong) => {
                    let (gun, server) = (&cell.state_key.gun, &cell.state_key.server);
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
    fn is_warm(&self, cell: &Cell, requester: &Requester) -> bool {
        let contents = cell.contents();
        let vouched = contents.pinned().and_then(|served| served.vouched);
        vouched.is_some_and(|vouched| vouched.is_after(&self.started))
            && contents.permissions.at(&requester.borrowed()).is_some()
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
