//! [`Resolver`]: the one way from a demand and an image to a signed digest.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use super::config::ResolverConfig;
use super::core::Core;
use super::health::{self, RepositoryHealth, Survey};
use super::maintain::{self, Maintenance};
use super::question::{Question, Resolved};
use super::report::{self, Report, ReportQuestion};
use super::status::{self, RepositoryStatus};
use super::verifier::Verifier;
use super::warm::{self, Held, Remembered, Warmth};
use super::{reset, resolve};
use crate::clock::SharedClock;
use crate::policy::PolicySet;
use crate::pool::Progress;
use crate::records::{RepositoryKey, TrustState};
use crate::resolution::Refusal;
use crate::source::{BoxFuture, Credentials, MetadataSource};
use crate::telemetry::Metrics;

/// Resolves images to signed digests, from memory when it can. Clones share everything.
#[derive(Debug, Clone)]
pub struct Resolver(Arc<Core>);

impl Resolver {
    /// A resolver that holds nothing yet.
    pub fn new(
        config: ResolverConfig,
        source: Arc<dyn MetadataSource>,
        credentials: Arc<dyn Credentials>,
        state: Arc<dyn TrustState>,
        clock: SharedClock,
    ) -> Self {
        Self(Arc::new(Core::new(config, source, credentials, state, clock)))
    }

    /// The same, which counts what it does. To be called before anybody else has it.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        let core = Arc::get_mut(&mut self.0);
        debug_assert!(core.is_some(), "somebody else has the resolver already");
        if let Some(core) = core {
            core.verifier = Verifier::new(&metrics);
            core.metrics = metrics;
        }
        self
    }

    /// Answers from verified data; fetches, revalidates and waits only where the data at hand does not suffice.
    ///
    /// # Errors
    /// [`Refusal`] with the reason.
    pub async fn resolve(&self, question: Question<'_>) -> Result<Resolved, Refusal> {
        resolve::resolve(&self.0, &question).await
    }

    /// Refreshes a repository and hands out what it says, every role included (`inspect`). Reports the refresh itself: a
    /// server at fault fails it even where older data is at hand.
    ///
    /// # Errors
    /// [`Refusal`] with the reason.
    pub async fn report(&self, question: ReportQuestion<'_>) -> Result<Report, Refusal> {
        report::report(&self.0, question).await
    }

    /// Keeps the repositories in use fresh, for ever. `serve` runs it beside the webhook.
    pub async fn maintain(self: Arc<Self>) {
        maintain::maintain(&self.0).await;
    }

    /// One round of [`Self::maintain`]: starts the refreshes that are due at `now`.
    pub fn maintain_once(&self, now: jiff::Timestamp) -> Maintenance {
        maintain::maintain_once(&self.0, now)
    }

    /// Forgets which policies lead to repositories in memory where `policies` do not have them any more: what nobody leads to
    /// is not kept fresh. Looks at every repository.
    pub fn keep_to(&self, policies: &PolicySet) {
        maintain::keep_to(&self.0, policies);
    }

    /// Has repositories that are known from before in memory, before anybody asks for them: first from disk, then
    /// revalidated, the most recently used first. `told` hears how far it is. Ends when nothing is left to try.
    pub async fn warm(&self, remembered: Vec<Remembered>, told: &watch::Sender<Warmth>) {
        warm::warm(&self.0, remembered, told).await;
    }

    /// As [`Self::warm`], each tried once, for no longer than `limit`: what was asked by then goes on. Which trust servers gave
    /// no answer, or not all of them in time.
    pub async fn warm_once(
        &self,
        remembered: Vec<Remembered>,
        limit: std::time::Duration,
    ) -> BTreeSet<String> {
        warm::warm_once(&self.0, remembered, limit).await
    }

    /// What is in memory, and for how many known repositories more there is room.
    pub fn held(&self) -> Held {
        warm::held(&self.0)
    }

    /// Notes who asks for repositories in memory, and when others used them. Of what is not there nothing is noted.
    pub fn remind(&self, remembered: &[Remembered]) {
        warm::remind(&self.0, remembered);
    }

    /// How far the verification of what came is: for liveness. Trust servers have no part in it.
    pub fn verification(&self) -> Progress {
        self.0.verifier.progress()
    }

    /// What is known of every repository in memory that verified.
    pub fn status(&self) -> Vec<RepositoryStatus> {
        status::status(&self.0)
    }

    /// How every repository in use does, and which policies asked for it: for their conditions.
    pub fn health(&self) -> Vec<RepositoryHealth> {
        health::health(&self.0)
    }

    /// What is in memory of every repository: for metrics.
    pub fn survey(&self) -> Survey {
        health::survey(&self.0)
    }

    /// Drops what is held of a repository, because its `TrustedRepository` was deleted (design §2): memory before this
    /// returns, the disk before the future is done, whether anybody waits for that or not. `record` is which record that was,
    /// as [`super::Revision`] has it: what rests on one that was made since stays. `None`: whichever it was.
    pub fn forget(&self, key: &RepositoryKey, record: Option<&str>) -> BoxFuture<'static, ()> {
        reset::forget(&self.0, key, record)
    }
}
