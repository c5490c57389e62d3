//! The exemptions of a set: which may hold for an image, found as policies are.

use std::sync::Arc;

use super::super::{CompiledExemption, Exemption, NamespaceView, PolicyId};
use super::PolicySet;
use super::namespaces::ByNamespace;
use crate::image::ImageReference;

/// All exemptions of a set.
#[derive(Debug, Default)]
pub struct ExemptionIndex {
    /// By name.
    exemptions: Vec<Arc<CompiledExemption>>,
    index: ByNamespace,
    tells_sites_apart: bool,
}

impl ExemptionIndex {
    fn new(mut exemptions: Vec<Arc<CompiledExemption>>) -> Self {
        exemptions.sort_by(|a, b| a.name().cmp(b.name()));
        let mut index = ByNamespace::default();
        for (exemption, number) in exemptions.iter().zip(0..) {
            if let Some(scope) = exemption.scope() {
                index.insert(scope, number);
            }
        }
        let by_site = |exemption: &Arc<CompiledExemption>| {
            exemption.exemption().is_some_and(|exemption| exemption.sites.is_some())
        };
        let tells_sites_apart = exemptions.iter().any(by_site);
        Self { exemptions, index, tells_sites_apart }
    }

    /// The exemptions about `image` in `namespace`, whatever the site and the time.
    pub fn find(&self, namespace: &NamespaceView, image: &ImageReference) -> Vec<Arc<Exemption>> {
        if self.exemptions.is_empty() {
            return Vec::new();
        }
        let hits = self.index.find(namespace, image).into_iter();
        let found = hits.filter_map(|hit| self.exemptions.get(usize::try_from(hit.policy).ok()?));
        let sure = found
            .filter(|exemption| exemption.scope().is_some_and(|scope| scope.surely_covers(namespace, image)));
        sure.filter_map(|exemption| exemption.exemption().cloned()).collect()
    }
}

impl PolicySet {
    /// The same set with these exemptions, in the place of those that it had.
    #[must_use]
    pub fn with_exemptions(self, exemptions: impl IntoIterator<Item = Arc<CompiledExemption>>) -> Self {
        let exemptions = ExemptionIndex::new(exemptions.into_iter().collect());
        // What was remembered was found with other exemptions.
        Self { exemptions, memo: Default::default(), ..self }
    }

    /// Whether there are exemptions that hold at some sites of a pod and not at others.
    pub fn tells_sites_apart(&self) -> bool {
        self.exemptions.tells_sites_apart
    }

    /// Every exemption, broken ones included, by name; for status. With each, the policies that it names and that the set does
    /// not have.
    pub fn exemptions(&self) -> impl Iterator<Item = (&Arc<CompiledExemption>, Vec<&PolicyId>)> {
        let is_known = |id: &PolicyId| self.members.iter().any(|member| **member.policy.id() == *id);
        self.exemptions.exemptions.iter().map(move |exemption| {
            let named = exemption.exemption().and_then(|exemption| exemption.policies.as_ref());
            (exemption, named.into_iter().flatten().filter(|id| !is_known(id)).collect())
        })
    }
}
