//! [`Resolver`]: the one way from a demand and an image to a [`SignedDigest`].

use tokio::time::Instant;

use super::error::Refusal;
use super::source::Grant;
use crate::digest::Digest;
use crate::image::ImageReference;
use crate::policy::Demand;
use crate::tuf::{KeyId, RoleName};

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

impl SignedDigest {
    /// The digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Who signed it.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// The reference with this digest: what the pod spec had, `:latest` if it had no tag, and `@sha256:…`.
    pub fn seal(&self, image: &ImageReference) -> String {
        let _ = image;
        todo!()
    }
}

/// One question to the resolver.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What a policy asks.
    pub demand: &'a Demand,
    /// Of which image.
    pub image: &'a ImageReference,
    /// On whose behalf.
    pub grant: &'a Grant,
    /// The caller's own deadline; past it the answer is `DeadlineExceeded` while the fetch goes on.
    pub deadline: Instant,
    /// A server-side dry run: verifies and pins nothing (floors may rise).
    pub dry_run: bool,
}

/// A positive answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The digest; `None` where `digestReferences: Allow` let a digest pass unchecked.
    pub signed: Option<SignedDigest>,
    /// What the publisher or the admin should do soon; for warnings.
    pub warnings: Vec<String>,
    /// The versions the answer rests on, for audit annotations.
    pub versions: Vec<(RoleName, u64)>,
}

/// Resolves images to signed digests, from memory when it can.
#[derive(Debug)]
pub struct Resolver {}

impl Resolver {
    /// Answers from verified data; fetches, revalidates and waits only where the data at hand does not suffice.
    ///
    /// # Errors
    /// [`Refusal`] with the reason.
    pub async fn resolve(&self, question: Question<'_>) -> Result<Resolved, Refusal> {
        let _ = question;
        todo!()
    }
}
