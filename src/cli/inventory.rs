//! `tagseal inventory`: every image that runs in a cluster, or is declared there or in files, and whether it would be admitted.

mod files;
mod listing;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use jiff::Timestamp;
use serde::Serialize;

use super::judging::Basis;
use super::manifests::Manifests;
use super::output::{Format, print, print_json, table, tell};
use super::policy_files::Documents;
use super::settings::{Policies, SYSTEM_NAMESPACE, Storage};
use super::{exit_code, from_cluster, policy_files};
use crate::controller::ClusterReader;
use crate::foreign::Foreign;
use crate::gitops::inventory::{Collected, HEADING, Row, Standing, answers, cells, summary};

/// The option that a plugin of kubectl need not be given.
pub const FROM_CLUSTER: &str = "--from-cluster";

/// Whether an argument says what to take stock of.
pub fn says_where(argument: &OsStr) -> bool {
    let argument = argument.to_string_lossy();
    let files = ["-f", "--filename", "--helm-values"];
    argument == FROM_CLUSTER || files.iter().any(|option| argument.starts_with(option))
}

/// Arguments of `tagseal inventory`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    cluster: from_cluster::Args,
    #[command(flatten)]
    manifests: Manifests,
    /// Of this namespace alone; default: of all. With files, the namespace of what names none.
    #[arg(long, short = 'n', value_name = "NAME")]
    namespace: Option<String>,
    /// Of all namespaces, which is the default.
    #[arg(long, short = 'A', conflicts_with = "namespace")]
    all_namespaces: bool,
    /// YAML file with a policy or exemption that takes the place of the cluster's of the same name, or stands beside the others; `-` is
    /// standard input. May be repeated.
    #[arg(long = "policy", short = 'p', value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// Only rows that stand so. May be repeated. The exit status is that of all rows.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHICH")]
    only: Vec<Only>,
    /// At most so many pods. If there are more, the rest is left out, which is told and ends with status 2.
    #[arg(long, value_name = "PODS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    limit: u32,
    /// tagseal's own namespace in the cluster, where cluster policies' config maps are looked up.
    #[arg(long, value_name = "NAME", default_value = SYSTEM_NAMESPACE)]
    system_namespace: String,
    #[command(flatten)]
    policy: Policies,
    #[command(flatten)]
    storage: Storage,
    /// Judge as of this time, RFC 3339: what would be refused then?
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// How long the answer about one image may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// How to print.
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
}

/// Which rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    /// What would be refused, now or anew, and what could not be decided.
    Failing,
    /// What passes and ends within 30 days, superseded digests among them.
    Ending,
    /// What would get another digest if it were created anew.
    Changing,
    /// What no policy that denies has judged: warned of, unmatched, excluded or exempt.
    Uncovered,
}

impl Only {
    fn holds(self, standing: Standing) -> bool {
        match self {
            Self::Failing => standing.fails(),
            Self::Ending => standing == Standing::Ending,
            Self::Changing => standing == Standing::Changing,
            Self::Uncovered => standing.is_uncovered(),
        }
    }
}

/// What `-o json` prints. The names are an interface: see `docs/cli.md`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    /// Whether nothing was left out.
    complete: bool,
    left_out: Vec<String>,
    /// Pods that were looked at.
    pods: usize,
    images: Vec<&'a Row>,
}

/// Takes stock. Exits 0 when all is well, 1 when something that runs or is declared would be refused, 2 when something could not be
/// decided or was left out.
///
/// # Errors
/// When the cluster cannot be read, or a policy file does not compile.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if !(args.manifests.paths.is_empty() && args.manifests.helm_values.is_empty()) {
        return files::run(args);
    }
    ensure!(
        args.cluster.from_cluster,
        "name the cluster that is to be looked at: --from-cluster, with --context or --kubeconfig where it is not the current one; or \
         files, with -f"
    );
    args.storage.leave_state_to_cluster()?;
    let files = Documents::load(&policy_files::read(&args.policies)?);
    super::runtime()?.block_on(take(args, &files))
}

async fn take(args: &Args, files: &Documents) -> anyhow::Result<ExitCode> {
    let reader = ClusterReader::new(from_cluster::connect(&args.cluster.address).await?);
    let settings = from_cluster::Settings {
        system_namespace: &args.system_namespace,
        set: args.policy.set_options(),
        files,
        namespace: args.namespace.as_deref(),
    };
    let covered = args.cluster.covered(&args.system_namespace);
    let (cluster, listed) = tokio::join!(
        from_cluster::read_by(&reader, covered, &settings),
        listing::list(&reader, args.namespace.as_deref(), args.limit),
    );
    let (cluster, listed) = from_cluster::both(cluster, listed)?;
    cluster.tell_notes();
    let (pods, left_out) = (listed.pods.len(), listed.left_out);
    let collected = Collected::of(listed.pods, listed.templates);
    let clock = super::clock(args.at);
    let now = clock.now();
    let timeout = Duration::from_secs(args.timeout);
    let questions: Vec<_> = collected.questions().into_iter().collect();
    let verdicts = Basis::from(cluster).judge(&questions, &args.storage, clock, timeout, &|_, _| {}).await;
    let rows = collected.rows(&answers(questions, verdicts), now);
    show(args, &rows, pods, left_out)
}

/// Prints what is wanted of the rows. How it ends is by all of them, and by whether anything was left out.
fn show(args: &Args, rows: &[Row], pods: usize, left_out: Vec<String>) -> anyhow::Result<ExitCode> {
    let is_wanted =
        |row: &&Row| args.only.is_empty() || args.only.iter().any(|only| only.holds(row.standing));
    let shown: Vec<&Row> = rows.iter().filter(is_wanted).collect();
    left_out.iter().for_each(|what| tell(&format!("tagseal: {what}")));
    let exit = exit(rows, left_out.is_empty());
    match args.output {
        Format::Json => {
            print_json(&Report { complete: left_out.is_empty(), left_out, pods, images: shown })?;
        }
        Format::Text => {
            if !shown.is_empty() {
                print(&table(&HEADING, &shown.iter().map(|row| cells(row)).collect::<Vec<_>>()));
            }
            print(&summary(rows));
        }
    }
    Ok(exit)
}

fn exit(rows: &[Row], is_complete: bool) -> ExitCode {
    let any = |standing: Standing| rows.iter().any(|row| row.standing == standing);
    exit_code(any(Standing::Refused) || any(Standing::RefusedAnew), any(Standing::Undecided) || !is_complete)
}

/// Says which pods were not listed. The API server lists by namespace and name.
fn after(namespace: &str, name: &str, limit: u32) -> String {
    format!(
        "there are more than {limit} pods: those after {}/{}, by namespace and name, are left out; raise --limit, or look at one \
         namespace with -n",
        Foreign(namespace),
        Foreign(name)
    )
}
