//! `tagseal verify`: what the cluster would say of images, but for its own memory (floors and first-use pins).

mod files;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::docker_config::DockerConfig;
use super::manifests::{Judging, Manifests};
use super::output::{Format, print, print_json, tell};
use super::policy_files::Documents;
use super::{DENIED, UNDECIDED, from_cluster, policy_files};
use crate::admission::judge::{Circumstances, Fault, ImageVerdict, View};
use crate::clock::SystemClock;
use crate::foreign::Foreign;
use crate::gitops::report::{Form, ImageReport, image_text};
use crate::notary::NotaryClient;
use crate::policy::{ImageSite, Labels, Mutation, NamespaceView};
use crate::trust::{Grant, Resolver, TrustState};

/// Arguments of `tagseal verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images, as a pod spec names them.
    #[arg(required_unless_present_any = ["paths", "helm_values"], conflicts_with_all = ["paths", "helm_values"])]
    images: Vec<String>,
    #[command(flatten)]
    manifests: Manifests,
    /// YAML file with policies (and the config maps that they name); `-` is standard input. May be repeated. Beside --from-cluster, a
    /// policy of a file takes the place of the cluster's of the same name.
    #[arg(long = "policy", short = 'p', required_unless_present = "from_cluster", value_name = "FILE")]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    judging: Judging,
    /// Where in a pod IMAGES stand: exemptions may be for some sites alone.
    #[arg(long, value_name = "SITE", default_value = "containers", value_parser = site, conflicts_with_all = ["paths", "helm_values"])]
    site: ImageSite,
    /// How to print. Only text and json are for IMAGES.
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Output,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Text,
    /// Stable JSON, documented in `docs/`.
    Json,
    /// JUnit's XML.
    Junit,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Annotations of a GitHub workflow.
    Github,
    /// GitLab's code quality report.
    Gitlab,
}

impl Output {
    fn form(self) -> Form {
        match self {
            Self::Text => Form::Text,
            Self::Json => Form::Json,
            Self::Junit => Form::Junit,
            Self::Sarif => Form::Sarif,
            Self::Github => Form::Github,
            Self::Gitlab => Form::Gitlab,
        }
    }

    /// The form for images that stand in no file.
    fn without_places(self) -> anyhow::Result<Format> {
        match self {
            Self::Text => Ok(Format::Text),
            Self::Json => Ok(Format::Json),
            Self::Junit | Self::Sarif | Self::Github | Self::Gitlab => {
                anyhow::bail!(
                    "this output names the places of images in files: name the files with -f, or ask for -o json"
                )
            }
        }
    }
}

fn site(text: &str) -> Result<ImageSite, String> {
    let known = ImageSite::ALL.into_iter().find(|site| site.as_str() == text);
    known.ok_or_else(|| format!("expected one of {}", ImageSite::ALL.map(ImageSite::as_str).join(", ")))
}

/// Verifies the images, or those of the files. Exits 0 when all pass, 1 when one is denied, 2 when one could not be decided.
///
/// # Errors
/// When a policy file cannot be read or does not compile, or a cluster does not show what verdicts depend on.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.images.is_empty() {
        return files::run(&args);
    }
    let format = args.output.without_places()?;
    let runtime = super::runtime()?;
    let judging = &args.judging;
    let files = policy_files::read(&args.policies)?;
    if !judging.cluster.from_cluster {
        let set = policy_files::compile(&files, &judging.system_namespace, judging.policy.set_options())?;
        let view = View::new(Arc::new(set), labelled(&args, NamespaceView::unlabelled(&*judging.namespace)));
        let verdicts = runtime.block_on(judge(&args, &view, judging.storage.state()))?;
        return told(&verdicts, format);
    }
    anyhow::ensure!(
        judging.storage.state_dir.is_none(),
        "--state-dir is for verdicts without a cluster: with --from-cluster, floors and pins are the cluster's"
    );
    let settings = from_cluster::Settings {
        system_namespace: &judging.system_namespace,
        set: judging.policy.set_options(),
        files: &Documents::load(&files),
        namespace: Some(&judging.namespace),
    };
    let cluster = runtime.block_on(from_cluster::read(&judging.cluster, &settings))?;
    cluster.notes.iter().for_each(|note| tell(&format!("tagseal: {note}")));
    let namespace = labelled(&args, cluster.namespace(&judging.namespace));
    if cluster.is_excluded(&namespace) {
        let excluded = |image: &String| ImageReport::excluded(image, &judging.namespace);
        show(&args.images.iter().map(excluded).collect::<Vec<_>>(), format)?;
        return Ok(ExitCode::SUCCESS);
    }
    if namespace.labels.is_none() {
        let name = Foreign(&judging.namespace);
        tell(&format!(
            "tagseal: the cluster has no namespace {name}: every namespaceSelector of a policy counts as matching"
        ));
    }
    let view = View::new(Arc::clone(&cluster.policies), namespace);
    told(&runtime.block_on(judge(&args, &view, cluster.state))?, format)
}

/// The namespace, with the labels that the arguments give it.
fn labelled(args: &Args, namespace: NamespaceView) -> NamespaceView {
    match args.judging.labels.as_slice() {
        [] => namespace,
        labels => NamespaceView::new(namespace.name, Arc::new(labels.iter().cloned().collect::<Labels>())),
    }
}

fn told(verdicts: &[ImageVerdict], format: Format) -> anyhow::Result<ExitCode> {
    show(&verdicts.iter().map(ImageReport::of).collect::<Vec<_>>(), format)?;
    Ok(exit_code(verdicts))
}

fn show(reports: &[ImageReport], format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => print_json(&reports)?,
        Format::Text => reports.iter().for_each(|report| print(&image_text(report))),
    }
    Ok(())
}

async fn judge(args: &Args, view: &View, state: Arc<dyn TrustState>) -> anyhow::Result<Vec<ImageVerdict>> {
    // Connections are judged by the real clock, trust data by the one that was asked for.
    let source = Arc::new(NotaryClient::new(Arc::new(SystemClock)));
    let credentials = Arc::new(DockerConfig::from_env());
    let config = args.judging.storage.seeded_resolver();
    let clock = super::clock(args.judging.at);
    let now = clock.now();
    let resolver = Resolver::new(config, source, credentials, state, clock);
    let grant = Grant { namespace: args.judging.namespace.clone(), ..Grant::default() };
    let deadline = Instant::now() + Duration::from_secs(args.judging.timeout);
    let site = args.site;
    let circumstances = Circumstances { grant: &grant, deadline, dry_run: false, site, now };
    let verdicts = args.images.iter().map(|image| view.judge_image(&resolver, image, circumstances));
    let mut verdicts = futures::future::join_all(verdicts).await;
    for verdict in &mut verdicts {
        // Nothing would seal such an image in the cluster either.
        if verdict.passed().is_some_and(|passed| passed.mutation == Mutation::None) {
            verdict.require_seal();
        }
    }
    Ok(verdicts)
}

/// Mixed results: 1 beats 2 beats 0 (design §11).
fn exit_code(verdicts: &[ImageVerdict]) -> ExitCode {
    let faults: Vec<_> =
        verdicts.iter().filter_map(|verdict| verdict.headline()).map(|denial| denial.fault).collect();
    if faults.contains(&Fault::Untrusted) {
        ExitCode::from(DENIED)
    } else if faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(UNDECIDED)
    }
}
