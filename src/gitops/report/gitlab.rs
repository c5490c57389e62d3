//! GitLab's code quality report, which merge requests show: an array of what was found.

use std::io;

use serde::Serialize;

use super::Report;
use super::finding::{Finding, Level};

#[derive(Serialize)]
struct Issue<'a> {
    description: &'a str,
    check_name: &'static str,
    fingerprint: &'a str,
    severity: &'static str,
    location: At<'a>,
}

#[derive(Serialize)]
struct At<'a> {
    path: &'a str,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
}

/// The report as GitLab reads it.
pub(super) fn report(report: &Report<'_>) -> io::Result<String> {
    let findings = report.findings();
    let issues: Vec<_> = findings.iter().map(issue).collect();
    Ok(serde_json::to_string_pretty(&issues)?)
}

fn issue<'a>(finding: &'a Finding<'_>) -> Issue<'a> {
    let check_name = match (finding.reason, finding.level) {
        (Some(reason), _) => reason.as_str(),
        (None, Level::Undecided) => UNREADABLE,
        (None, _) => SOON,
    };
    Issue {
        description: &finding.message,
        check_name,
        fingerprint: &finding.fingerprint,
        severity: match finding.level {
            Level::Denied => "critical",
            Level::Undecided => "major",
            Level::Warned => "minor",
            Level::Soon => "info",
        },
        location: At { path: &finding.at.path, lines: Lines { begin: finding.at.place.line } },
    }
}

/// The name of the check that a file can be read.
const UNREADABLE: &str = "UnreadableFile";
/// The name of the check that nothing has to be done soon.
const SOON: &str = "Attention";
