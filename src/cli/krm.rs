//! `tagseal krm`: pins or verifies the items of a `ResourceList`, as a function of kustomize and kpt.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::judging::Judging;
use super::output::{tell, write_exactly};
use super::policy_files::{self, Documents};
use super::{UNDECIDED, exit_code};
use crate::foreign::one_line;
use crate::gitops::judge::stored;
use crate::gitops::krm::{FunctionConfig, Mode, Output, ResourceList, outcome};
use crate::gitops::pin::{plan, questions};
use crate::gitops::{ImagePath, Problem, ScanOptions, scan};

/// More than any cluster's manifests.
const MAX_INPUT: u64 = 256 * 1024 * 1024;
/// What messages call standard input.
const STDIN: &str = "-";

/// Arguments of `tagseal krm`. What `functionConfig` says comes first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// YAML file with policies (and the config maps that they name), besides those of functionConfig. May be repeated.
    #[arg(long = "policy", short = 'p', value_name = "FILE", num_args = 1..)]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    judging: Judging,
    /// Where another kind holds images, besides those of functionConfig: as in Rollout.argoproj.io=spec.template.spec. May be repeated.
    #[arg(long = "image-path", value_name = "KIND[.GROUP]=PATH", num_args = 1..)]
    image_paths: Vec<ImagePath>,
    /// Move pins whose tag is signed for another digest now.
    #[arg(long)]
    update: bool,
}

/// Reads a `ResourceList` and prints it with pins and results. Exits 0 when all is well, 1 when an image is denied, 2 when
/// something could not be decided or read.
///
/// # Errors
/// When a policy file cannot be read or does not compile, or there is no policy.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    are_files(&args.policies)?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut bytes)?;
    anyhow::ensure!(bytes.len() as u64 <= MAX_INPUT, "standard input is longer than {} MiB", MAX_INPUT >> 20);
    let read = ResourceList::read(STDIN, &bytes).and_then(|list| list.config().map(|config| (list, config)));
    match read {
        Ok((list, config)) => answer(args, &list, config),
        Err(problems) => {
            problems.iter().for_each(|problem: &Problem| tell(&one_line(&problem.to_string(), usize::MAX)));
            Ok(ExitCode::from(UNDECIDED))
        }
    }
}

/// Standard input can be read once.
fn are_files(policies: &[PathBuf]) -> anyhow::Result<()> {
    anyhow::ensure!(
        !policies.iter().any(|path| path == Path::new("-")),
        "standard input is the ResourceList: name a file for the policies"
    );
    Ok(())
}

fn answer(args: Args, list: &ResourceList, config: FunctionConfig) -> anyhow::Result<ExitCode> {
    let Args { mut policies, mut judging, mut image_paths, update } = args;
    let FunctionConfig {
        mode,
        policy_files,
        policies: inline,
        namespace,
        image_paths: more,
        update: updates,
        output,
    } = config;
    policies.extend(policy_files.into_iter().map(PathBuf::from));
    are_files(&policies)?;
    image_paths.extend(more);
    judging.namespace = namespace.unwrap_or(judging.namespace);
    anyhow::ensure!(
        judging.cluster.from_cluster || !policies.is_empty() || !inline.is_empty(),
        "no policies: name them in spec.policyFiles or spec.policies of functionConfig, or with --policy"
    );
    let mut documents = Documents::load(&policy_files::read(&policies)?);
    inline.into_iter().for_each(|file| documents.add(Ok(file)));

    let options = ScanOptions { namespace: judging.namespace.clone(), image_paths };
    let files = std::slice::from_ref(list.file());
    let scan = scan(files, &options);
    let is_update = mode == Mode::Pin && (update || updates);
    let questions = questions(&scan, is_update);
    let mut verdicts = judging.judge_by(&documents, &scan.namespaces, &questions, &|_, _| {})?;
    if mode == Mode::Verify {
        let of_sites = verdicts.into_iter().zip(&scan.sites);
        verdicts = of_sites.map(|(verdict, site)| Some(stored(verdict?, site.subject))).collect();
    }
    let mover = if is_update { "" } else { "`update: true` in a PinImages" };
    let mut plan = plan(files, &scan, &verdicts, mover);
    if mode == Mode::Verify {
        // What stands against writing a digest stands against no image.
        plan.changes.clear();
        plan.problems.clone_from(&scan.problems);
    }
    let outcome = outcome(list, &scan, &plan, output == Output::Items);
    scan.notices.iter().chain(&outcome.errors).for_each(|line| tell(&one_line(line, usize::MAX)));
    if let Some(text) = &outcome.text {
        write_exactly(text)?;
    }
    Ok(exit_code(outcome.is_denied, outcome.is_undecided))
}
