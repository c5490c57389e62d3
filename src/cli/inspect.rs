//! `tagseal inspect`: a repository's signed tags, its roles and their keys, as the trust server has them now.

mod view;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use url::Url;

use self::view::{Failure, Inspection};
use super::docker_config::DockerConfig;
use super::output::{Format, print, print_json};
use super::settings::Storage;
use super::{DENIED, UNDECIDED};
use crate::clock::SystemClock;
use crate::image::ImageReference;
use crate::notary::NotaryClient;
use crate::policy::{
    CredentialsSource, Demand, DigestReferences, Freshness, Mutation, PolicyId, TrustServer,
};
use crate::trust::{Grant, Refusal, Report, ReportQuestion, Resolver};
use crate::tuf::{Anchor, Anchors, CaBundle, Gun, KeyId, PublicKey, RootRotation};

/// Arguments of `tagseal inspect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository, with its registry; a tag shows that tag alone.
    repository: String,
    /// The trust server; default: the registry's own host.
    #[arg(long, value_name = "URL", env = "DOCKER_CONTENT_TRUST_SERVER")]
    server: Option<Url>,
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
    /// PEM file with authorities for the connection; default: the system's.
    #[arg(long, value_name = "FILE")]
    ca_bundle: Option<PathBuf>,
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
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let subject = Subject::of(&args)?;
    match super::runtime()?.block_on(subject.report(&args))? {
        Ok(report) => {
            let inspection = Inspection::of(&subject, &report);
            match args.output {
                Format::Json => print_json(&inspection)?,
                Format::Text => print(&inspection.text(&subject)),
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(refusal) => {
            let failure = Failure::of(&subject, &refusal);
            match args.output {
                Format::Json => print_json(&failure)?,
                Format::Text => eprintln!("{}", failure.text()),
            }
            Ok(ExitCode::from(match refusal {
                Refusal::Untrusted(_) => DENIED,
                Refusal::Unavailable(_) => UNDECIDED,
            }))
        }
    }
}

/// What is inspected, and by what it is trusted.
struct Subject {
    image: ImageReference,
    /// The tag that was asked for, if one was.
    tag: Option<String>,
    gun: Gun,
    server: Arc<TrustServer>,
    anchors: Arc<Anchors>,
}

impl Subject {
    fn of(args: &Args) -> anyhow::Result<Self> {
        let image = ImageReference::parse(&args.repository)
            .with_context(|| format!("{:?} is not a repository", args.repository))?;
        if image.digest().is_some() {
            bail!("{}: name the repository, or a tag of it, without a digest", args.repository);
        }
        let gun = Gun::new(image.name())?;
        // `latest` may be the parser's own addition.
        let last = args.repository.rsplit('/').next().unwrap_or_default();
        let tag = image.tag().filter(|_| last.contains(':')).map(|tag| tag.as_str().to_owned());
        let url = match &args.server {
            Some(url) => url.clone(),
            None if image.registry() == "docker.io" => {
                bail!(
                    "name the trust server with --server or DOCKER_CONTENT_TRUST_SERVER: Docker Hub's own shuts down"
                )
            }
            None => format!("https://{}", image.registry())
                .parse()
                .context("no trust server at the registry's host")?,
        };
        let ca_pem = args.ca_bundle.as_deref().map(read).transpose()?.map(Arc::from);
        let server = Arc::new(TrustServer { url, ca_pem, token_realms: Vec::new() });
        Ok(Self { image, tag, gun, server, anchors: Arc::new(anchors(args)?) })
    }

    async fn report(&self, args: &Args) -> anyhow::Result<Result<Report, Refusal>> {
        // Connections are judged by the real clock, trust data by the one that was asked for.
        let source = Arc::new(NotaryClient::new(Arc::new(SystemClock)));
        let credentials = Arc::new(DockerConfig::from_env());
        let config = args.storage.seeded_resolver();
        let resolver =
            Resolver::new(config, source, credentials, args.storage.state(), super::clock(args.at));
        let question = ReportQuestion {
            demand: &self.demand(),
            registry: self.image.registry(),
            grant: &Grant::default(),
            deadline: Instant::now() + Duration::from_secs(args.timeout),
        };
        Ok(resolver.report(question).await)
    }

    /// What a policy that pins these anchors would ask, as far as a report looks at it.
    fn demand(&self) -> Demand {
        Demand {
            policy: Arc::new(PolicyId { namespace: None, name: "inspect".to_owned() }),
            server: Arc::clone(&self.server),
            gun: self.gun.clone(),
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
    Ok(Anchors { anchors, rotation: RootRotation::Follow, first_use: args.first_use })
}

fn read(path: impl AsRef<std::path::Path>) -> anyhow::Result<String> {
    let path = path.as_ref();
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
