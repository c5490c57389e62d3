//! A trust server, trust state, credentials, a clock, and a resolver that stands among them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tagseal::clock::{Clock as _, ManualClock};
use tagseal::image::ImageReference;
use tagseal::policy::{Demand, Reason};
use tagseal::trust::{PodIdentity, Question, Refusal, Resolved, Resolver, ResolverConfig};
use tokio::time::Instant;

use crate::support::{
    DemandBuilder, FakeCredentials, FakeSource, FakeState, SERVER, TestKey, TestRepository, demand,
    image_digest, t,
};

pub const GUN: &str = "registry.example.com/shop/web";
pub const START: &str = "2026-11-21T12:00:00Z";
pub const RELEASES: &str = "targets/releases";
pub const QA: &str = "targets/qa";

/// When every world begins.
pub fn start() -> Timestamp {
    t(START)
}

/// Everything that a resolver reaches. The clock stands still until told otherwise.
pub struct World {
    pub source: FakeSource,
    pub state: FakeState,
    pub credentials: FakeCredentials,
    pub clock: ManualClock,
    pub config: ResolverConfig,
    pub resolver: Resolver,
}

impl World {
    pub fn new() -> Self {
        Self::with(ResolverConfig::default())
    }

    pub fn with(config: ResolverConfig) -> Self {
        let (source, state) = (FakeSource::new(), FakeState::new());
        let (credentials, clock) = (FakeCredentials::new(), ManualClock::at(t(START)));
        let resolver = resolver(&config, &source, &credentials, &state, &clock);
        Self { source, state, credentials, clock, config, resolver }
    }

    pub fn with_cache(directory: &Path) -> Self {
        Self::with(ResolverConfig { cache_dir: Some(directory.to_owned()), ..ResolverConfig::default() })
    }

    /// Another process over the same state, disk, servers and clock.
    pub fn replica(&self) -> Resolver {
        resolver(&self.config, &self.source, &self.credentials, &self.state, &self.clock)
    }

    /// The process ends, and another one starts.
    pub fn restart(&mut self) {
        self.resolver = self.replica();
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How many roles have floors.
    pub fn floors(&self) -> usize {
        self.state.record().floors.len()
    }

    pub fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    /// Publishes what changed, on the default server.
    pub fn publish(&self, repository: &mut TestRepository) {
        let files = repository.publish(self.now());
        self.source.serve(SERVER, repository.gun(), &files);
    }

    pub async fn resolve(&self, demand: &Demand, image: &str) -> Result<Resolved, Refusal> {
        resolve(&self.resolver, demand, image).await
    }

    pub async fn resolve_as(
        &self,
        demand: &Demand,
        image: &str,
        pod: &PodIdentity,
    ) -> Result<Resolved, Refusal> {
        let image = ImageReference::parse(image).unwrap();
        let deadline = Instant::now() + Duration::from_secs(9);
        self.resolver.resolve(Question { demand, image: &image, pod, deadline, dry_run: false }).await
    }

    pub async fn dry_run(&self, demand: &Demand, image: &str) -> Result<Resolved, Refusal> {
        let image = ImageReference::parse(image).unwrap();
        let deadline = Instant::now() + Duration::from_secs(9);
        let question =
            Question { demand, image: &image, pod: &PodIdentity::default(), deadline, dry_run: true };
        self.resolver.resolve(question).await
    }
}

fn resolver(
    config: &ResolverConfig,
    source: &FakeSource,
    credentials: &FakeCredentials,
    state: &FakeState,
    clock: &ManualClock,
) -> Resolver {
    let (source, credentials) = (Arc::new(source.clone()), Arc::new(credentials.clone()));
    Resolver::new(config.clone(), source, credentials, Arc::new(state.clone()), Arc::new(clock.clone()))
}

pub async fn resolve(resolver: &Resolver, demand: &Demand, image: &str) -> Result<Resolved, Refusal> {
    let image = ImageReference::parse(image).unwrap();
    let deadline = Instant::now() + Duration::from_secs(9);
    let pod = PodIdentity::default();
    resolver.resolve(Question { demand, image: &image, pod: &pod, deadline, dry_run: false }).await
}

/// `registry.example.com/shop/web:1.4`, signed in `targets/releases` and `targets/qa`.
pub fn web() -> (TestRepository, TestKey, TestKey) {
    let (alice, bob) = (TestKey::ecdsa(), TestKey::ecdsa());
    let mut repository = TestRepository::new(GUN, t(START));
    repository.delegate(RELEASES, &[&alice]).sign_target(RELEASES, "1.4", image_digest("one"));
    repository.delegate(QA, &[&bob]).sign_target(QA, "1.4", image_digest("one"));
    (repository, alice, bob)
}

/// Requires `targets/releases` and `targets/qa`.
pub fn both(repository: &TestRepository) -> DemandBuilder {
    demand(repository).requires(RELEASES).requires(QA)
}

/// What was sealed: the digest, without the `sha256:`.
pub fn sealed(resolved: &Result<Resolved, Refusal>) -> tagseal::digest::Digest {
    let resolved = resolved.as_ref().expect("a signed image");
    resolved.signed.as_ref().expect("a digest").digest()
}

/// The reason of a refusal.
pub fn reason(resolved: &Result<Resolved, Refusal>) -> Reason {
    resolved.as_ref().expect_err("a refusal").reason()
}

/// The whole text of a refusal.
pub fn text(resolved: &Result<Resolved, Refusal>) -> String {
    resolved.as_ref().expect_err("a refusal").to_string()
}

pub const IMAGE: &str = "registry.example.com/shop/web:1.4";
