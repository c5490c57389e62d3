//! A set as it would be: what a change to one policy would make of the others.

use std::sync::Arc;

use super::super::{CompiledPolicy, NamespaceView, PolicyError, PolicyId};
use super::{PolicySet, Selection, UnmatchedImages};
use crate::image::ImageReference;

impl PolicySet {
    /// The set as it would be with `policy`, in the place of the one of its name.
    #[must_use]
    pub fn with(&self, policy: Arc<CompiledPolicy>) -> Self {
        let others = self.others(policy.id()).cloned().collect::<Vec<_>>();
        Self::new(others.into_iter().chain([policy]), self.options.clone()).with_exemptions_of(self)
    }

    /// The set as it would be without the policy `id`.
    #[must_use]
    pub fn without(&self, id: &PolicyId) -> Self {
        Self::new(self.others(id).cloned().collect::<Vec<_>>(), self.options.clone()).with_exemptions_of(self)
    }

    fn with_exemptions_of(self, other: &Self) -> Self {
        self.with_exemptions(
            other.exemptions().map(|(exemption, _)| Arc::clone(exemption)).collect::<Vec<_>>(),
        )
    }

    fn others(&self, id: &PolicyId) -> impl Iterator<Item = &Arc<CompiledPolicy>> {
        self.members.iter().map(|member| &member.policy).filter(move |policy| **policy.id() != *id)
    }

    /// What is wrong with the policy `id` in this set; nothing where there is no such policy.
    pub fn errors_of(&self, id: &PolicyId) -> Vec<PolicyError> {
        let mut members = self.members.iter();
        let member = members.find(|member| **member.policy.id() == *id);
        member.into_iter().flat_map(|member| member.errors().cloned()).collect()
    }

    /// Whether an image that nobody signed would be refused in `namespace`.
    pub fn guards(&self, namespace: &NamespaceView, image: &ImageReference) -> bool {
        let chosen = self.choose(namespace, image, &[]);
        let is_refused = !chosen.is_matched && self.options.unmatched == UnmatchedImages::Deny;
        is_refused
            || match chosen.selection {
                Selection::Unmatched => false,
                Selection::Invalid(_) => true,
                Selection::Require { deny, .. } => !deny.is_empty(),
            }
    }
}

impl CompiledPolicy {
    /// Whether it does the same as `other` to the same images.
    pub fn has_scope_of(&self, other: &Self) -> bool {
        self.actions() == other.actions() && self.scope == other.scope
    }

    /// Whether it refuses `image` in `namespace` unless it is signed.
    pub fn guards(&self, namespace: &NamespaceView, image: &ImageReference) -> bool {
        let scope = &self.scope;
        self.actions().deny
            && scope.covers(namespace)
            && scope.include.iter().any(|pattern| pattern.includes(image))
            && !scope.exclude.iter().any(|pattern| pattern.excludes(image))
    }
}
