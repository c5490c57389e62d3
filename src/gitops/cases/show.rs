//! How judged cases are shown: text for people, JSON for programs.

use serde::Serialize;

use super::compare::Outcome;
use super::judge::Judged;
use crate::foreign::{Foreign, one_line};
use crate::gitops::report::ImageReport;
use crate::policy::Labels;

/// What `-o json` prints of a case. The names are an interface: see `docs/cli.md`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Element<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    name: Option<&'a str>,
    namespace: &'a str,
    namespace_labels: &'a Labels,
    site: &'static str,
    result: &'static str,
    differences: Vec<Different<'a>>,
    #[serde(flatten)]
    said: &'a ImageReport,
}

/// What is otherwise than expected.
#[derive(Debug, Serialize)]
struct Different<'a> {
    field: &'static str,
    expected: &'a str,
    got: &'a str,
}

/// The elements of the array that `-o json` prints, in the order of the cases.
pub fn json(judged: &[Judged]) -> impl Serialize + '_ {
    judged.iter().map(Element::of).collect::<Vec<_>>()
}

impl<'a> Element<'a> {
    fn of(judged: &'a Judged) -> Self {
        let (case, place) = (&judged.case, judged.place());
        let differences = judged.compared.differences.iter();
        let differences =
            differences.map(|d| Different { field: d.field, expected: &d.expected, got: &d.got });
        Self {
            file: &judged.file,
            line: place.line,
            column: place.column,
            name: case.name.as_deref(),
            namespace: &case.namespace,
            namespace_labels: &case.labels,
            site: case.site.as_str(),
            result: word(judged.compared.outcome),
            differences: differences.collect(),
            said: &judged.said,
        }
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "Passed",
        Outcome::Failed => "Failed",
        Outcome::Undecided => "Undecided",
    }
}

/// A case on a line; below it, where it is not as expected, what is otherwise and what the policies say.
pub fn text(judged: &Judged) -> String {
    let outcome = judged.compared.outcome;
    let word = word(outcome).to_ascii_lowercase();
    let mut lines = vec![format!("{word:<9}  {}", title(judged))];
    if outcome != Outcome::Passed {
        lines.extend(details(judged).into_iter().map(|line| format!("           {line}")));
    }
    lines.join("\n")
}

/// `FILE:LINE:COLUMN: image in namespace: verdict`, with the name of a case that has one.
pub(super) fn title(judged: &Judged) -> String {
    let case = &judged.case;
    let name = case.name.as_ref().map(|name| format!("{}: ", one_line(name, 300))).unwrap_or_default();
    let verdict = judged.said.verdict;
    format!(
        "{}:{}: {name}{} in {}: {verdict}",
        Foreign(&judged.file),
        judged.place(),
        Foreign(&case.image),
        Foreign(&case.namespace)
    )
}

/// What is otherwise, and what the policies say of the image.
pub(super) fn details(judged: &Judged) -> Vec<String> {
    let line = |field: &str, text: &str| format!("{field:<9}  {}", one_line(text, usize::MAX));
    let differences = judged.compared.differences.iter();
    let mut lines: Vec<_> =
        differences.map(|d| line(d.field, &format!("expected {}, got {}", d.expected, d.got))).collect();
    let ImageReport { message, policies, sealed, exemptions, warnings, .. } = &judged.said;
    lines.extend(message.iter().map(|message| line("message", message)));
    lines.push(line(
        "policies",
        &if policies.is_empty() { "none matches".into() } else { policies.join(", ") },
    ));
    lines.extend(sealed.iter().map(|sealed| line("sealed", sealed)));
    lines.extend(exemptions.iter().map(|one| line("exempt", &format!("by TrustExemption {}", one.name))));
    lines.extend(warnings.iter().map(|warning| line("warning", &warning.text)));
    lines
}

/// How many cases ended how.
pub fn summary(judged: &[Judged]) -> String {
    let count = |outcome| judged.iter().filter(|judged| judged.compared.outcome == outcome).count();
    let (passed, failed) = (count(Outcome::Passed), count(Outcome::Failed));
    let undecided = count(Outcome::Undecided);
    let cases = if judged.len() == 1 { "case" } else { "cases" };
    format!("{} {cases}: {passed} passed, {failed} failed, {undecided} undecided", judged.len())
}
