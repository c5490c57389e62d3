//! What the policies say of one image in one namespace. The webhook, `verify` and gitops all ask here.

mod tally;
mod verdict;
mod view;

use futures::future::{join, join_all};
use tokio::time::{Instant, timeout_at};

pub use self::verdict::{Denial, Fault, ImageVerdict, Outcome, Passed, Remark};
pub use self::view::{Judging, View, all};
use crate::image::ImageReference;
use crate::policy::{Demand, Matched, Observed, PolicySet, Reason, Selection, UnmatchedImages};
use crate::trust::{BoxFuture, Grant, Question, Refusal, Resolved, Resolver, Unavailable};

/// What a judge asks for signed digests: the resolver, or a stand-in where a test needs one that waits or counts.
pub trait Resolve: Send + Sync {
    /// As [`Resolver::at_hand`].
    fn at_hand(&self, _question: Question<'_>) -> Option<Resolved> {
        None
    }

    /// As [`Resolver::resolve`].
    fn resolve<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Resolved, Refusal>>;
}

impl Resolve for Resolver {
    fn at_hand(&self, question: Question<'_>) -> Option<Resolved> {
        Self::at_hand(self, question)
    }

    fn resolve<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Resolved, Refusal>> {
        Box::pin(Self::resolve(self, question))
    }
}

/// For whom and how an image is judged.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Whose credentials may be used.
    pub grant: &'a Grant,
    /// When the caller wants its answer.
    pub deadline: Instant,
    /// Whether nothing may be pinned.
    pub dry_run: bool,
}

impl<'a> Circumstances<'a> {
    fn question(self, demand: &'a Demand, image: &'a ImageReference) -> Question<'a> {
        let Self { grant, deadline, dry_run } = self;
        Question { demand, image, grant, deadline, dry_run }
    }
}

/// The verdict, where all that the policies demand is at hand.
fn judge_at_hand(
    resolver: &dyn Resolve,
    policies: &PolicySet,
    Matched { image, selection, .. }: &Matched,
    circumstances: Circumstances<'_>,
) -> Option<ImageVerdict> {
    match selection {
        Selection::Unmatched => Some(unmatched(policies.unmatched(), image.original())),
        Selection::Invalid(objections) => Some(tally::invalid(image, objections.clone())),
        Selection::Require { deny, observe } if observe.is_empty() => {
            let mut answers = Vec::with_capacity(deny.len());
            for demand in deny {
                answers.push(resolver.at_hand(circumstances.question(demand, image))?);
            }
            let mutation = selection.mutation().unwrap_or_default();
            Some(tally::at_hand(image, mutation, deny, answers))
        }
        Selection::Require { .. } => None,
    }
}

/// Asks the policies for what they demand, resolves all of it at once and puts the answers together.
async fn judge(
    resolver: &dyn Resolve,
    policies: &PolicySet,
    Matched { image, selection, .. }: &Matched,
    circumstances: Circumstances<'_>,
) -> ImageVerdict {
    let mutation = selection.mutation().unwrap_or_default();
    match selection {
        Selection::Unmatched => unmatched(policies.unmatched(), image.original()),
        Selection::Invalid(objections) => tally::invalid(image, objections.clone()),
        Selection::Require { deny, observe } => {
            let ask = |demand| resolve(resolver, demand, image, circumstances);
            let observed = observe.iter().map(|Observed { demand, .. }| async {
                match demand {
                    Ok(demand) => Ok(ask(demand).await),
                    Err(objection) => Err(objection.clone()),
                }
            });
            let (answers, observations) = join(join_all(deny.iter().map(ask)), join_all(observed)).await;
            let answers = deny.iter().zip(answers).collect();
            let observations = observe.iter().zip(observations).collect();
            tally::tally(image, mutation, answers, observations)
        }
    }
}

/// `--unmatched-images`
fn unmatched(rule: UnmatchedImages, image: &str) -> ImageVerdict {
    let denial = |message| Denial::untrusted(None, Reason::NoPolicy, message);
    let mut verdict = ImageVerdict::of(image, Outcome::Unmatched);
    match rule {
        UnmatchedImages::Allow => {}
        UnmatchedImages::Warn => {
            verdict.remarks.push(Remark::warning(denial("no policy matches this image")));
        }
        UnmatchedImages::Deny => {
            let message = "no policy matches this image, and such images are refused here; name it in the images of a policy";
            verdict.outcome = Outcome::Denied(vec![denial(message)]);
        }
    }
    verdict
}

/// One demand's answer, by the caller's deadline at the latest: nothing that waits may leave the caller with a bare
/// timeout (design §3).
async fn resolve(
    resolver: &dyn Resolve,
    demand: &Demand,
    image: &ImageReference,
    circumstances: Circumstances<'_>,
) -> Result<Resolved, Refusal> {
    let question = circumstances.question(demand, image);
    timeout_at(circumstances.deadline, resolver.resolve(question)).await.unwrap_or_else(|_| {
        Err(Refusal::Unavailable(Unavailable {
            reason: Reason::DeadlineExceeded,
            message: format!(
                "no answer about {} before the admission's deadline; the fetch goes on, so try again",
                demand.gun
            ),
        }))
    })
}
