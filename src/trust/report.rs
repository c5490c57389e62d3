//! [`Report`]: a refresh that reports itself, and all that the repository says (`inspect`).

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout_at};

use super::core::Core;
use super::entries::Full;
use super::entry::{Entry, Vouched};
use super::error::Refusal;
use super::fault;
use super::grant::Eyes;
use super::refresh::{MAX_RACES, Plan, too_many_races};
use super::source::{Grant, ImageName};
use super::warnings;
use crate::policy::{Demand, Reason};
use crate::tuf::{RoleName, TrustedRepository};

/// A repository to report on.
#[derive(Debug, Clone, Copy)]
pub struct ReportQuestion<'a> {
    /// Server, GUN, anchors, credentials and `maxStaleness`; the rest does not matter.
    pub demand: &'a Demand,
    /// The registry's host, whose token realm may see the credentials too.
    pub registry: &'a str,
    /// On whose behalf.
    pub grant: &'a Grant,
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

impl Core {
    pub(super) async fn report(&self, question: ReportQuestion<'_>) -> Result<Report, Refusal> {
        let entry = self
            .entries
            .entry(&question.demand.server, &question.demand.gun, &question.demand.anchors, self.moment())
            .map_err(|Full| {
                Refusal::unavailable(
                    Reason::TrustServerUnreachable,
                    "too many repositories are being looked up at once",
                )
            })?;
        timeout_at(question.deadline, self.report_on(&entry, question)).await.unwrap_or_else(|_| {
            let message = format!("{}: no answer before the deadline", question.demand.gun);
            Err(Refusal::unavailable(Reason::DeadlineExceeded, message))
        })
    }

    async fn report_on(&self, entry: &Arc<Entry>, question: ReportQuestion<'_>) -> Result<Report, Refusal> {
        self.recall(entry).await?;
        let eyes = Eyes::new(
            &question.demand.credentials,
            question.grant,
            ImageName { registry: question.registry, ..ImageName::of(&question.demand.gun) },
            &question.demand.server.token_realms,
        );
        let accessor = eyes.into();
        let plan = Plan { accessor: &accessor, wanted: None, needed: &[], fall_back: true, under: None };
        for _ in 0..MAX_RACES {
            let fetched = self.fetch(entry, &plan).await.map_err(|crash| crash.refusal)?;
            // Somebody waits: it is never void.
            let Some(fetched) = fetched else { continue };
            let repository = Arc::clone(&fetched.updated.repository);
            let now = self.clock.now();
            let mut report =
                Report { repository, now, clock_skew: self.config.clock_skew, warnings: Vec::new() };
            if let Some(error) = &fetched.updated.fell_back {
                let why = fault::refusal(error, &fetched.causes, &entry.state_key);
                let vouched = entry.served().and_then(|served| served.vouched);
                self.check_staleness(entry, question.demand, vouched, &why)?;
                let vouched = vouched.map(|vouched| vouched.at());
                report.warnings.push(warnings::old_data(vouched, &why.to_string()));
                return Ok(report);
            }
            if self.commit(entry, &plan, fetched, true).await? {
                return Ok(report);
            }
        }
        Err(too_many_races(entry))
    }

    /// Our own disk serves within `maxStaleness`; a seed, whose age nobody knows, until it expires.
    fn check_staleness(
        &self,
        entry: &Entry,
        demand: &Demand,
        vouched: Option<Vouched>,
        cause: &Refusal,
    ) -> Result<(), Refusal> {
        let Some(vouched) = vouched else { return Ok(()) };
        let (at, bound) = (vouched.at(), demand.freshness.max_staleness);
        if vouched.age(&self.moment()) <= bound {
            return Ok(());
        }
        let (gun, server) = (&entry.state_key.gun, &entry.state_key.server);
        let message = format!(
            "{gun} at {server}: trust data was last confirmed at {at}, more than {bound:#} ago; it cannot be refreshed: \
             {cause}"
        );
        Err(Refusal::unavailable(Reason::TooStale, message))
    }
}
