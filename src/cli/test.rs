//! `tagseal test`: policies against cases.

mod recording;
mod sources;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;

use self::sources::Source;
use super::durations::duration;
use super::output::{print, print_json, tell};
use super::policy_files::{Compiled, Documents};
use super::settings::{Policies, SYSTEM_NAMESPACE};
use crate::foreign::Foreign;
use crate::gitops::Problem;
use crate::gitops::cases::{self, Court, Judged, Outcome, PolicySource, Test};
use crate::policy::{NoObjects, PolicySet, SetOptions, load};

/// Arguments of `tagseal test`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// YAML file with tests: policies, and what they are expected to say of images.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Ask the trust servers that the policies name, write what they answer into the folders that the tests name, and run the
    /// tests from there.
    #[arg(long)]
    record: bool,
    /// tagseal's own namespace in the cluster, where cluster policies' config maps are looked up.
    #[arg(long, value_name = "NAME", default_value = SYSTEM_NAMESPACE)]
    system_namespace: String,
    #[command(flatten)]
    policy: Policies,
    /// Tolerance for clocks when expiry is judged.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    clock_skew: SignedDuration,
    /// How long each answer of a live server may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// How to print.
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Format {
    /// A line for each case, and what is otherwise than expected.
    #[default]
    Text,
    /// Stable JSON, documented in `docs/`.
    Json,
    /// JUnit XML.
    Junit,
}

/// A test whose policies compile.
struct Ready {
    test: Test,
    policies: Arc<PolicySet>,
    /// The folder that relative paths start from.
    base: PathBuf,
}

/// Runs the tests. Exits 0 when all cases are as expected, 1 when one is not, 2 when a file cannot be read, a policy does not
/// compile or a case cannot be decided. 1 beats 2 beats 0.
///
/// # Errors
/// When the runtime does not start, or the output has no form.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut problems = Vec::new();
    let ready: Vec<Ready> = args.files.iter().flat_map(|file| args.read(file, &mut problems)).collect();
    let judged = super::runtime()?.block_on(args.judge(&ready, &mut problems));
    problems.iter().for_each(|problem| tell(&problem.to_string()));
    match args.output {
        Format::Text => {
            judged.iter().for_each(|judged| print(&cases::text(judged)));
            print(&cases::summary(&judged));
        }
        Format::Json => print_json(&cases::json(&judged))?,
        Format::Junit => print(&cases::junit(&judged, &problems)?),
    }
    Ok(exit(&judged, &problems))
}

fn exit(judged: &[Judged], problems: &[Problem]) -> ExitCode {
    let any = |outcome| judged.iter().any(|judged| judged.compared.outcome == outcome);
    super::exit_code(any(Outcome::Failed), any(Outcome::Undecided) || !problems.is_empty())
}

impl Args {
    /// The tests of a file whose policies compile; every problem of the others is told.
    fn read(&self, path: &Path, problems: &mut Vec<Problem>) -> Vec<Ready> {
        let (name, is_input) = (path.display().to_string(), path == Path::new("-"));
        let text = match is_input {
            true => std::io::read_to_string(std::io::stdin()),
            false => std::fs::read_to_string(path),
        };
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                let message = format!("cannot be read: {error}");
                problems.push(Problem { file: name, place: None, message });
                return Vec::new();
            }
        };
        let base = if is_input { None } else { path.parent() }.unwrap_or(Path::new("")).to_owned();
        let (tests, mut found) = cases::read(&name, &text);
        problems.append(&mut found);
        let ready = tests.into_iter().filter_map(|test| self.compile(test, &base, problems));
        ready.collect()
    }

    fn compile(&self, mut test: Test, base: &Path, problems: &mut Vec<Problem>) -> Option<Ready> {
        let before = problems.len();
        let mut documents = Documents::default();
        for source in std::mem::take(&mut test.policies) {
            match source {
                PolicySource::Inline(file) => documents.add(Ok(file)),
                PolicySource::File { path, place } => {
                    let file = base.join(&path);
                    match std::fs::read_to_string(&file) {
                        Ok(text) => documents.add(load(&file.display().to_string(), &text)),
                        Err(error) => problems.push(Problem {
                            file: test.file.clone(),
                            place: Some(place),
                            message: format!("the policy file {} cannot be read: {error}", Foreign(&path)),
                        }),
                    }
                }
            }
        }
        let options = self.policy.set_options();
        let options = SetOptions { unmatched: test.unmatched.unwrap_or(options.unmatched), ..options };
        match documents.compile(&self.system_namespace, &NoObjects, &options) {
            Ok(Compiled { policies, exemptions }) if problems.len() == before => {
                let policies = PolicySet::new(policies, options).with_exemptions(exemptions);
                Some(Ready { test, policies: Arc::new(policies), base: base.to_owned() })
            }
            Ok(_) => None,
            Err(error) => {
                problems.extend(error.into_errors().into_iter().map(Problem::from));
                None
            }
        }
    }

    /// Judges the cases of all tests, one test after the other.
    async fn judge(&self, ready: &[Ready], problems: &mut Vec<Problem>) -> Vec<Judged> {
        let mut seen = match self.record {
            true => recording::record(self, ready, problems).await,
            false => Vec::new(),
        }
        .into_iter();
        let mut judged = Vec::new();
        for Ready { test, policies, base } in ready {
            if let Some(seen) = seen.next().flatten() {
                judged.extend(seen);
                continue;
            }
            match Source::of(test, base) {
                Ok(source) => judged.extend(self.judge_by(test, policies, &source).await),
                Err(problem) => problems.push(problem),
            }
        }
        judged
    }

    async fn judge_by(&self, test: &Test, policies: &Arc<PolicySet>, source: &Source) -> Vec<Judged> {
        let clock = source.clock(test);
        let resolver = source.resolver(&clock, self.clock_skew);
        let deadline = || Instant::now() + Duration::from_secs(self.timeout);
        let court = Court {
            policies: Arc::clone(policies),
            resolver: &*resolver,
            now: clock.now(),
            deadline: &deadline,
        };
        cases::judge(&court, test).await
    }
}
