//! [`SignedDigest`]: a digest that verification found signed. Its constructor is private to the resolution.

use std::sync::Arc;

use jiff::Timestamp;

use super::evidence::{Evidence, Signer};
use crate::digest::Digest;
use crate::image::ImageReference;

/// A digest that verification found signed. Only the resolver makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDigest {
    digest: Digest,
    evidence: Arc<Evidence>,
    good_until: Option<Timestamp>,
}

impl SignedDigest {
    pub(super) fn new(digest: Digest, evidence: Arc<Evidence>) -> Self {
        Self { digest, evidence, good_until: None }
    }

    /// The same of a digest that was superseded, and passes until then.
    pub(super) fn until(self, good_until: Timestamp) -> Self {
        Self { good_until: Some(good_until), ..self }
    }

    /// Until when a superseded digest passes (`supersededDigests.acceptFor`); `None` for one that is current.
    pub fn good_until(&self) -> Option<Timestamp> {
        self.good_until
    }

    /// The digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Who signed it.
    pub fn signers(&self) -> &[Signer] {
        self.evidence.signers()
    }

    /// What it rests on.
    pub fn evidence(&self) -> &Arc<Evidence> {
        &self.evidence
    }

    /// The reference with this digest: what the pod spec had, `:latest` if it had neither tag nor digest, and
    /// `@sha256:…`.
    pub fn seal(&self, image: &ImageReference) -> String {
        image.with_digest(self.digest)
    }
}
