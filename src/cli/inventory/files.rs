//! `tagseal inventory -f`: the same of what files declare.

use std::process::ExitCode;

use super::{Args, show};
use crate::cli::judging::Judging;
use crate::cli::output::tell;
use crate::gitops::inventory::{answers, declared};

/// Takes stock of the files.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        args.cluster.from_cluster || !args.policies.is_empty(),
        "files are judged by policies: name them with --policy, or a cluster that has them with --from-cluster"
    );
    args.manifests.read_stdin_once(&args.policies)?;
    let judging = Judging {
        cluster: args.cluster.clone(),
        namespace: args.namespace.clone().unwrap_or_else(|| "default".to_owned()),
        labels: Vec::new(),
        system_namespace: args.system_namespace.clone(),
        policy: args.policy.clone(),
        storage: args.storage.clone(),
        at: args.at,
        timeout: args.timeout,
    };
    let (input, scan) = args.manifests.read(&judging.namespace);
    input.notices.iter().chain(&scan.notices).for_each(|notice| tell(notice));
    let problems = input.problems.iter().chain(&scan.problems).map(ToString::to_string).collect();
    let collected = declared(&input.files, &scan.sites);
    let questions: Vec<_> = collected.questions().into_iter().collect();
    let verdicts = judging.judge(&args.policies, &scan.namespaces, &questions, &|_, _| {})?;
    let rows = collected.rows(&answers(questions, verdicts), judging.clock().now());
    show(args, &rows, 0, problems)
}
