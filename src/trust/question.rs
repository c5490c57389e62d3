//! [`Question`] and [`Resolved`]: what the resolver is asked, and its positive answer.

use tokio::time::Instant;

use crate::image::ImageReference;
use crate::policy::Demand;
use crate::resolution::SignedDigest;
use crate::source::{PodIdentity, RequesterRef};
use crate::tuf::RoleName;

/// One question to the resolver.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What a policy asks.
    pub demand: &'a Demand,
    /// Of which image.
    pub image: &'a ImageReference,
    /// On whose behalf.
    pub pod: &'a PodIdentity,
    /// The caller's own deadline; past it the answer is `DeadlineExceeded` while the fetch goes on.
    pub deadline: Instant,
    /// A server-side dry run: verifies and pins nothing (floors may rise).
    pub dry_run: bool,
}

impl<'a> Question<'a> {
    /// The requester.
    pub(super) fn requester(&self) -> RequesterRef<'a> {
        let Self { demand, pod, image, .. } = *self;
        RequesterRef::new(&demand.credentials, pod, image.into(), &demand.server.token_realms)
    }
}

/// A positive answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The digest; `None` where `digestReferences: Allow` let a digest pass unchecked.
    pub signed: Option<SignedDigest>,
    /// What the publisher or the admin should do soon; for warnings.
    pub warnings: Vec<String>,
}

impl Resolved {
    /// The versions that the answer rests on.
    pub fn versions(&self) -> &[(RoleName, u64)] {
        self.signed.as_ref().map_or(&[], |signed| signed.provenance().versions())
    }
}
