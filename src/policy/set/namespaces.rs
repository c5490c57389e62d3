//! [`ByNamespace`]: the indexes that can matter in one namespace, so that a thousand policies of a thousand namespaces or
//! teams cost each of them one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::NamespaceView;
use super::super::compile::{Namespaces, Scope};
use super::index::{Hit, Index, PolicyNumber, Walk};
use crate::image::ImageReference;

/// Indexes of policies, by the namespaces that they cover.
#[derive(Debug, Default)]
pub struct ByNamespace {
    /// Policies of every namespace, and those whose selector asks for no value of a label.
    everywhere: Index,
    /// Policies of one namespace.
    named: BTreeMap<Arc<str>, Index>,
    /// Policies whose selector asks for one of some values of a label: by label, by value.
    labelled: BTreeMap<String, BTreeMap<String, Index>>,
}

impl ByNamespace {
    /// Adds a policy under everything that it includes.
    pub fn insert(&mut self, scope: &Scope, policy: PolicyNumber) {
        let insert = |index: &mut Index| {
            for pattern in &scope.include {
                index.insert(pattern, policy);
            }
        };
        let narrowest = match &scope.namespaces {
            Namespaces::All => None,
            Namespaces::One(name) => {
                return insert(self.named.entry(Arc::clone(name)).or_default());
            }
            Namespaces::Labelled(selector) => selector.narrowest(),
        };
        let Some((label, values)) = narrowest else { return insert(&mut self.everywhere) };
        let by_value = self.labelled.entry(label.to_owned()).or_default();
        for value in values {
            insert(by_value.entry(value.clone()).or_default());
        }
    }

    /// The policies that include `image` and may cover the namespace, in order, each once.
    pub fn find(&self, namespace: &NamespaceView, image: &ImageReference) -> Vec<Hit> {
        let mut walk = Walk::default();
        self.everywhere.find(image, &mut walk);
        if let Some(index) = self.named.get(&namespace.name) {
            index.find(image, &mut walk);
        }
        match &namespace.labels {
            None => {
                let all = self.labelled.values().flat_map(BTreeMap::values);
                all.for_each(|index| index.find(image, &mut walk));
            }
            Some(labels) if !self.labelled.is_empty() => {
                for (label, value) in labels.iter() {
                    if let Some(index) = self.labelled.get(label).and_then(|values| values.get(value)) {
                        index.find(image, &mut walk);
                    }
                }
            }
            Some(_) => {}
        }
        let mut hits = walk.hits;
        hits.sort_unstable();
        hits.dedup_by(|later, kept| {
            let same = later.policy == kept.policy;
            kept.tag_covered |= same && later.tag_covered;
            same
        });
        hits
    }
}

impl Scope {
    /// Whether the policy covers the namespace. Labels that nobody knows count as those that it asks for.
    pub fn covers(&self, namespace: &NamespaceView) -> bool {
        match &self.namespaces {
            Namespaces::All => true,
            Namespaces::One(name) => *name == namespace.name,
            Namespaces::Labelled(selector) => {
                namespace.labels.as_ref().is_none_or(|labels| selector.matches(labels))
            }
        }
    }

    /// The same for an exemption: labels that nobody knows count as none of those that it asks for.
    pub fn surely_covers_namespace(&self, namespace: &NamespaceView) -> bool {
        match (&self.namespaces, &namespace.labels) {
            (Namespaces::All, _) => true,
            (Namespaces::One(name), _) => *name == namespace.name,
            (Namespaces::Labelled(selector), Some(labels)) => selector.matches(labels),
            (Namespaces::Labelled(selector), None) => selector.selects_everything(),
        }
    }
}
