//! The report as JUnit's XML: a suite for each file, a test case for each site.

use std::collections::HashMap;
use std::io;

use super::{ProblemReport, Report, SiteReport, Word};
use crate::foreign::one_line;
use crate::gitops::junit::{Case, Failure, Outcome, Suite, document};
use crate::policy::Reason;

/// The report as XML.
pub(super) fn report(report: &Report<'_>) -> io::Result<String> {
    document("tagseal", &suites(report))
}

/// A suite for each file that has a site or a problem, in the files' order; then one for each that was not even found.
fn suites<'a>(report: &'a Report<'_>) -> Vec<Suite<'a>> {
    let mut by_file: HashMap<&str, Suite<'a>> = HashMap::new();
    let mut order: Vec<&str> = report.files.iter().map(String::as_str).collect();
    let problems = report.problems.iter();
    let problems = problems.map(|one| (one.problem.file.as_str(), one.path(), of_problem(one)));
    let sites = report.sites.iter().map(|site| (site.file.as_str(), site.path.as_str(), of_site(site)));
    for (file, name, case) in problems.chain(sites) {
        if !by_file.contains_key(file) && !order.contains(&file) {
            order.push(file);
        }
        by_file.entry(file).or_insert_with(|| Suite { name, cases: Vec::new() }).cases.push(case);
    }
    let mut suites: Vec<_> = order.into_iter().filter_map(|file| by_file.remove(file)).collect();
    suites.iter_mut().for_each(Suite::tell_apart);
    suites
}

/// The test case of one image site.
fn of_site(site: &SiteReport) -> Case<'_> {
    let image = &site.image;
    let name = [site.object_name(), site.field.clone()];
    let name: Vec<_> = name.into_iter().filter(|part| !part.is_empty()).collect();
    let message =
        |text: &str| one_line(&format!("{}: {}", site.place(), site.says(text)), usize::MAX).into_owned();
    let failure = || Failure {
        kind: image.reason.map_or("", Reason::as_str).to_owned(),
        text: message(image.message.as_deref().unwrap_or_default()),
    };
    let outcome = match image.verdict {
        Word::Denied => Outcome::Failed(failure()),
        Word::Unavailable => Outcome::Errored(failure()),
        Word::Unmatched => Outcome::Skipped("no policy matches this image".to_owned()),
        Word::Excluded => Outcome::Skipped(image.message.clone().unwrap_or_default()),
        Word::Sealed | Word::Admitted | Word::Exempt => Outcome::Passed,
    };
    let warnings = image.warnings.iter().map(|warning| format!("warning: {}", warning.text));
    let exemptions = image.exemptions.iter().map(super::text::exemption);
    let location = &site.shown_at;
    Case {
        name: name.join(" "),
        file: &location.path,
        line: Some(location.place.line),
        outcome,
        remarks: warnings.chain(exemptions).collect(),
    }
}

/// Of a file that cannot be read.
fn of_problem<'a>(problem: &'a ProblemReport<'_>) -> Case<'a> {
    let location = &problem.shown_at;
    let failure = Failure {
        kind: "UnreadableFile".to_owned(),
        text: one_line(&problem.problem.to_string(), usize::MAX).into_owned(),
    };
    Case {
        name: match problem.problem.place {
            Some(place) => format!("can be read at {place}"),
            None => "can be read".to_owned(),
        },
        file: &location.path,
        line: Some(location.place.line),
        outcome: Outcome::Errored(failure),
        remarks: Vec::new(),
    }
}
