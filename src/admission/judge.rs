//! What the policies say of one image in one namespace. The webhook, `verify` and gitops all ask here.

mod tally;
mod verdict;

use futures::future::join_all;
use tokio::time::{Instant, timeout_at};

use self::tally::Tally;
pub use self::verdict::{Denial, Fault, Finding, ImageVerdict, Outcome, Passed};
use crate::image::ImageReference;
use crate::policy::{Action, Demand, Reason};
use crate::trust::{BoxFuture, Grant, Question, Refusal, Resolved, Resolver, Unavailable};

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
    pub grant: &'a Grant,
    /// When the caller wants its answer.
    pub deadline: Instant,
    /// Whether nothing may be pinned.
    pub dry_run: bool,
}

/// Resolves every demand at once and puts the answers together.
async fn judge(
    resolver: &dyn Resolve,
    demands: Vec<(Action, Demand)>,
    standing: Vec<Finding>,
    image: &ImageReference,
    circumstances: Circumstances<'_>,
) -> ImageVerdict {
    let questions = demands.iter().map(|(_, demand)| resolve(resolver, demand, image, circumstances));
    let answers = join_all(questions).await;
    let mut tally = Tally::default();
    for ((action, demand), answer) in demands.iter().zip(answers) {
        tally.answer(*action, demand, answer);
    }
    for Finding { action, denial } in standing {
        tally.refuse(action, denial);
    }
    tally.verdict(image)
}

/// One demand's answer, by the caller's deadline at the latest: nothing that waits may leave the caller with a bare
/// timeout (design §3).
async fn resolve(
    resolver: &dyn Resolve,
    demand: &Demand,
    image: &ImageReference,
    circumstances: Circumstances<'_>,
) -> Result<Resolved, Refusal> {
    let Circumstances { grant, deadline, dry_run } = circumstances;
    let question = Question { demand, image, grant, deadline, dry_run };
    timeout_at(deadline, resolver.resolve(question)).await.unwrap_or_else(|_| {
        Err(Refusal::Unavailable(Unavailable {
            reason: Reason::DeadlineExceeded,
            message: format!(
                "no answer about {} before the admission's deadline; the fetch goes on, so try again",
                demand.gun
            ),
        }))
    })
}
