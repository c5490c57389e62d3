//! [`SignedDigest`]: a digest that verification found signed. Its constructor is private to the resolution.

use std::sync::Arc;

use super::evidence::{Evidence, Signer};
use crate::digest::Digest;
use crate::image::ImageReference;

/// A digest that verification found signed. Only the resolver makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDigest {
    digest: Digest,
    evidence: Arc<Evidence>,
}

impl SignedDigest {
    pub(super) fn new(digest: Digest, evidence: Arc<Evidence>) -> Self {
        Self { digest, evidence }
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
        let original = image.original();
        let (name, digest) = match original.bytes().position(|byte| byte == b'@') {
            Some(at) => original.split_at(at),
            None => (original, ""),
        };
        // A colon before the last slash belongs to the registry's port.
        let has_tag = name.bytes().rev().take_while(|byte| *byte != b'/').any(|byte| byte == b':');
        let latest = if digest.is_empty() && !has_tag { ":latest" } else { "" };
        self.digest.with_hex(|hex| [name, latest, "@sha256:", hex].concat())
    }
}
