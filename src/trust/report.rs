//! [`Report`]: a refresh that reports itself, and all that the repository says (`inspect`).

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout_at};

use super::cell::Cell;
use super::commit::commit;
use super::core::Core;
use super::incomplete::Incomplete;
use super::plan::Plan;
use super::refresh::{fetch, too_many_races};
use super::served::Vouched;
use super::{load, warnings};
use crate::limits::RACES;
use crate::policy::{Demand, Reason};
use crate::resolution::fault::Causes;
use crate::resolution::{Refusal, fault};
use crate::source::{ImageName, PodIdentity, RequesterRef, SourceError};
use crate::tuf::{RoleName, TrustedRepository, TufError};

/// A repository to report on.
#[derive(Debug, Clone, Copy)]
pub struct ReportQuestion<'a> {
    /// Server, GUN, anchors, credentials and `maxStaleness`; the rest does not matter.
    pub demand: &'a Demand,
    /// The registry's host, whose token realm may see the credentials too.
    pub registry: &'a str,
    /// On whose behalf.
    pub pod: &'a PodIdentity,
    /// When the caller wants its answer.
    pub deadline: Instant,
}

/// What a repository says, every role included.
#[derive(Debug, Clone)]
pub struct Report {
    /// The verified set.
    pub repository: Arc<TrustedRepository>,
    /// The time of the judgement: what [`TrustedRepository::roles`] and [`TrustedRepository::unusable`] are asked with.
    pub now: Timestamp,
    /// The tolerance that goes with it.
    pub clock_skew: SignedDuration,
    /// That the timestamp was not to be had, and what is used instead.
    pub warnings: Vec<String>,
}

impl Report {
    /// Every delegation that its publisher left unusable, with its own reason (`Expired`, `ThresholdNotMet`,
    /// `InvalidSignature`, `DelegationMissing`) and a message.
    pub fn unusable(&self) -> Vec<(RoleName, Reason, String)> {
        let unusable = self.repository.unusable(self.now, self.clock_skew).into_iter();
        unusable.map(|(role, problem)| (role, fault::of_role(&problem), problem.to_string())).collect()
    }
}

/// Refreshes a repository and hands out what it says. Reports the refresh itself: a server at fault fails it even where
/// older data is at hand.
pub(super) async fn report(core: &Core, question: ReportQuestion<'_>) -> Result<Report, Refusal> {
    timeout_at(question.deadline, report_on(core, question)).await.unwrap_or_else(|_| {
        let message = format!("{}: no answer before the deadline", question.demand.gun);
        Err(Refusal::unavailable(Reason::DeadlineExceeded, message))
    })
}

async fn report_on(core: &Core, question: ReportQuestion<'_>) -> Result<Report, Refusal> {
    let requester = RequesterRef::new(
        &question.demand.credentials,
        question.pod,
        ImageName { registry: question.registry, ..ImageName::of(&question.demand.gun) },
        &question.demand.server.token_realms,
    );
    let requester = requester.into();
    let plan = Plan { requester: &requester, wanted: None, needed: &[], fall_back: true };
    for _ in 0..RACES {
        let cell = core.repositories.cell(question.demand, core.moment()).map_err(|_| {
            let message = "too many repositories are being looked up at once";
            Refusal::unavailable(Reason::TrustServerUnreachable, message)
        })?;
        match attempt(core, &cell, question.demand, &plan).await {
            Ok(Some(report)) => return Ok(report),
            Ok(None) | Err(Incomplete::Replaced) => {}
            Err(Incomplete::Failed(error)) => return Err(error.refusal),
        }
    }
    Err(too_many_races(&question.demand.gun))
}

/// `None`: another replica pinned another root first.
async fn attempt(
    core: &Core,
    cell: &Arc<Cell>,
    demand: &Demand,
    plan: &Plan<'_>,
) -> Result<Option<Report>, Incomplete> {
    load::load(core, cell).await?;
    let fetched = fetch(core, cell, plan).await?;
    let repository = Arc::clone(&fetched.updated.repository);
    let (now, clock_skew) = (core.clock.now(), core.config.clock_skew);
    let mut report = Report { repository, now, clock_skew, warnings: Vec::new() };
    if let Some(error) = &fetched.updated.fell_back {
        let why = fault::refusal(error, &fetched.causes, &cell.state_key);
        if is_no(error, &fetched.causes) {
            return Err(why.into());
        }
        let vouched = cell.contents().served.as_ref().and_then(|served| served.vouched);
        check_staleness(core, cell, demand, vouched, &why)?;
        let vouched = vouched.map(|vouched| vouched.at());
        report.warnings.push(warnings::old_data(vouched, &why.to_string()));
        return Ok(Some(report));
    }
    Ok(commit(core, cell, plan, fetched, true).await?.then_some(report))
}

/// Whether a server answered that it does not say, or that it is not the one: older data would only hide that.
fn is_no(error: &TufError, causes: &Causes) -> bool {
    let TufError::Unreachable { file } = error else { return false };
    matches!(causes.of(file), Some(SourceError::Unauthorized { .. } | SourceError::Elsewhere { .. }))
}

/// Our own disk serves within `maxStaleness`; a seed, whose age nobody knows, until it expires.
fn check_staleness(
    core: &Core,
    cell: &Cell,
    demand: &Demand,
    vouched: Option<Vouched>,
    cause: &Refusal,
) -> Result<(), Refusal> {
    let Some(vouched) = vouched else { return Ok(()) };
    let (at, bound) = (vouched.at(), demand.freshness.max_staleness);
    if vouched.age(&core.moment()) <= bound {
        return Ok(());
    }
    let (gun, server) = (&cell.state_key.gun, &cell.state_key.server);
    let message = format!(
        "{gun} at {server}: trust data was last confirmed at {at}, more than {bound:#} ago; it cannot be refreshed: \
         {cause}"
    );
    Err(Refusal::unavailable(Reason::TooStale, message))
}
