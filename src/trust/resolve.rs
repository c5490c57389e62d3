//! Answers one question: asks [`decide`] what is needed, satisfies that, and asks again.

use std::sync::Arc;

use tokio::time::timeout_at;

use super::cell::Cell;
use super::core::Core;
use super::decide::{Answer, Decision, Failure, Inquiry, Need, Progress, decide};
use super::in_flight::{RefreshKey, RefreshRequest};
use super::moment::Moment;
use super::per_server::Places;
use super::question::{Question, Resolved};
use super::table::Full;
use super::{known, load, read_older, refreshing};
use crate::limits::{OLDER_FILE_BATCHES, REFRESHES_OF_ONE_QUESTION};
use crate::policy::{Demand, Reason};
use crate::resolution::{Refusal, passes_unchecked, roles_of, tag_of};
use crate::source::Requester;

/// Answers from verified data; fetches, revalidates and waits only where the data at hand does not suffice.
pub(super) async fn resolve(core: &Arc<Core>, question: &Question<'_>) -> Result<Resolved, Refusal> {
    if passes_unchecked(question.demand, question.image) {
        return Ok(Resolved { signed: None, warnings: Vec::new() });
    }
    let mut asking = Asking {
        core,
        question,
        asked: core.moment(),
        progress: Progress::default(),
        refreshes: 0,
        place: None,
    };
    let answer = asking.answer().await;
    core.metrics.looked_up(asking.refreshes == 0);
    if let Ok(Answer { is_stale: true, result: Ok(_), .. }) = answer {
        core.metrics.stale_answer();
    }
    answer?.result
}

/// A question on its way to its answer.
struct Asking<'a> {
    core: &'a Arc<Core>,
    question: &'a Question<'a>,
    /// When it came.
    asked: Moment,
    progress: Progress,
    /// How many refreshes it caused or waited for.
    refreshes: usize,
    /// Held once it holds all that older files list.
    place: Option<Places>,
}

impl<'a> Asking<'a> {
    async fn answer(&mut self) -> Result<Answer, Refusal> {
        let mut cell = self.cell().await?;
        let mut now = self.asked;
        for _ in 0..=REFRESHES_OF_ONE_QUESTION + OLDER_FILE_BATCHES {
            let decision = decide(&cell.contents(), &self.inquiry(&cell), &self.progress, &now);
            match decision {
                Decision::Answer(answer) => {
                    if answer.refresh_behind {
                        refreshing::start_behind(self.core, &cell, &self.request(&cell));
                    }
                    return Ok(answer);
                }
                // In a box, so that an answer that needs nothing does not pay for the state of one that waits.
                Decision::Need(need) => Box::pin(self.satisfy(&cell, need)).await?,
            }
            if cell.is_replaced() {
                cell = self.cell().await?;
            }
            now = self.core.moment();
        }
        Err(self.inquiry(&cell).never_ends())
    }

    fn inquiry<'i>(&self, cell: &'i Cell) -> Inquiry<'i>
    where
        'a: 'i,
    {
        let (key, skew) = (&cell.state_key, self.core.config.clock_skew);
        Inquiry { question: self.question, key, asked: self.asked, skew }
    }

    /// The repository that the question is about, and a note that it is in use.
    async fn cell(&self) -> Result<Arc<Cell>, Refusal> {
        let Question { demand, image, deadline, .. } = *self.question;
        let cell = match self.core.repositories.cell(demand, self.asked) {
            Ok(cell) => cell,
            // There is no room for another unknown repository: only a known one gets one.
            Err(Full::Unknown) => match timeout_at(deadline, known::cell(self.core, demand)).await {
                Ok(Ok(cell)) => cell,
                Ok(Err(full)) => return Err(no_room(self.question, full)),
                Err(_) => return Err(no_room(self.question, Full::Unknown)),
            },
            Err(full) => return Err(no_room(self.question, full)),
        };
        cell.usage.note_asked(demand, image, self.asked.wall);
        Ok(cell)
    }

    async fn satisfy(&mut self, cell: &Arc<Cell>, need: Need) -> Result<(), Refusal> {
        let deadline = self.question.deadline;
        let failure = match &need {
            Need::Load => {
                let loaded = timeout_at(deadline, load::load_behind(self.core, cell)).await;
                return loaded.map_err(|_| self.inquiry(cell).too_late())?;
            }
            Need::OlderFiles { served, files } => {
                let (requester, tag) = (self.requester(), tag_of(self.question.demand, self.question.image));
                if tag.is_none() && self.place.is_none() {
                    let place = self.core.older_files.digests.place(&cell.state_key.server);
                    let place = timeout_at(deadline, place).await;
                    self.place = place.map_err(|_| self.inquiry(cell).too_late())?;
                }
                let read = read_older::read(self.core, cell, &requester, served, files, tag);
                let read = timeout_at(deadline, read).await.map_err(|_| self.inquiry(cell).too_late())?;
                self.progress.take(served, read);
                return Ok(());
            }
            Need::Data | Need::Freshness { .. } => self.refresh(cell, self.request(cell), false).await?,
            Need::Revalidation { .. } => self.refresh(cell, self.request(cell), true).await?,
            Need::Confirmation(_) => {
                let request = RefreshRequest { not_before: Some(self.asked), ..self.request(cell) };
                self.refresh(cell, request, false).await?
            }
        };
        let Err(failure) = failure else { return Ok(()) };
        let (contents, now) = (cell.contents(), self.core.clock.now());
        self.inquiry(cell).without(need, failure, &contents, now, &mut self.progress)
    }

    async fn refresh(
        &mut self,
        cell: &Arc<Cell>,
        request: RefreshRequest,
        patient: bool,
    ) -> Result<Result<(), Failure>, Refusal> {
        self.refreshes += 1;
        if self.refreshes > REFRESHES_OF_ONE_QUESTION {
            return Err(self.inquiry(cell).never_ends());
        }
        let patience = patient.then_some(self.core.config.patience);
        Ok(refreshing::refresh(self.core, cell, &request, self.question.deadline, patience).await)
    }

    fn requester(&self) -> Requester {
        self.question.requester().into()
    }

    fn request(&self, cell: &Cell) -> RefreshRequest {
        let pin = !(self.question.dry_run && cell.key.is_first_use());
        let key = RefreshKey { requester: self.requester(), pin };
        RefreshRequest { key, roles: roles_of(self.question.demand).cloned().collect(), not_before: None }
    }
}

fn no_room(question: &Question<'_>, full: Full) -> Refusal {
    let Demand { gun, policy, .. } = question.demand;
    match full {
        Full::Unknown => Refusal::unavailable(
            Reason::TrustServerUnreachable,
            format!(
                "{gun}: too many repositories that never verified are being looked up at once; try again"
            ),
        ),
        Full::Namespace { most } => Refusal::unavailable(
            Reason::StateUnavailable,
            format!(
                "{gun}: policies of namespace {} lead to {most} repositories that no cluster policy asks for, as many as they \
                 may (--repositories-per-namespace); name fewer, or have a cluster policy name them",
                policy.namespace.as_deref().unwrap_or_default()
            ),
        ),
    }
}
