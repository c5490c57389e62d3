//! [`compare`]: what was expected, against what the policies say.

use super::file::Expected;
use crate::gitops::report::{ImageReport, Word};
use crate::policy::Reason;

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As expected.
    Passed,
    /// Otherwise.
    Failed,
    /// The verdict is `Unavailable`, and that was not expected: nobody knows.
    Undecided,
}

/// How a verdict compares with what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// How the case ended.
    pub outcome: Outcome,
    /// What is otherwise than expected. Empty where nothing is.
    pub differences: Vec<Difference>,
}

/// Something that is otherwise than expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The field.
    pub field: &'static str,
    /// What was expected.
    pub expected: String,
    /// What the policies say; `none` where there is nothing.
    pub got: String,
}

/// Compares. What a case does not say may be anything.
pub(super) fn compare(expected: &Expected, said: &ImageReport) -> Compared {
    let mut differences = Vec::new();
    let mut differ = |field, expected: &str, got: &str| {
        if expected != got {
            let (expected, got) = (expected.to_owned(), got.to_owned());
            differences.push(Difference { field, expected, got });
        }
    };
    differ("verdict", expected.verdict.as_str(), said.verdict.as_str());
    if let Some(reason) = expected.reason {
        differ("reason", reason.as_str(), said.reason.map_or(NONE, Reason::as_str));
    }
    if let Some(digest) = &expected.digest {
        differ("digest", digest, said.digest.as_deref().unwrap_or(NONE));
    }
    if let Some(sealed) = &expected.sealed {
        differ("sealed", sealed, said.sealed.as_deref().unwrap_or(NONE));
    }
    if let Some(warnings) = &expected.warnings {
        differ("warnings", &words(warnings), &words(&warnings_of(said)));
    }
    let outcome = match differences.is_empty() {
        true => Outcome::Passed,
        false if said.verdict == Word::Unavailable && expected.verdict != Word::Unavailable => {
            Outcome::Undecided
        }
        false => Outcome::Failed,
    };
    Compared { outcome, differences }
}

const NONE: &str = "none";

/// The reasons of what Warn and Audit policies found.
fn warnings_of(said: &ImageReport) -> Vec<Reason> {
    let mut reasons: Vec<_> = said.warnings.iter().filter_map(|warning| warning.reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    reasons
}

fn words(reasons: &[Reason]) -> String {
    match reasons {
        [] => NONE.to_owned(),
        reasons => reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>().join(", "),
    }
}
