//! Refreshes as tasks of their own: one for all who ask alike, which outlives whoever asked for it.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::cell::Cell;
use super::contents::Failing;
use super::core::Core;
use super::decide::Failure;
use super::in_flight::{FailureScope, Join, RefreshKey, RefreshRequest, RefreshResult};
use super::incomplete::{Incomplete, RefreshError};
use super::refresh;
use crate::policy::Reason;
use crate::resolution::Refusal;

/// Refreshes a repository, together with all who ask alike. Waits until `deadline`, and no longer than `patience` from
/// the refresh's start. Where the repository is reset meanwhile, the refresh ends with nothing done: whoever waits looks
/// whether the cell was replaced, and asks again.
pub(super) async fn refresh(
    core: &Arc<Core>,
    cell: &Arc<Cell>,
    request: &RefreshRequest,
    deadline: Instant,
    patience: Option<Duration>,
) -> Result<(), Failure> {
    let mut patience_ends = patience.map(|patience| Instant::now() + patience);
    loop {
        let until = patience_ends.map_or(deadline, |ends| ends.min(deadline));
        match join(core, cell, request) {
            Join::Failed(refusal) => return Err(Failure::Failed(refusal)),
            Join::Start(sender, result) => {
                start(core, cell, request, sender);
                return ended(result, until).await;
            }
            Join::Joined { started, result } => {
                patience_ends = patience.map(|patience| started + patience);
                let until = patience_ends.map_or(deadline, |ends| ends.min(deadline));
                return ended(result, until).await;
            }
            Join::Behind(result) => {
                if let Err(Failure::TooLong) = ended(result, until).await {
                    return Err(Failure::TooLong);
                }
            }
            Join::After(wait) => {
                let then = Instant::now() + wait;
                if then > until {
                    return Err(Failure::TooLong);
                }
                tokio::time::sleep_until(then).await;
            }
        }
    }
}

/// Starts a refresh that nobody waits for, where one may start.
pub(super) fn start_behind(
    core: &Arc<Core>,
    cell: &Arc<Cell>,
    request: &RefreshRequest,
) -> Option<watch::Receiver<Option<RefreshResult>>> {
    let place = core.background.try_place(&cell.state_key.server)?;
    let Join::Start(sender, result) = join(core, cell, request) else { return None };
    start(core, cell, request, sender);
    let mut ends = result.clone();
    tokio::spawn(async move {
        let _place = place;
        // An error is the end of the refresh as well.
        let _ = ends.wait_for(Option::is_some).await;
    });
    Some(result)
}

fn join(core: &Core, cell: &Cell, request: &RefreshRequest) -> Join {
    cell.in_flight.lock().unwrap_or_else(PoisonError::into_inner).join(request, core.moment())
}

/// Runs a refresh as a task of its own.
fn start(
    core: &Arc<Core>,
    cell: &Arc<Cell>,
    request: &RefreshRequest,
    sender: watch::Sender<Option<RefreshResult>>,
) {
    let (core, cell) = (Arc::clone(core), Arc::clone(cell));
    let mut running = Running { core, cell, key: request.key.clone(), is_over: false };
    let request = request.clone();
    tokio::spawn(async move {
        let refresh = refresh::run(&running.core, &running.cell, &request);
        let outcome = tokio::time::timeout(running.core.config.refresh_timeout, refresh).await;
        let outcome = outcome.unwrap_or_else(|_| Err(running.took_too_long().into()));
        let result = running.end(outcome);
        sender.send_replace(Some(result));
    });
}

/// A refresh under way. However its task ends, the cell learns of it.
struct Running {
    core: Arc<Core>,
    cell: Arc<Cell>,
    key: RefreshKey,
    is_over: bool,
}

