//! [`Bounded`]: something for each value of a label, for so many values; the rest share one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::lock;

/// The label of all that have none of their own: neither a policy nor a server can be called that.
pub(super) const OTHER: &str = "(other)";

/// What is kept by label.
#[derive(Debug)]
pub(super) struct Bounded<T> {
    most: usize,
    /// Held for a look.
    own: Mutex<BTreeMap<String, Arc<T>>>,
    shared: Arc<T>,
}

impl<T: Default> Bounded<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, own: Mutex::default(), shared: Arc::default() }
    }

    pub(super) fn of(&self, label: &str) -> Arc<T> {
        let mut own = lock(&self.own);
        if let Some(found) = own.get(label) {
            return Arc::clone(found);
        }
        if own.len() >= self.most {
            return Arc::clone(&self.shared);
        }
        Arc::clone(own.entry(label.to_owned()).or_default())
    }

    /// Drops those that are not in `labels`. Says whether [`Self::of`] may now have another answer for somebody.
    pub(super) fn retain(&self, labels: &BTreeSet<String>) -> bool {
        let mut own = lock(&self.own);
        let before = own.len();
        own.retain(|label, _| labels.contains(label));
        own.len() < before
    }

    /// All labels with what is kept by them; that which is shared last.
    pub(super) fn all(&self) -> Vec<(String, Arc<T>)> {
        let own = lock(&self.own);
        let named = own.iter().map(|(label, of)| (label.clone(), Arc::clone(of)));
        named.chain([(OTHER.to_owned(), Arc::clone(&self.shared))]).collect()
    }
}
