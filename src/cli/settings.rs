//! Options that several commands share.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;
use url::Url;

use super::docker_config::DockerConfig;
use super::durations::duration;
use crate::clock::{SharedClock, SystemClock};
use crate::notary::NotaryClient;
use crate::policy::{SetOptions, UnmatchedImages, server_url};
use crate::trust::{DiskState, MemoryState, Resolver, ResolverConfig, TrustState};

/// tagseal's namespace, if nothing else is said.
pub const SYSTEM_NAMESPACE: &str = "tagseal-system";

/// What policies do not say themselves.
#[derive(Debug, Clone, clap::Args)]
pub struct Policies {
    /// What becomes of an image that no cluster policy with the action Deny matches, nor an exemption: Allow, Warn or Deny.
    #[arg(long, value_name = "ACTION", default_value = "Allow", value_parser = unmatched_images)]
    pub unmatched_images: UnmatchedImages,
    /// A trust server that namespaced policies may name besides those of cluster policies. May be repeated.
    #[arg(long, value_name = "URL", value_delimiter = ',', value_parser = server_url)]
    pub trust_servers: Vec<Url>,
}

impl Policies {
    /// As the policy set takes them.
    pub fn set_options(&self) -> SetOptions {
        SetOptions {
            unmatched: self.unmatched_images,
            trust_servers: self.trust_servers.iter().cloned().collect(),
            ..SetOptions::default()
        }
    }
}

fn unmatched_images(value: &str) -> Result<UnmatchedImages, String> {
    let rule = UnmatchedImages::ALL.into_iter().find(|(word, _)| word.eq_ignore_ascii_case(value));
    rule.map(|(_, rule)| rule).ok_or_else(|| "expected Allow, Warn or Deny".to_owned())
}

/// Where trust data and trust state are kept.
#[derive(Debug, Clone, clap::Args)]
pub struct Storage {
    /// Folder for verified metadata, verified again when it is read. Without it, a restart fetches everything anew.
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Folder for rollback floors and first-use pins. Without it they are forgotten when the process ends. Not for serving in a
    /// cluster, where they live in TrustedRepository objects.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Tolerance for clocks when expiry is judged.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub clock_skew: SignedDuration,
}

impl Storage {
    /// The trust state: on disk where there is a folder for it.
    pub fn state(&self) -> Arc<dyn TrustState> {
        match &self.state_dir {
            Some(dir) => Arc::new(DiskState::new(dir)),
            None => Arc::new(MemoryState::new()),
        }
    }

    /// How the resolver of a long-lived process is set up.
    pub fn resolver(&self) -> ResolverConfig {
        ResolverConfig {
            clock_skew: self.clock_skew,
            cache_dir: self.cache_dir.clone(),
            ..ResolverConfig::default()
        }
    }

    /// Floors and pins are the cluster's where verdicts are.
    ///
    /// # Errors
    /// When they are to live in a folder, too.
    pub fn leave_state_to_cluster(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.state_dir.is_none(),
            "--state-dir is for verdicts without a cluster: with --from-cluster, floors and pins are the cluster's"
        );
        Ok(())
    }

    /// How the resolver of a command is set up: a tree that notary or docker left in the cache folder is a seed.
    pub fn seeded_resolver(&self) -> ResolverConfig {
        ResolverConfig { seed: true, ..self.resolver() }
    }
}

/// A resolver that asks trust servers by `client` on behalf of docker's configuration. Trust data is judged by `clock`.
pub fn live_resolver(
    config: ResolverConfig,
    client: Arc<NotaryClient>,
    credentials: DockerConfig,
    state: Arc<dyn TrustState>,
    clock: SharedClock,
) -> Resolver {
    Resolver::new(config, client, Arc::new(credentials), state, clock)
}

/// A client whose connections are judged by the real clock.
pub fn client() -> NotaryClient {
    NotaryClient::new(Arc::new(SystemClock))
}
