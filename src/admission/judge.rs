//! What the policies say of one image in one namespace. The webhook, `verify` and gitops all ask here.

mod tally;
mod verdict;
mod view;

use std::sync::Arc;

use futures::future::{join, join_all};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

pub use self::verdict::{Denial, Fault, ImageVerdict, Outcome, Passed, Remark};
pub use self::view::View;
use crate::image::ImageReference;
use crate::policy::{
    Chosen, Demand, Exemptions, ImageSite, Matched, Observed, PolicySet, Reason, Selection, UnmatchedImages,
};
use crate::trust::{BoxFuture, PodIdentity, Question, Refusal, Resolved, Resolver, Unavailable};

/// What a judge asks for signed digests: the resolver, or a stand-in where a test needs one that waits or counts.
pub trait Resolve: Send + Sync {
    /// As [`Resolver::resolve`].
    fn resolve<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Resolved, Refusal>>;
}

impl Resolve for Resolver {
    fn resolve<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Resolved, Refusal>> {
        Box::pin(Self::resolve(self, question))
    }
}

/// For whom and how an image is judged.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Whose credentials may be used.
    pub pod: &'a PodIdentity,
    /// When the caller wants its answer.
    pub deadline: Instant,
    /// Whether nothing may be pinned.
    pub dry_run: bool,
    /// Where in a pod the image stands.
    pub site: ImageSite,
    /// By when exemptions are judged.
    pub now: Timestamp,
}

impl<'a> Circumstances<'a> {
    fn question(self, demand: &'a Demand, image: &'a ImageReference) -> Question<'a> {
        let Self { pod, deadline, dry_run, .. } = self;
        Question { demand, image, pod, deadline, dry_run }
    }
}

/// One image, and what is asked of it at its site and time.
#[derive(Debug)]
struct Case {
    matched: Arc<Matched>,
    /// Where exemptions are in force.
    exempting: Option<(Chosen, Exemptions)>,
}

impl Case {
    fn new(policies: &PolicySet, matched: Arc<Matched>, circumstances: Circumstances<'_>) -> Self {
        let in_force = matched.in_force(circumstances.site, circumstances.now);
        let exempting =
            (!in_force.is_empty()).then(|| (policies.choose_exempting(&matched, &in_force), in_force));
        Self { matched, exempting }
    }

    fn chosen(&self) -> &Chosen {
        self.exempting.as_ref().map_or(&self.matched.chosen, |(chosen, _)| chosen)
    }

    /// Adds what is not the policies' to say.
    fn conclude(self, policies: &PolicySet, verdict: ImageVerdict) -> ImageVerdict {
        let is_matched = self.chosen().is_matched;
        let mut verdict = verdict;
        if let Some((_, exemptions)) = self.exempting {
            verdict.exemptions = exemptions;
            if verdict.outcome == Outcome::Unmatched {
                verdict.outcome = Outcome::Exempt;
            }
        }
        if is_matched { verdict } else { unmatched(policies.unmatched(), verdict) }
    }
}

/// Asks the policies for what they demand, resolves all of it at once and puts the answers together.
async fn judge(resolver: &dyn Resolve, case: &Case, circumstances: Circumstances<'_>) -> ImageVerdict {
    let (image, selection) = (&case.matched.image, &case.chosen().selection);
    let mutation = selection.mutation().unwrap_or_default();
    match selection {
        Selection::Unmatched => ImageVerdict::of(image.original(), Outcome::Unmatched),
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

/// `--unmatched-images`, for an image that no cluster policy with the action Deny matches, nor an exemption. What other
/// policies say of it is added to, and never takes anything away: else whoever may write one could lift this rule (P12).
fn unmatched(rule: UnmatchedImages, mut verdict: ImageVerdict) -> ImageVerdict {
    let is_judged = !verdict.policies.is_empty() || !verdict.remarks.is_empty();
    let what = if is_judged {
        "no cluster policy with the action Deny matches this image"
    } else {
        "no policy matches this image"
    };
    let whose = if is_judged { "a cluster policy" } else { "a policy" };
    verdict.follow(rule, |refuses| {
        let message = match refuses {
            true => format!("{what}, and such images are refused here; name it in the images of {whose}"),
            false => what.to_owned(),
        };
        Denial::untrusted(None, Reason::NoPolicy, message)
    });
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
