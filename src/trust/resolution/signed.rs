//! [`SignedDigest`]: a digest that verification found signed. Its constructor is private to the resolution.

use crate::digest::Digest;
use crate::image::ImageReference;
use crate::tuf::{KeyId, RoleName, RoleSigner};

/// A digest that verification found signed. Only the resolver makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDigest {
    digest: Digest,
    signers: Vec<Signer>,
}

/// A role that signed, and by which keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The role that lists the digest.
    pub role: RoleName,
    /// Canonical IDs of the keys whose signatures on it are valid.
    pub key_ids: Vec<KeyId>,
}

impl Signer {
    pub(super) fn of(role: &RoleName, signers: &[RoleSigner]) -> Self {
        Self { role: role.clone(), key_ids: signers.iter().map(|signer| signer.key_id).collect() }
    }
}

impl SignedDigest {
    pub(super) fn new(digest: Digest, signers: Vec<Signer>) -> Self {
        Self { digest, signers }
    }

    /// The digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Who signed it.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
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
