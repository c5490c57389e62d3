//! `tagseal inspect`: a repository's signed tags, its roles and their keys, as the trust server has them now.

mod view;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;

use self::view::{Failure, Inspection};
use super::connection::Connection;
use super::output::{Format, print, print_json, tell};
use super::reading::Reading;
use super::repository::{Repository, read};
use super::settings::{Storage, client};
use super::{DENIED, UNDECIDED};
use crate::trust::{Refusal, ResolverConfig};
use crate::tuf::{Anchor, Anchors, CaBundle, KeyId, PublicKey, RootRotation};

/// Arguments of `tagseal inspect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository, with its registry; a tag shows that tag alone.
    repository: String,
    #[command(flatten)]
    connection: Connection,
    /// A canonical root key ID that must vouch for the root. May be repeated.
    #[arg(long = "root-key", value_name = "KEYID")]
    root_keys: Vec<String>,
    /// PEM file with the root's certificate or public key. May be repeated.
    #[arg(long = "root-certificate", value_name = "FILE")]
    root_certificates: Vec<PathBuf>,
    /// PEM file with authorities that the root's certificate must chain to. May be repeated.
    #[arg(long = "root-ca", value_name = "FILE")]
    root_cas: Vec<PathBuf>,
    /// Trust the root that the server shows first; with --state-dir it is pinned.
    #[arg(long, conflicts_with_all = ["root_keys", "root_certificates", "root_cas"])]
    first_use: bool,
    #[command(flatten)]
    storage: Storage,
    /// Verify as of this time, RFC 3339.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// How long the answer may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// How to print.
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
}

/// Shows the repository. Exits 0 when it verifies, 1 when it does not, 2 when that could not be decided.
///
/// # Errors
/// When the arguments cannot be used.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    show(args, &args.storage.seeded_resolver())
}

/// As [`run`], with a resolver that is set up like this.
///
/// # Errors
/// When the arguments cannot be used.
pub(super) fn show(args: &Args, config: &ResolverConfig) -> anyhow::Result<ExitCode> {
    let reading = args.reading()?;
    let clock = super::clock(args.at);
    let timeout = Duration::from_secs(args.timeout);
    let report = reading.report(config.clone(), args.storage.state(), clock, timeout);
    match super::runtime()?.block_on(report) {
        Ok(report) => {
            let inspection = Inspection::of(&reading, &report);
            match args.output {
                Format::Json => print_json(&inspection)?,
                Format::Text => print(&inspection.text()),
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(refusal) => {
            let failure = Failure::of(&reading, &refusal);
            match args.output {
                Format::Json => print_json(&failure)?,
                Format::Text => tell(&failure.text()),
            }
            Ok(ExitCode::from(match refusal {
                Refusal::Untrusted(_) => DENIED,
                Refusal::Unavailable(_) => UNDECIDED,
            }))
        }
    }
}

impl Args {
    /// Whether a cache is named, whose own seed is used then.
    pub(super) fn has_cache(&self) -> bool {
        self.storage.cache_dir.is_some()
    }

    /// The same resolver, with the tolerance for clocks that was asked for.
    pub(super) fn tolerant(&self, config: ResolverConfig) -> ResolverConfig {
        ResolverConfig { clock_skew: self.storage.clock_skew, ..config }
    }

    /// What is read, and by what it is trusted.
    fn reading(&self) -> anyhow::Result<Reading> {
        let repository = Repository::without_digest(&self.repository)?;
        let client = Arc::new(client().for_command_line());
        let server = self.connection.trust_server(&repository, &client)?;
        Ok(Reading { repository, client, server, anchors: Arc::new(anchors(self)?) })
    }
}

fn anchors(args: &Args) -> anyhow::Result<Anchors> {
    let mut anchors = Vec::new();
    for id in &args.root_keys {
        anchors.push(Anchor::KeyId(KeyId::from_hex(id).context("--root-key")?));
    }
    for path in &args.root_certificates {
        let key = PublicKey::from_pem(&read(path)?);
        anchors
            .push(Anchor::PublicKey(key.with_context(|| format!("--root-certificate {}", path.display()))?));
    }
    for path in &args.root_cas {
        let bundle = CaBundle::from_pem(&read(path)?);
        anchors.push(Anchor::Ca(bundle.with_context(|| format!("--root-ca {}", path.display()))?));
    }
    Ok(Anchors::new(anchors, RootRotation::Follow, args.first_use))
}
