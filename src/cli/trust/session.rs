//! [`Session`]: what a publishing command works with, put together from its options.

use std::sync::Arc;

use super::options::Options;
use crate::cli::docker_config::DockerConfig;
use crate::cli::passphrases::PassphraseSources;
use crate::cli::repository::Repository;
use crate::cli::settings::client;
use crate::clock::{SharedClock, SystemClock};
use crate::notary::{NotaryClient, Remote};
use crate::policy::TrustServer;
use crate::publish::operation::Operation;
use crate::publish::publisher::{Published, Publisher, RoleEnd, has_keys_of};
use crate::publish::trust_dir::TrustDir;
use crate::trust::Access;
use crate::tuf::{RoleName, TrustedRepository};

/// Keys, the way to trust servers, and who knows passphrases.
pub(super) struct Session<'a> {
    options: &'a Options,
    pub(super) dir: TrustDir,
    pub(super) passphrases: PassphraseSources,
    pub(super) client: Arc<NotaryClient>,
    pub(super) clock: SharedClock,
}

impl<'a> Session<'a> {
    /// Opens the trust directory; nothing is sent yet.
    pub(super) fn open(options: &'a Options) -> anyhow::Result<Self> {
        let clock: SharedClock = Arc::new(SystemClock);
        Ok(Self {
            options,
            dir: options.keys.open()?.with_patience(options.server.timeout()),
            passphrases: options.keys.passphrases(),
            client: Arc::new(client().for_command_line()),
            clock,
        })
    }

    /// The repository's trust server.
    pub(super) fn server(&self, repository: &Repository) -> anyhow::Result<Arc<TrustServer>> {
        self.options.server.connection.trust_server(repository, &self.client)
    }

    /// What docker would show for the repository.
    pub(super) async fn access(&self, repository: &Repository) -> anyhow::Result<Access> {
        access(DockerConfig::from_env(), repository).await
    }

    /// The repository at its trust server.
    pub(super) async fn remote(&self, repository: &Repository) -> anyhow::Result<Remote> {
        self.reached(repository, self.server(repository)?).await
    }

    /// The trust server at this address, which an option names.
    pub(super) fn server_at(
        &self,
        repository: &Repository,
        address: &str,
        option: &'static str,
    ) -> anyhow::Result<Arc<TrustServer>> {
        self.options.server.connection.at(address, option).trust_server(repository, &self.client)
    }

    /// The repository at this trust server.
    pub(super) async fn reached(
        &self,
        repository: &Repository,
        server: Arc<TrustServer>,
    ) -> anyhow::Result<Remote> {
        Ok(Remote::new(
            Arc::clone(&self.client),
            server,
            repository.gun().clone(),
            repository.registry().to_owned(),
            access(DockerConfig::from_env().after_notary_auth(), repository).await?,
            self.options.server.timeout(),
        ))
    }

    /// Applies the operations and publishes.
    pub(super) async fn publish(
        &self,
        repository: &Repository,
        operations: &[Operation],
    ) -> anyhow::Result<Published> {
        let remote = self.remote(repository).await?;
        Ok(self.publisher(&remote).publish(operations).await?)
    }

    /// As [`Self::publish`]; where too few keys are here, what they sign is handed on.
    pub(super) async fn begin(
        &self,
        repository: &Repository,
        operations: &[Operation],
    ) -> anyhow::Result<Published> {
        let remote = self.remote(repository).await?;
        Ok(self.publisher(&remote).begin(operations).await?)
    }

    /// Deletes the repository's trust data.
    pub(super) async fn delete(&self, repository: &Repository, keeps_local: bool) -> anyhow::Result<()> {
        let remote = self.remote(repository).await?;
        let publisher = self.publisher(&remote);
        match keeps_local {
            true => publisher.delete_at_server().await?,
            false => publisher.delete().await?,
        }
        Ok(())
    }

    /// Reads the repository and verifies it as publishing does: nothing of it is too old, and where the trust directory knows
    /// no root, the one that the server shows is believed.
    pub(super) async fn read(&self, repository: &Repository) -> anyhow::Result<Arc<TrustedRepository>> {
        let remote = self.remote(repository).await?;
        Ok(self.publisher(&remote).look().await?)
    }

    /// Whether the trust directory has a root of the repository.
    pub(super) fn knows_root_of(&self, repository: &Repository) -> anyhow::Result<bool> {
        let files = self.dir.metadata(repository.gun())?;
        Ok(files.iter().any(|(role, _)| *role == RoleName::root()))
    }

    /// When each role of the repository ends, and who can renew it.
    pub(super) async fn ends(&self, repository: &Repository) -> anyhow::Result<Vec<RoleEnd>> {
        let remote = self.remote(repository).await?;
        Ok(self.publisher(&remote).ends().await?)
    }

    /// The repositories of the trust directory of which a key is here.
    pub(super) fn own_repositories(&self) -> anyhow::Result<Vec<Repository>> {
        let mut own = Vec::new();
        for gun in self.dir.repositories()? {
            if has_keys_of(&self.dir, &gun)? {
                own.push(Repository::whole(gun.as_str())?);
            }
        }
        Ok(own)
    }

    pub(super) fn publisher<'s>(&'s self, remote: &'s Remote) -> Publisher<'s> {
        Publisher {
            dir: &self.dir,
            remote,
            passphrases: &self.passphrases,
            clock: Arc::clone(&self.clock),
            patience: self.options.server.timeout(),
        }
    }
}

async fn access(credentials: DockerConfig, repository: &Repository) -> anyhow::Result<Access> {
    let image = repository.image();
    let found = credentials.credentials(image.registry(), image.repository()).await?;
    Ok(found.unwrap_or_default())
}
