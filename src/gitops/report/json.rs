//! The array of `verify IMAGE`, each element with its place.

use std::io;

use super::Report;

/// The report as JSON.
pub(super) fn report(report: &Report<'_>) -> io::Result<String> {
    Ok(serde_json::to_string_pretty(&report.sites)?)
}
