//! SARIF 2.1.0. Results are what the policies found: `error` where they deny, `warning` where they warn. What could not be decided or
//! read is no result but a notification of a run that did not succeed: code scanning would close an alert that is not found again.

use std::io;

use serde_json::{Value, json};

use super::Report;
use super::finding::{Finding, Level};
use super::paths::uri;
use crate::policy::Reason;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The report as SARIF.
pub(super) fn report(report: &Report<'_>) -> io::Result<String> {
    let findings = report.findings();
    let of = |is_result: bool| findings.iter().filter(move |finding| self::is_result(finding) == is_result);
    let results: Vec<_> = of(true).map(result).collect();
    let notifications: Vec<_> = of(false).map(notification).collect();
    let is_successful = findings.iter().all(|finding| finding.level != Level::Undecided);
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "tagseal",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": Reason::ALL.iter().map(rule).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": is_successful,
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    });
    Ok(serde_json::to_string_pretty(&log)?)
}

fn is_result(finding: &Finding<'_>) -> bool {
    matches!(finding.level, Level::Denied | Level::Warned)
}

fn rule(reason: &Reason) -> Value {
    json!({
        "id": reason.as_str(),
        "shortDescription": {"text": reason.description()},
        "defaultConfiguration": {"level": "error"},
    })
}

fn result(finding: &Finding<'_>) -> Value {
    let mut result = json!({
        "level": if finding.level == Level::Denied { "error" } else { "warning" },
        "message": {"text": finding.message},
        "locations": [location(finding)],
        "partialFingerprints": {"tagsealImage/v1": finding.fingerprint},
    });
    if let Some(reason) = finding.reason {
        result["ruleId"] = reason.as_str().into();
        result["ruleIndex"] = index(reason).into();
    }
    result
}

fn notification(finding: &Finding<'_>) -> Value {
    let mut notification = json!({
        "level": if finding.level == Level::Undecided { "error" } else { "note" },
        "message": {"text": finding.message},
        "locations": [location(finding)],
    });
    if let Some(reason) = finding.reason {
        notification["associatedRule"] = json!({"id": reason.as_str(), "index": index(reason)});
    }
    notification
}

fn location(finding: &Finding<'_>) -> Value {
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(&finding.at.path)},
        "region": {"startLine": finding.at.place.line, "startColumn": finding.at.place.column},
    }})
}

/// Of the rules, which are all reasons in their order.
fn index(reason: Reason) -> Option<usize> {
    Reason::ALL.iter().position(|known| *known == reason)
}