impl Running {
    fn end(&mut self, outcome: Result<(), Incomplete>) -> RefreshResult {
        self.is_over = true;
        let error = match outcome {
            // Whatever came of it is of the record that was reset.
            _ if self.cell.is_replaced() => None,
            Err(Incomplete::Replaced) => None,
            Ok(()) => {
                note_success(&self.cell);
                self.core.metrics.refreshed(Ok(()));
                None
            }
            Err(Incomplete::Failed(error)) => {
                note_failure(&self.core, &self.cell, &self.key, &error);
                self.core.metrics.refreshed(Err(error.refusal.reason().as_str()));
                Some(error)
            }
        };
        let (result, scope): (RefreshResult, _) = match error {
            None => (Ok(()), FailureScope::default()),
            Some(RefreshError { refusal, role, is_passing, .. }) => {
                (Err(refusal), FailureScope { role, is_passing })
            }
        };
        let mut in_flight = self.cell.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight.end(&self.key, &result, scope, self.core.moment());
        result
    }

    fn took_too_long(&self) -> Refusal {
        let (key, timeout) = (&self.cell.state_key, self.core.config.refresh_timeout);
        Refusal::unavailable(
            Reason::TrustServerUnreachable,
            format!("{} at {}: the refresh took longer than {timeout:?}", key.gun, key.server),
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            let interrupted = Refusal::unavailable(
                Reason::TrustServerUnreachable,
                format!("{}: the refresh was interrupted; try again", self.cell.state_key.gun),
            );
            let _ = self.end(Err(interrupted.into()));
        }
    }
}

fn note_success(cell: &Cell) {
    let Some(failing) = cell.contents().failing.clone() else { return };
    if cell.change(|contents| contents.failing = None) {
        tracing::info!(gun = %cell.key.gun, server = %cell.state_key.server, since = %failing.since,
            "trust data is fresh again");
    }
}

/// Takes note of a failure: for conditions and logs, and for the permission that it was made with.
fn note_failure(core: &Core, cell: &Cell, key: &RefreshKey, error: &RefreshError) {
    if key.requester.is_tenant() && concerns_one_tenant(cell, key, error) {
        return;
    }
    let (now, refusal) = (core.clock.now(), &error.refusal);
    let before = cell.contents().failing.clone();
    if before.as_ref().is_none_or(|before| before.refusal.reason() != refusal.reason()) {
        tracing::warn!(gun = %cell.key.gun, server = %cell.state_key.server, reason = %refusal.reason(),
            "trust data could not be refreshed: {}", refusal.message());
    }
    let since = before.map_or(now, |before| before.since);
    let failing = Failing { refusal: refusal.clone(), role: error.role.clone(), since, last: now };
    cell.change(|contents| contents.failing = Some(Arc::new(failing)));
}

/// Whether a tenant's failed refresh is its own affair. The server's refusal ends the tenant's permission at once; that its
/// credentials could not be read says nothing about what it may read, and neither is a failure of the repository.
fn concerns_one_tenant(cell: &Cell, key: &RefreshKey, error: &RefreshError) -> bool {
    let unauthorized = error.refusal.reason() == Reason::Unauthorized;
    match (unauthorized, error.about_access) {
        (true, true) => cell.change(|contents| contents.permissions.end(&key.requester)),
        (true, false) => cell.change(|contents| contents.permissions.doubt(&key.requester)),
        // A server that hides the repository from who was never let in; from others it is the server's fault.
        (false, about_access) => {
            return about_access && cell.contents().permissions.at(&key.requester.borrowed()).is_none();
        }
    };
    true
}

async fn ended(mut result: watch::Receiver<Option<RefreshResult>>, until: Instant) -> Result<(), Failure> {
    let Ok(waited) = timeout_at(until, result.wait_for(Option::is_some)).await else {
        return Err(Failure::TooLong);
    };
    match waited.as_deref() {
        Ok(Some(Ok(()))) => Ok(()),
        Ok(Some(Err(refusal))) => Err(Failure::Failed(refusal.clone())),
        // The task is gone without a word: it panicked, or the runtime shuts down.
        Ok(None) | Err(_) => Err(Failure::Failed(Refusal::unavailable(
            Reason::TrustServerUnreachable,
            "the refresh was interrupted; try again",
        ))),
    }
}
