//! Workflow commands, which GitHub shows as annotations beside the lines of a change.

use super::Report;
use super::finding::{Finding, Level};
use crate::policy::Reason;

/// One command a line: errors for what is denied, undecided or cannot be read, warnings for the rest.
pub(super) fn report(report: &Report<'_>) -> String {
    let lines: Vec<_> = report.findings().iter().map(command).collect();
    lines.join("\n")
}

fn command(finding: &Finding<'_>) -> String {
    let word = match finding.level {
        Level::Denied | Level::Undecided => "error",
        Level::Warned | Level::Soon => "warning",
    };
    let at = finding.at;
    format!(
        "::{word} file={},line={},col={},title={}::{}",
        property(&at.path),
        at.place.line,
        at.place.column,
        property(finding.reason.map_or("tagseal", Reason::as_str)),
        data(&finding.message)
    )
}

/// What would end the command or be read as an escape is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// In a property, what would end it too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_command_or_a_property_is_escaped() {
        assert_eq!(data("50%: a,b\r\n::error::x"), "50%25: a,b%0D%0A::error::x");
        assert_eq!(property("a:b,c%\n.yaml"), "a%3Ab%2Cc%25%0A.yaml");
    }
}
