//! [`SignedDigest`]: a digest that verification found signed. Its constructor is private to the resolution.

use std::sync::Arc;

use jiff::Timestamp;

use super::provenance::{Provenance, Signer};
use crate::digest::Digest;
use crate::image::ImageReference;

/// A digest that verification found signed. Only the resolver makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDigest {
    digest: Digest,
    provenance: Arc<Provenance>,
    good_until: Option<Timestamp>,
}

impl SignedDigest {
    pub(super) fn new(digest: Digest, provenance: Arc<Provenance>) -> Self {
        Self { digest, provenance, good_until: None }
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
        self.provenance.signers()
    }

    /// What it rests on.
    pub fn provenance(&self) -> &Arc<Provenance> {
        &self.provenance
    }

    /// The reference with this digest: what the pod spec had, `:latest` if it had neither tag nor digest, and
    /// `@sha256:…`.
    pub fn seal(&self, image: &ImageReference) -> String {
        image.with_digest(self.digest)
    }
}
