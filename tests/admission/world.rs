//! What an admission is made of, in memory.

use tagseal::admission::judge::Resolve;
use tagseal::policy::Reason;
use tagseal::trust::{BoxFuture, Question, Refusal, Resolved, Unavailable};

/// A resolver that reaches nothing.
#[derive(Debug)]
pub struct Nothing;

impl Resolve for Nothing {
    fn resolve<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Resolved, Refusal>> {
        let message = format!("{} does not answer", question.demand.server.url);
        Box::pin(async {
            Err(Refusal::Unavailable(Unavailable { reason: Reason::TrustServerUnreachable, message }))
        })
    }
}
