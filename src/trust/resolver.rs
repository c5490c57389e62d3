//! [`Resolver`]: the one way from a demand and an image to a [`SignedDigest`].

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::time::Instant;

use super::answer::Asking;
use super::core::Core;
use super::entries::Full;
use super::error::Refusal;
use super::health::{RepositoryHealth, Survey};
use super::report::{Report, ReportQuestion};
use super::resolution::{self, SignedDigest};
use super::source::{BoxFuture, Credentials, Grant, MetadataSource};
use super::state::{RepositoryKey, TrustState};
use super::status::RepositoryStatus;
use super::warm::{Held, Remembered, Warmth};
use crate::clock::SharedClock;
use crate::image::ImageReference;
use crate::policy::Demand;
use crate::telemetry::Metrics;
use crate::tuf::RoleName;

/// How a resolver is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolverConfig {
    /// Tolerance for clocks when expiry is judged (`--clock-skew`).
    pub clock_skew: SignedDuration,
    /// Where verified metadata is kept (`--cache-dir`).
    pub cache_dir: Option<PathBuf>,
    /// Whether a tree that notary or docker left in `cache_dir` is read: for `verify` and `inspect`, never for `serve`.
    pub seed: bool,
    /// Repositories that verified, kept in memory.
    pub max_repositories: usize,
    /// Repositories that never verified, looked up or waiting.
    pub max_unknown: usize,
    /// How many of those are looked up at once on one trust server.
    pub unknown_at_once: usize,
    /// How many repositories are refreshed in the background at once.
    pub background_at_once: usize,
    /// How long one request may take, its retries included.
    pub request_timeout: Duration,
    /// How long one refresh may take.
    pub refresh_timeout: Duration,
    /// How long an admission that has usable data waits for fresher.
    pub patience: Duration,
}

impl Default for ResolverConfig {
    fn default() -> Self {
        Self {
            clock_skew: SignedDuration::from_secs(60),
            cache_dir: None,
            seed: false,
            max_repositories: 20_000,
            max_unknown: 1_000,
            unknown_at_once: 8,
            background_at_once: 64,
            request_timeout: Duration::from_secs(5),
            refresh_timeout: Duration::from_secs(60),
            patience: Duration::from_secs(1),
        }
    }
}

/// One question to the resolver.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What a policy asks.
    pub demand: &'a Demand,
    /// Of which image.
    pub image: &'a ImageReference,
    /// On whose behalf.
    pub grant: &'a Grant,
    /// The caller's own deadline; past it the answer is `DeadlineExceeded` while the fetch goes on.
    pub deadline: Instant,
    /// A server-side dry run: verifies and pins nothing (floors may rise).
    pub dry_run: bool,
}

/// A positive answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The digest; `None` where `digestReferences: Allow` let a digest pass unchecked.
    pub signed: Option<SignedDigest>,
    /// What the publisher or the admin should do soon; for warnings.
    pub warnings: Vec<String>,
}

impl Resolved {
    /// The versions that the answer rests on.
    pub fn versions(&self) -> &[(RoleName, u64)] {
        self.signed.as_ref().map_or(&[], |signed| signed.evidence().versions())
    }
}

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
            core.metrics = metrics;
        }
        self
    }

    /// The answer, where data at hand has it and nobody need wait: a yes. The hot path is memory only (design §1), and does
    /// not pay for the state of one that waits.
    pub fn at_hand(&self, question: Question<'_>) -> Option<Resolved> {
        unchecked(question).or_else(|| Asking::new(&self.0, question).ok()?.at_once())
    }

    /// Answers from verified data; fetches, revalidates and waits only where the data at hand does not suffice.
    ///
    /// # Errors
    /// [`Refusal`] with the reason.
    pub async fn resolve(&self, question: Question<'_>) -> Result<Resolved, Refusal> {
        if let Some(resolved) = unchecked(question) {
            return Ok(resolved);
        }
        match Asking::new(&self.0, question) {
            Ok(asking) => asking.answer().await,
            Err(Full) => Asking::answer_in_a_crowd(&self.0, question).await,
        }
    }

    /// Refreshes a repository and hands out what it says, every role included (`inspect`). Reports the refresh itself: a
    /// server at fault fails it even where older data is at hand.
    ///
    /// # Errors
    /// [`Refusal`] with the reason.
    pub async fn report(&self, question: ReportQuestion<'_>) -> Result<Report, Refusal> {
        self.0.report(question).await
    }

    /// Keeps the repositories in use fresh, for ever. `serve` runs it beside the webhook.
    pub async fn maintain(self: Arc<Self>) {
        self.0.maintain().await;
    }

    /// One round of [`Self::maintain`]: starts the refreshes that are due at `now`.
    pub fn maintain_once(&self, now: jiff::Timestamp) -> super::Maintenance {
        self.0.maintain_once(now)
    }

    /// Has repositories that are known from before in memory, before anybody asks for them: first from disk, then
    /// revalidated, the most recently used first. `told` hears how far it is. Ends when nothing is left to try.
    pub async fn warm(&self, remembered: Vec<Remembered>, told: &watch::Sender<Warmth>) {
        self.0.warm(remembered, told).await;
    }

    /// As [`Self::warm`], each tried once, for no longer than `limit`: what was asked by then goes on. Which trust servers gave
    /// no answer, or not all of them in time.
    pub async fn warm_once(
        &self,
        remembered: Vec<Remembered>,
        limit: std::time::Duration,
    ) -> BTreeSet<String> {
        self.0.warm_once(remembered, limit).await
    }

    /// What is in memory, and for how many known repositories more there is room.
    pub fn held(&self) -> Held {
        self.0.held()
    }

    /// Notes who asks for repositories in memory, and when others used them. Of what is not there nothing is noted.
    pub fn remind(&self, remembered: &[Remembered]) {
        self.0.remind(remembered);
    }

    /// What is known of every repository in memory that verified.
    pub fn status(&self) -> Vec<RepositoryStatus> {
        self.0.status()
    }

    /// How every repository in use does, and which policies asked for it: for their conditions.
    pub fn health(&self) -> Vec<RepositoryHealth> {
        self.0.health()
    }

    /// What is in memory of every repository: for metrics.
    pub fn survey(&self) -> Survey {
        self.0.survey()
    }

    /// Drops what is held of a repository, because its `TrustedRepository` was deleted (design §2): memory before this
    /// returns, the disk before the future is done, whether anybody waits for that or not. `record` is which record that was,
    /// as [`super::Revision`] has it: what rests on one that was made since stays. `None`: whichever it was.
    pub fn forget(&self, key: &RepositoryKey, record: Option<&str>) -> BoxFuture<'static, ()> {
        self.0.forget(key, record)
    }
}

/// The answer to a digest that nobody asks to be signed.
fn unchecked(question: Question<'_>) -> Option<Resolved> {
    let passes = resolution::passes_unchecked(question.demand, question.image);
    passes.then(|| Resolved { signed: None, warnings: Vec::new() })
}
