//! What `tagseal pin -o json` prints. The names are an interface: see `docs/cli.md`.

use serde::Serialize;

use super::Outcome;
use crate::gitops::{ObjectId, Place, Site};

/// One file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileReport<'a> {
    file: &'a str,
    /// Whether digests are missing in it, or others are to stand there.
    changes: bool,
    /// Whether it was written.
    written: bool,
    pins: Vec<PinReport<'a>>,
    refused: Vec<Refused<'a>>,
    problems: Vec<ProblemReport<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
}

/// Where an image stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct At<'a> {
    line: usize,
    column: usize,
    field: &'a str,
    object: &'a ObjectId,
    image: &'a str,
}

#[derive(Debug, Serialize)]
struct PinReport<'a> {
    #[serde(flatten)]
    at: At<'a>,
    sealed: &'a str,
    digest: &'a str,
    from: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Refused<'a> {
    #[serde(flatten)]
    at: At<'a>,
    reason: &'static str,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct ProblemReport<'a> {
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
}

/// One element for each file, then for what could not be read at all.
pub(super) fn report(outcome: &Outcome, with_diff: bool) -> Vec<FileReport<'_>> {
    let files = &outcome.input.files;
    let mut names: Vec<&str> = files.iter().map(|file| &*file.name).collect();
    for problem in &outcome.problems {
        if !names.contains(&&*problem.file) {
            names.push(&problem.file);
        }
    }
    let reports = names.into_iter().enumerate();
    reports
        .map(|(index, name)| file_report(outcome, name, (index < files.len()).then_some(index), with_diff))
        .collect()
}

fn file_report<'a>(
    outcome: &'a Outcome,
    name: &'a str,
    index: Option<usize>,
    with_diff: bool,
) -> FileReport<'a> {
    let change = outcome.plan.changes.iter().find(|change| Some(change.file) == index);
    let pins = change.into_iter().flat_map(|change| &change.pins).map(|pin| PinReport {
        at: at(outcome.site(pin.site), pin.place),
        sealed: &pin.after,
        digest: &pin.to,
        from: pin.from.as_deref(),
    });
    let refusals =
        outcome.plan.refusals.iter().filter(|refusal| Some(outcome.site(refusal.site).file) == index);
    let refused = refusals.map(|refusal| {
        let site = outcome.site(refusal.site);
        Refused { at: at(site, site.place), reason: refusal.reason.as_str(), message: &refusal.message }
    });
    let problems =
        outcome.problems.iter().filter(|problem| problem.file == name).map(|problem| ProblemReport {
            line: problem.place.map(|place| place.line),
            column: problem.place.map(|place| place.column),
            message: &problem.message,
        });
    FileReport {
        file: name,
        changes: change.is_some(),
        written: outcome.written && change.is_some(),
        pins: pins.collect(),
        refused: refused.collect(),
        problems: problems.collect(),
        diff: change.filter(|_| with_diff).map(|change| outcome.diff(change)),
    }
}

fn at(site: &Site, place: Place) -> At<'_> {
    let Site { field, object, image, .. } = site;
    At { line: place.line, column: place.column, field, object, image }
}
