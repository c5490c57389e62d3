//! [`Reading`]: a repository, read and verified as `inspect` reports it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::SignedDuration;
use tokio::time::Instant;

use super::docker_config::DockerConfig;
use super::repository::Repository;
use super::settings::live_resolver;
use crate::clock::SharedClock;
use crate::notary::NotaryClient;
use crate::policy::{
    CredentialsSource, Demand, DigestReferences, Freshness, Mutation, PolicyId, TrustServer,
};
use crate::trust::{PodIdentity, Refusal, Report, ReportQuestion, ResolverConfig, TrustState};
use crate::tuf::Anchors;

/// What is read, and by what it is trusted.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) repository: Repository,
    pub(super) client: Arc<NotaryClient>,
    pub(super) server: Arc<TrustServer>,
    pub(super) anchors: Arc<Anchors>,
}

impl Reading {
    /// Reads the repository from its server.
    ///
    /// # Errors
    /// [`Refusal`], when it is not trusted or that could not be decided.
    pub(super) async fn report(
        &self,
        config: ResolverConfig,
        state: Arc<dyn TrustState>,
        clock: SharedClock,
        timeout: Duration,
    ) -> Result<Report, Refusal> {
        let credentials = DockerConfig::from_env().after_notary_auth();
        let resolver = live_resolver(config, Arc::clone(&self.client), credentials, state, clock);
        let question = ReportQuestion {
            demand: &self.demand(),
            registry: self.repository.registry(),
            pod: &PodIdentity::default(),
            deadline: Instant::now() + timeout,
        };
        resolver.report(question).await
    }

    /// The server's address, for people.
    pub(super) fn server_address(&self) -> String {
        self.server.url.as_str().trim_end_matches('/').to_owned()
    }

    /// What a policy that pins these anchors would ask, as far as a report looks at it.
    pub(super) fn demand(&self) -> Demand {
        Demand {
            policy: Arc::new(PolicyId { namespace: None, name: "inspect".to_owned() }),
            server: Arc::clone(&self.server),
            gun: self.repository.gun().clone(),
            anchors: Arc::clone(&self.anchors),
            delegations: None,
            digest_references: DigestReferences::default(),
            accept_for: SignedDuration::ZERO,
            mutation: Mutation::default(),
            freshness: Freshness {
                revalidate_after: SignedDuration::ZERO,
                max_staleness: SignedDuration::from_hours(24),
            },
            credentials: CredentialsSource::ImagePullSecrets,
            tag_covered: true,
        }
    }
}

/// A resolver whose seed is a trust directory: what was published or pulled there is the pin, and nothing is written
/// to it. The folder has to live as long as the resolver.
///
/// # Errors
/// When there is no temporary folder.
pub(super) fn seeded_by(trust_dir: &Path) -> anyhow::Result<(tempfile::TempDir, ResolverConfig)> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let tuf = std::path::absolute(trust_dir)?.join("tuf");
    std::os::unix::fs::symlink(&tuf, folder.path().join("tuf"))?;
    let cache_dir = Some(folder.path().to_owned());
    Ok((folder, ResolverConfig { cache_dir, seed: true, ..ResolverConfig::default() }))
}
