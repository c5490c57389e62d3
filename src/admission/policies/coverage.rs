//! Which running images a change would leave uncovered: an old policy refuses them unless they are signed, and no policy
//! of the new set does.

use std::collections::{BTreeMap, BTreeSet};

use crate::image::ImageReference;
use crate::policy::{CompiledPolicy, NamespaceLabels, NamespaceView, PolicySet, Running, Selector};

/// So many images, and so many namespaces of each, are named.
const NAMED: usize = 3;

/// Images that a change leaves uncovered, and where they run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Uncovered<'r>(BTreeMap<&'r str, BTreeSet<&'r str>>);

impl<'r> Uncovered<'r> {
    /// Of what runs, what `old` covered and `after` does not. Left out are namespaces of which nothing is known, and those that
    /// the webhooks, by their `namespaceSelector` and the names that they leave out, never ask tagseal about: there, nothing was covered before.
    pub fn of(
        running: &'r Running,
        old: &CompiledPolicy,
        after: &PolicySet,
        labels: &dyn NamespaceLabels,
        webhooks: &Selector,
    ) -> Self {
        let mut uncovered: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (namespace, images) in running.namespaces() {
            let Some(labels) = labels.cached(namespace) else { continue };
            if !webhooks.selects(namespace, &labels) {
                continue;
            }
            let view = NamespaceView::new(namespace, labels);
            for image in images {
                let Ok(reference) = ImageReference::parse(image) else { continue };
                if old.guards(&view, &reference) && !after.guards(&view, &reference) {
                    uncovered.entry(image.as_str()).or_default().insert(namespace);
                }
            }
        }
        Self(uncovered)
    }

    /// How many images.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// What the policy's author is told; nothing where there is none. `is_all`: everything that runs was looked at.
    pub fn warnings(&self, is_all: bool) -> Vec<String> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let (count, least) = (self.0.len(), if is_all { "" } else { "at least " });
        let (images, them) =
            if count == 1 { ("running image is", "it") } else { ("running images are", "them") };
        let goes = if count == 1 { "it goes" } else { "they go" };
        let first = format!(
            "{least}{count} {images} covered by no Deny policy any more: {goes} on running, and new pods with {them} \
             would be admitted unverified"
        );
        let named = self.0.iter().take(NAMED);
        let named =
            named.map(|(image, namespaces)| format!("no longer covered: {image} in {}", listed(namespaces)));
        std::iter::once(first).chain(named).collect()
    }
}

fn listed(namespaces: &BTreeSet<&str>) -> String {
    let mut text = namespaces.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if let Some(more) = namespaces.len().checked_sub(NAMED).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
