//! `tagseal verify -f`: the same of every image in files, at its place.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use super::{Args, Output};
use crate::cli::output::{print, tell, write_exactly};
use crate::cli::progress::Progress;
use crate::cli::{DENIED, UNDECIDED};
use crate::gitops::judge::{Question, SiteVerdict, stored};
use crate::gitops::report::{Form, Paths, Report, Standing};
use crate::gitops::{Problem, Site};

/// Verifies the images of the files. Exits 0 when all pass, 1 when one is denied, 2 when one could not be decided or a file not be read.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let has_stdin = args.manifests.has_stdin();
    anyhow::ensure!(
        !(has_stdin && args.policies.iter().any(|path| path == Path::new("-"))),
        "standard input is either a manifest or a policy: name a file for one of the two"
    );
    let (input, scan) = args.manifests.read(&args.judging.namespace);
    input.notices.iter().chain(&scan.notices).for_each(|notice| tell(notice));
    let problems: Vec<Problem> = input.problems.into_iter().chain(scan.problems).collect();
    problems.iter().for_each(|problem| tell(&problem.to_string()));
    let questions: Vec<_> = scan.sites.iter().map(question).collect();
    let progress = Progress::new("images");
    let verdicts = args.judging.judge(&args.policies, &scan.namespaces, &questions, &|done, of| {
        progress.at(done, of);
    })?;
    drop(progress);
    let sites = scan.sites.into_iter().zip(verdicts);
    let sites: Vec<_> =
        sites.map(|(site, verdict)| SiteVerdict { site, verdict: verdict.map(stored) }).collect();
    let files: Vec<_> = input.files.into_iter().map(|file| file.name).collect();
    let paths = Paths::new(std::env::current_dir().context("the working directory is not known")?);
    let report = Report::new(&files, &sites, &problems, &paths);
    show(&report, args.output)?;
    Ok(match report.standing() {
        Standing::Passed => ExitCode::SUCCESS,
        Standing::Undecided => ExitCode::from(UNDECIDED),
        Standing::Denied => ExitCode::from(DENIED),
    })
}

fn question(site: &Site) -> Question {
    Question { namespace: site.namespace.clone(), image: site.image.clone(), image_site: site.image_site }
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
