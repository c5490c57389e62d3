//! Options that the publisher's commands share.

use std::path::PathBuf;

use crate::cli::authorities::docker_directory;
use crate::cli::connection::Connection;
use crate::cli::output::Format;
use crate::cli::passphrases::{FdSource, PassphraseSources};
use crate::publish::trust_dir::TrustDir;

/// Where keys are, and who knows their passphrases.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct KeyOptions {
    /// Keys and metadata, in docker's and notary's layout; default: `trust` in docker's configuration folder.
    #[arg(long, visible_alias = "trustDir", short = 'd', value_name = "DIR")]
    trust_dir: Option<PathBuf>,
    /// Read a passphrase from this file descriptor: of the keys of ROLE (root, targets, snapshot, delegation, or a
    /// signer's name), or of all. May be repeated.
    #[arg(long = "passphrase-fd", value_name = "[ROLE=]N")]
    passphrase_fds: Vec<FdSource>,
}

impl KeyOptions {
    /// The trust directory's path.
    pub(super) fn path(&self) -> anyhow::Result<PathBuf> {
        match &self.trust_dir {
            Some(path) => Ok(path.clone()),
            None => Ok(docker_directory()?.join("trust")),
        }
    }

    /// The trust directory, opened.
    pub(super) fn open(&self) -> anyhow::Result<TrustDir> {
        Ok(TrustDir::open(&self.path()?)?)
    }

    /// Whom to ask for passphrases.
    pub(super) fn passphrases(&self) -> PassphraseSources {
        PassphraseSources::of_process(&self.passphrase_fds)
    }
}

/// Which trust server, how it is reached, and for how long.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ServerOptions {
    #[command(flatten)]
    pub(super) connection: Connection,
    /// How long one request may take, and how long to go on trying while others publish to the repository.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

impl ServerOptions {
    /// How long one request may take, and others who publish are waited for.
    pub(super) fn timeout(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.timeout)
    }
}

/// All that publishing takes.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) keys: KeyOptions,
    #[command(flatten)]
    pub(super) server: ServerOptions,
    /// How to print.
    #[arg(long, short = 'o', value_enum, default_value_t)]
    pub(super) output: Format,
}
