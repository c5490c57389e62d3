//! What is held of a repository, and a question about it: the answer, or what is needed next (design §4 "Cache").
//!
//! A function of its arguments, without I/O or clock. `resolve` satisfies the needs; a warm answer is the case in which
//! there are none.

mod needs;

use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};

pub(super) use self::needs::{Failure, Need, Progress};
use super::contents::Contents;
use super::moment::Moment;
use super::permissions::RENEW_AFTER;
use super::question::{Question, Resolved};
use super::served::Served;
use super::warnings;
use crate::records::{Recorded, RepositoryKey};
use crate::resolution::{Case, Judgement, Refusal, judge, roles_of};

/// A question, and what does not change while it is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inquiry<'a> {
    pub(super) question: &'a Question<'a>,
    /// The repository, for messages.
    pub(super) key: &'a RepositoryKey,
    /// When the question came.
    pub(super) asked: Moment,
    pub(super) skew: SignedDuration,
}

/// What follows from what is held.
#[derive(Debug)]
pub(super) enum Decision {
    /// This is the answer.
    Answer(Answer),
    /// This is needed first.
    Need(Need),
}

/// The answer to a question.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) result: Result<Resolved, Refusal>,
    /// Whether something is to be refreshed that nobody waits for.
    pub(super) refresh_behind: bool,
    /// Whether it rests on data that is older than the policy wants, because there is none that is fresher.
    pub(super) is_stale: bool,
}

/// How a set stands to the question.
enum Standing {
    /// It may answer.
    Sufficient {
        /// Whether it is to be refreshed before it is too old.
        refresh_behind: bool,
    },
    /// It may answer, but one timestamp GET is due. `None`: nobody knows how old it is.
    Old(Option<Timestamp>),
    /// It may not.
    Lacking(Need),
}

/// The answer to the inquiry from `contents` at `now`, or what is needed next. `progress` is what came of earlier needs.
pub(super) fn decide(
    contents: &Contents,
    inquiry: &Inquiry<'_>,
    progress: &Progress,
    now: &Moment,
) -> Decision {
    if !contents.loaded {
        return Decision::Need(Need::Load);
    }
    let demand = inquiry.question.demand;
    let Some((served, covers)) = contents.served_for(demand) else { return Decision::Need(Need::Data) };
    let mut refresh_behind = false;
    let mut old_because = progress.old_because.clone();
    match inquiry.standing(contents, Some(served).filter(|_| covers), now) {
        Standing::Sufficient { refresh_behind: behind } => refresh_behind = behind,
        Standing::Old(vouched) if old_because.is_none() => {
            match inquiry.fails_already(contents, vouched, now) {
                Some(because) => {
                    // Its silence costs freshness, not the admission's time.
                    old_because = Some(because);
                    refresh_behind = true;
                }
                None => return Decision::Need(Need::Revalidation { vouched }),
            }
        }
        Standing::Old(_) => {}
        Standing::Lacking(need) => return Decision::Need(need),
    }
    let answer = |result| Answer { result, refresh_behind, is_stale: old_because.is_some() };
    match inquiry.judge(contents, served, progress, now.wall) {
        Judgement::Signed { signed, mut warnings } => {
            warnings.extend(old_because.clone());
            warnings.extend(warnings::expiring(&served.repository, &signed, now.wall));
            Decision::Answer(answer(Ok(Resolved { signed: Some(signed), warnings })))
        }
        Judgement::NeedsPast(files) => Decision::Need(Need::OlderFiles { served: Arc::clone(served), files }),
        // A denial that rests on data from before the question first forces one timestamp GET, so that a tag signed a
        // moment ago is never refused.
        Judgement::Refused(refusal) => {
            if served.vouched.is_some_and(|vouched| vouched.is_after(&inquiry.asked)) {
                return Decision::Answer(answer(Err(refusal)));
            }
            Decision::Need(Need::Confirmation(refusal))
        }
    }
}

impl Inquiry<'_> {
    /// `covering` is a set that knows about the roles.
    fn standing(&self, contents: &Contents, covering: Option<&Arc<Served>>, now: &Moment) -> Standing {
        let Some(served) = covering.filter(|set| set.pinned || self.question.dry_run) else {
            return Standing::Lacking(Need::Data);
        };
        let freshness = &self.question.demand.freshness;
        let requester = self.question.requester();
        let permitted = match requester.is_anybody() {
            true => Some(SignedDuration::ZERO),
            false => contents.permissions.at(&requester).map(|at| at.age(now)),
        };
        let Some(permitted) = permitted.filter(|age| *age <= freshness.max_staleness) else {
            return Standing::Lacking(Need::Data);
        };
        let Some(vouched) = served.vouched else { return Standing::Old(None) };
        let (age, vouched) = (vouched.age(now), vouched.at());
        if age > freshness.max_staleness {
            Standing::Lacking(Need::Freshness { vouched })
        } else if age > freshness.revalidate_after {
            Standing::Old(Some(vouched))
        } else {
            let is_due = is_due(age, freshness.revalidate_after) || permitted > RENEW_AFTER;
            Standing::Sufficient { refresh_behind: is_due }
        }
    }

    /// That a timestamp GET failed since it was due, in words for a warning.
    fn fails_already(&self, contents: &Contents, vouched: Option<Timestamp>, now: &Moment) -> Option<String> {
        let demand = self.question.demand;
        let failing = contents.failing.as_ref()?;
        let concerns = failing.concerns(roles_of(demand), now.wall, demand.freshness.revalidate_after);
        concerns.then(|| warnings::old_data(vouched, &failing.refusal.to_string()))
    }

    fn judge(&self, contents: &Contents, served: &Served, progress: &Progress, now: Timestamp) -> Judgement {
        static NOTHING: LazyLock<Recorded> = LazyLock::new(Recorded::default);
        let recorded = contents.recorded.as_deref().unwrap_or(&NOTHING);
        let case = Case {
            demand: self.question.demand,
            image: self.question.image,
            repository: &served.repository,
            provenances: &served.provenances,
            record: &recorded.record,
            now,
            skew: self.skew,
        };
        judge(&case, progress.older_files_of(served))
    }
}

/// Whether data in use is to be refreshed ahead: four fifths of the time are over.
pub(super) fn is_due(age: SignedDuration, revalidate_after: SignedDuration) -> bool {
    age.as_millis().saturating_mul(5) >= revalidate_after.as_millis().saturating_mul(4)
}
