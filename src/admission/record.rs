//! What stays of a decision: one log line, and the annotations of the audit log.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::sync::Arc;

use super::judge::{ImageVerdict, Passed};
use super::line::{DecisionLine, Images};
use super::review::Request;
use super::text::{self, cut, one_line};
use super::verdict::{Decision, Hook, Verdict};
use crate::trust::{Provenance, SignedDigest};

/// The longest value of an audit annotation, in bytes.
const VALUE: usize = 2048;
/// Room for what is said of a few images, in bytes.
const TYPICAL: usize = 256;

/// A decision in words: made once, for the log and for the audit log.
#[derive(Debug)]
pub struct Record<'v> {
    decision: Decision,
    reason: Option<&'static str>,
    images: String,
    policies: String,
    digests: String,
    signers: Cow<'v, str>,
    versions: Cow<'v, str>,
    findings: String,
    exemptions: String,
}

impl<'v> Record<'v> {
    /// Writes down a verdict.
    pub fn of(verdict: &'v Verdict<'_>, decision: Decision) -> Self {
        let images = || verdict.images().iter().map(|image| &image.verdict);
        let mut policies = once(images().flat_map(|image| &image.policies));
        policies.sort();
        let signed = || images().filter_map(signed);
        let passed = images().filter_map(ImageVerdict::passed);
        let provenance = once(passed.flat_map(Passed::provenance));
        let mut findings = verdict.audit_findings();
        if matches!(decision, Decision::Reported | Decision::Deferred) {
            findings.extend(verdict.failures());
        }
        Self {
            decision,
            reason: verdict.headline().map(|denial| denial.reason().as_str()),
            images: listed(images(), |text, image| text.push_str(&text::image(&image.image))),
            policies: shown(listed(policies, display)),
            digests: listed(signed(), digest),
            signers: signers(once(signed().map(SignedDigest::provenance))),
            versions: versions(provenance),
            findings: shown(listed(findings, |text, finding| text.push_str(&finding))),
            exemptions: shown(listed(once(images().flat_map(|image| &image.exemptions)), display)),
        }
    }

    /// Writes the line that the log has of it.
    pub fn log(&self, hook: Hook, request: &Request<'_>, message: &str) {
        DecisionLine {
            id: request.uid(),
            hook: hook.as_str(),
            decision: self.decision,
            reason: self.reason,
            operation: None,
            kind: request.workload_kind().map(super::sites::WorkloadKind::kind),
            namespace: request.namespace(),
            name: request.object_name(),
            subresource: Some(request.subresource()),
            dry_run: request.is_dry_run(),
            images: Some(Images {
                images: &self.images,
                policies: &self.policies,
                digests: &self.digests,
                signers: &self.signers,
                findings: &self.findings,
                exemptions: &self.exemptions,
            }),
            counts: None,
            error: None,
            message,
        }
        .write();
    }

    /// The annotations, without those that have nothing to say. The API server puts the webhook's name and `/` before
    /// each key, so the keys are names without a prefix of their own.
    ///
    /// `id` is the one that the log has for the decision: the API server's own for the request to this webhook, which its audit
    /// log has nowhere else.
    pub fn annotations(self, id: &'v str) -> Vec<(&'static str, Cow<'v, str>)> {
        let values: [(_, Cow<'v, str>); 10] = [
            ("id", id.into()),
            ("decision", self.decision.as_str().into()),
            ("reason", self.reason.unwrap_or_default().into()),
            ("images", self.images.into()),
            ("policies", self.policies.into()),
            ("digests", self.digests.into()),
            ("signers", self.signers),
            ("versions", self.versions),
            ("findings", self.findings.into()),
            ("exemptions", self.exemptions.into()),
        ];
        let mut annotations = Vec::with_capacity(values.len());
        annotations.extend(values.into_iter().filter(|(_, value)| !value.is_empty()));
        annotations
    }
}

/// The values, each fit to be shown, with commas between them, as far as an annotation holds.
fn listed<T>(values: impl IntoIterator<Item = T>, write: impl Fn(&mut String, T)) -> String {
    let mut values = values.into_iter().peekable();
    let room = values.peek().map_or(0, |_| TYPICAL);
    let mut text = String::with_capacity(room);
    for value in values {
        if !text.is_empty() {
            text.push_str(", ");
        }
        write(&mut text, value);
        if text.len() > VALUE {
            break;
        }
    }
    keep(text, |text| cut(text, VALUE))
}

/// What was not written by us alone, as one line.
fn shown(text: String) -> String {
    keep(text, |text| one_line(text, VALUE))
}

/// The text itself, where `make` leaves it as it is.
fn keep(text: String, make: impl FnOnce(&str) -> Cow<'_, str>) -> String {
    match make(&text) {
        Cow::Borrowed(same) if same.len() == text.len() => text,
        made => made.into_owned(),
    }
}

/// What images of one repository have in common is said once.
fn once<T: PartialEq>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut once = Vec::new();
    for value in values {
        if !once.contains(&value) {
            once.push(value);
        }
    }
    once
}

fn display(text: &mut String, value: impl Display) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{value}");
}

/// As it displays itself, without the machinery: most admissions write several.
fn digest(text: &mut String, signed: &SignedDigest) {
    text.push_str("sha256:");
    signed.digest().with_hex(|hex| text.push_str(hex));
}

fn signed(image: &ImageVerdict) -> Option<&SignedDigest> {
    image.passed()?.signed()
}

/// `targets/releases=KEYID+KEYID`, of all provenance together. What all images have in common is at hand.
fn signers(provenance: Vec<&Arc<Provenance>>) -> Cow<'_, str> {
    match &*provenance {
        [one] => cut(one.signers_text(), VALUE),
        _ => listed(once(provenance.iter().flat_map(|provenance| provenance.signers())), display).into(),
    }
}

/// `targets/releases=7`, in the same way.
fn versions(provenance: Vec<&Arc<Provenance>>) -> Cow<'_, str> {
    match &*provenance {
        [one] => cut(one.versions_text(), VALUE),
        _ => {
            let versions = once(provenance.iter().flat_map(|provenance| provenance.versions()));
            listed(versions, |text, (role, version)| display(text, format_args!("{role}={version}"))).into()
        }
    }
}
