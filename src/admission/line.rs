//! [`DecisionLine`]: the one line that the log has of a decision, whatever was decided (docs/logs.md).

use super::verdict::Decision;

/// The fields of a decision's line. What is `None` is left out.
#[derive(Debug)]
pub(super) struct DecisionLine<'a> {
    /// The uid of the API server's request to this webhook.
    pub(super) id: &'a str,
    /// `mutate`, `validate` or `policies`.
    pub(super) hook: &'static str,
    pub(super) decision: Decision,
    /// What leads the message, where something stands against the object.
    pub(super) reason: Option<&'a str>,
    pub(super) operation: Option<&'a str>,
    /// `Pod`; with its group and version (`apps/v1 Deployment`) where it cannot be judged.
    pub(super) kind: Option<&'a str>,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) subresource: Option<&'a str>,
    pub(super) dry_run: bool,
    /// What was decided about images.
    pub(super) images: Option<Images<'a>>,
    /// What was found about a policy: how many errors and warnings.
    pub(super) counts: Option<(usize, usize)>,
    /// What is wrong with an object that cannot be read.
    pub(super) error: Option<&'a str>,
    pub(super) message: &'a str,
}

/// What a line says about images, each once.
#[derive(Debug)]
pub(super) struct Images<'a> {
    pub(super) images: &'a str,
    pub(super) policies: &'a str,
    pub(super) digests: &'a str,
    pub(super) signers: &'a str,
    pub(super) findings: &'a str,
    /// Empty where none is in force.
    pub(super) exemptions: &'a str,
}

impl DecisionLine<'_> {
    /// Writes it. Denials and reports are warnings to nobody but the reader: the level is the same.
    pub(super) fn write(&self) {
        let images = self.images.as_ref();
        tracing::info!(
            id = self.id,
            hook = self.hook,
            decision = self.decision.as_str(),
            reason = self.reason,
            operation = self.operation,
            kind = self.kind,
            namespace = self.namespace,
            name = self.name,
            subresource = self.subresource,
            dry_run = self.dry_run,
            image = images.map(|images| images.images),
            policy = images.map(|images| images.policies),
            digest = images.map(|images| images.digests),
            signers = images.map(|images| images.signers),
            findings = images.map(|images| images.findings),
            exemptions = images.map(|images| images.exemptions).filter(|exemptions| !exemptions.is_empty()),
            errors = self.counts.map(|(errors, _)| errors),
            warnings = self.counts.map(|(_, warnings)| warnings),
            error = self.error,
            message = self.message,
        );
    }
}
