//! [`Names`]: which objects are about which repository.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::held::Held;
use crate::tuf::Gun;

/// The names of the objects of each repository. An object that is gone may stand here until the next whole list: whoever
/// looks for it finds out.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Gun, Vec<Box<str>>>);

impl Names {
    pub(super) fn of<'a>(objects: impl Iterator<Item = &'a Arc<Held>>) -> Self {
        let mut names = Self::default();
        objects.for_each(|held| names.add(held));
        names
    }

    /// Notes an object. Which repository it is about stands in its name: that never changes.
    pub(super) fn add(&mut self, held: &Held) {
        let Some(key) = held.about() else { return };
        let names = self.0.entry(key.gun.clone()).or_default();
        if !names.contains(&held.name) {
            names.push(held.name.clone());
        }
    }

    /// The objects about `gun`.
    pub(super) fn of_gun(&self, gun: &Gun) -> &[Box<str>] {
        self.0.get(gun).map_or(&[], Vec::as_slice)
    }
}
