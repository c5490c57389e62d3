//! `tagseal verify -f`: the same of every image in files, at its place.

use std::process::ExitCode;

use anyhow::Context as _;

use super::{Args, Output};
use crate::cli::exit_code;
use crate::cli::output::{print, tell, write_exactly};
use crate::cli::progress::Progress;
use crate::gitops::Problem;
use crate::gitops::judge::{Question, SiteVerdict, stored};
use crate::gitops::report::{Form, Paths, Report, Standing};

/// Verifies the images of the files. Exits 0 when all pass, 1 when one is denied, 2 when one could not be decided or a file not be read.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    args.manifests.read_stdin_once(&args.policies)?;
    let (input, scan) = args.manifests.read(&args.judging.namespace);
    input.notices.iter().chain(&scan.notices).for_each(|notice| tell(notice));
    let problems: Vec<Problem> = input.problems.into_iter().chain(scan.problems).collect();
    problems.iter().for_each(|problem| tell(&problem.to_string()));
    let questions: Vec<_> = scan.sites.iter().map(Question::from).collect();
    let progress = Progress::new("images");
    let verdicts = args.judging.judge(&args.policies, &scan.namespaces, &questions, &|done, of| {
        progress.at(done, of);
    })?;
    drop(progress);
    let sites = scan.sites.into_iter().zip(verdicts);
    let sites: Vec<_> = sites
        .map(|(site, verdict)| {
            let verdict = verdict.map(|verdict| stored(verdict, site.subject));
            SiteVerdict { site, verdict }
        })
        .collect();
    let files: Vec<_> = input.files.into_iter().map(|file| file.name).collect();
    let paths = Paths::new(std::env::current_dir().context("the working directory is not known")?);
    let report = Report::new(&files, &sites, &problems, &paths);
    show(&report, args.output)?;
    let standing = report.standing();
    Ok(exit_code(standing == Standing::Denied, standing == Standing::Undecided))
}

fn show(report: &Report<'_>, output: Output) -> anyhow::Result<()> {
    if report.is_empty() {
        tell("tagseal: the files name no image");
    }
    let form = output.form();
    let text = report.write(form)?;
    match form {
        // A report without a line is no line.
        Form::Text | Form::Github if text.is_empty() => Ok(()),
        Form::Text | Form::Github => {
            print(&text);
            Ok(())
        }
        Form::Json | Form::Junit | Form::Sarif | Form::Gitlab => write_exactly(&(text + "\n")),
    }
}
