//! What stays of a decision: one log line, and the annotations of the audit log.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};

use super::judge::ImageVerdict;
use super::review::Request;
use super::text::{self, one_line};
use super::verdict::{Decision, Hook, Verdict};

/// The longest value of an audit annotation, in bytes.
const VALUE: usize = 2048;

/// A decision in words: made once, for the log and for the audit log.
#[derive(Debug)]
pub struct Record {
    decision: Decision,
    reason: Option<&'static str>,
    images: String,
    policies: String,
    digests: String,
    signers: String,
    versions: String,
    findings: String,
}

impl Record {
    /// Writes down a verdict.
    pub fn of(verdict: &Verdict<'_>, decision: Decision) -> Self {
        let images = || verdict.images().iter().map(|image| &image.verdict);
        let mut policies: Vec<_> = images().flat_map(|image| &image.policies).collect();
        policies.sort();
        policies.dedup();
        let mut findings = verdict.audit_findings();
        if decision == Decision::Reported {
            findings.extend(verdict.failures());
        }
        Self {
            decision,
            reason: verdict.headline().map(|denial| denial.reason().as_str()),
            images: joined(images().map(|image| text::image(&image.image))),
            policies: joined(policies),
            digests: joined(images().filter_map(digest)),
            signers: joined(images().flat_map(signers)),
            versions: joined(images().flat_map(versions)),
            findings: joined(findings),
        }
    }

    /// The one line of the log. Denials and reports are warnings to nobody but the reader: the level is the same.
    pub fn log(&self, hook: Hook, request: &Request<'_>, message: &str) {
        tracing::info!(
            id = request.uid(),
            hook = hook.as_str(),
            decision = self.decision.as_str(),
            reason = self.reason,
            kind = request.workload_kind().map(super::sites::WorkloadKind::kind),
            namespace = request.namespace(),
            name = request.object_name(),
            subresource = request.subresource(),
            dry_run = request.is_dry_run(),
            image = self.images,
            policy = self.policies,
            digest = self.digests,
            signers = self.signers,
            findings = self.findings,
            message,
        );
    }

    /// The annotations, without those that have nothing to say. The API server puts the webhook's name and `/` before
    /// each key, so the keys are names without a prefix of their own.
    pub fn annotations(self) -> Vec<(&'static str, String)> {
        let values = [
            ("decision", self.decision.as_str().to_owned()),
            ("reason", self.reason.unwrap_or_default().to_owned()),
            ("images", self.images),
            ("policies", self.policies),
            ("digests", self.digests),
            ("signers", self.signers),
            ("versions", self.versions),
            ("findings", self.findings),
        ];
        values.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}

/// The values with commas between them, as far as an annotation holds.
fn joined(values: impl IntoIterator<Item = impl Display>) -> String {
    let mut text = String::new();
    for value in values {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{value}");
        if text.len() > VALUE {
            break;
        }
    }
    match one_line(&text, VALUE) {
        Cow::Borrowed(same) if same.len() == text.len() => text,
        shown => shown.into_owned(),
    }
}

fn digest(image: &ImageVerdict) -> Option<impl Display> {
    Some(image.passed()?.signed()?.digest())
}

/// `targets/releases=KEYID+KEYID`
fn signers(image: &ImageVerdict) -> impl Iterator<Item = impl Display> {
    let signed = image.passed().and_then(|passed| passed.signed());
    let signers = signed.into_iter().flat_map(|signed| signed.signers());
    signers.map(|signer| {
        fmt::from_fn(|f| {
            write!(f, "{}", signer.role)?;
            let separators = std::iter::once('=').chain(std::iter::repeat('+'));
            separators.zip(&signer.key_ids).try_for_each(|(separator, key)| write!(f, "{separator}{key}"))
        })
    })
}

/// `targets/releases=7`
fn versions(image: &ImageVerdict) -> impl Iterator<Item = impl Display> {
    let evidence = image.passed().into_iter().flat_map(|passed| &passed.evidence);
    let mut versions: Vec<_> = evidence.flat_map(|resolved| &resolved.versions).collect();
    versions.dedup();
    versions.into_iter().map(|(role, version)| fmt::from_fn(move |f| write!(f, "{role}={version}")))
}
