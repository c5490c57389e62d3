//! [`PolicySet`]: all policies at one moment, and what they ask of one image.

use std::collections::BTreeSet;
use std::sync::Arc;

use url::Url;

use super::{Actions, CompiledPolicy, Demand, Mutation, NamespaceView, PolicyError, PolicyId, Reason};
use crate::image::ImageReference;

/// What becomes of an image that no policy matches (`--unmatched-images`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum UnmatchedImages {
    /// It passes.
    #[default]
    Allow,
    /// It passes with a warning.
    Warn,
    /// It is refused: `NoPolicy`.
    Deny,
}

/// What a set is built with, besides its policies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetOptions {
    /// What becomes of an image that no policy matches.
    pub unmatched: UnmatchedImages,
    /// Trust servers that namespaced policies may name besides those of cluster policies (`--trust-servers`).
    pub trust_servers: BTreeSet<Url>,
}

/// Why a policy that matches an image cannot judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// The policy.
    pub policy: Arc<PolicyId>,
    /// `InvalidPolicy`, or `RootNotPinned` where none of its roots vouches for the image.
    pub reason: Reason,
    /// What is wrong with it and what to write instead.
    pub message: String,
}

/// What a policy that does not deny says of an image.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Warn, Audit or both.
    pub actions: Actions,
    /// What it asks, or why it cannot.
    pub demand: Result<Demand, Objection>,
}

/// What all policies together ask of one image.
#[derive(Debug, Clone)]
pub enum Selection {
    /// No policy matches: [`PolicySet::unmatched`] decides.
    Unmatched,
    /// A Deny policy matches that cannot judge: the image is refused, whatever the others say. Never empty; cluster policies
    /// first, then by name.
    Invalid(Vec<Objection>),
    /// At least one of the two is not empty. Both have cluster policies first, then by name.
    Require {
        /// All of these must pass, with the same digest. Their `mutation` and `freshness` are the strictest of them all.
        deny: Vec<Demand>,
        /// These are judged apart and never deny.
        observe: Vec<Observed>,
    },
}

/// All policies at one moment. Immutable: a request asks one set from beginning to end.
#[derive(Debug, Default)]
pub struct PolicySet {
    options: SetOptions,
}

impl PolicySet {
    /// Builds the set. A namespaced policy whose trust server no cluster policy names, nor `options`, is broken in it.
    pub fn new(policies: impl IntoIterator<Item = Arc<CompiledPolicy>>, options: SetOptions) -> Self {
        let _ = policies;
        Self { options }
    }

    /// What the policies that match ask of `image` in `namespace`.
    pub fn select(&self, namespace: &NamespaceView, image: &ImageReference) -> Selection {
        let _ = (namespace, image);
        todo!()
    }

    /// Whether any Deny policy covers the namespace: then an image that cannot be read is InvalidReference, else it
    /// follows [`Self::unmatched`] (design §11).
    pub fn denies_in(&self, namespace: &NamespaceView) -> bool {
        let _ = namespace;
        todo!()
    }

    /// What becomes of an image that no policy matches.
    pub fn unmatched(&self) -> UnmatchedImages {
        self.options.unmatched
    }

    /// Every policy with what is wrong with it in this set, for status.
    pub fn policies(&self) -> impl Iterator<Item = (&Arc<CompiledPolicy>, Vec<PolicyError>)> {
        std::iter::empty()
    }
}

impl Selection {
    /// Where the digest is written: the strictest of the Deny policies; where none matches, of the others.
    pub fn mutation(&self) -> Option<Mutation> {
        todo!()
    }
}

/// What the webhook knows of policies: the value of the watch channel between controller and webhook (design §5).
#[derive(Debug, Clone, Default)]
pub enum PolicySnapshot {
    /// Policies are not loaded yet: everything is denied with `NotSynced`.
    #[default]
    NotSynced,
    /// The policies.
    Synced(Arc<PolicySet>),
}
