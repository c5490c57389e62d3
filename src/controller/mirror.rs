//! [`Mirror`]: what a watch has shown so far, replaced as a whole when the watch starts over.

use std::collections::BTreeMap;

use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt as _};

/// Namespace (empty for cluster-scoped objects) and name.
pub(super) type ObjectKey = (String, String);

/// The objects of one watch, as `T`. During a relist the old ones stand until the new ones are all there.
#[derive(Debug)]
pub(super) struct Mirror<T> {
    current: BTreeMap<ObjectKey, T>,
    arriving: BTreeMap<ObjectKey, T>,
    synced: bool,
}

impl<T> Default for Mirror<T> {
    fn default() -> Self {
        Self { current: BTreeMap::new(), arriving: BTreeMap::new(), synced: false }
    }
}

impl<T> Mirror<T> {
    /// Takes one event; says whether what [`Self::objects`] shows may have changed.
    pub(super) fn take<K: Resource + Clone>(&mut self, event: Event<K>, keep: impl Fn(K) -> T) -> bool {
        match event {
            Event::Init => {
                self.arriving.clear();
                false
            }
            Event::InitApply(object) => {
                self.arriving.insert(key(&object), keep(object));
                false
            }
            Event::InitDone => {
                self.current = std::mem::take(&mut self.arriving);
                self.synced = true;
                true
            }
            Event::Apply(object) => {
                self.current.insert(key(&object), keep(object));
                true
            }
            Event::Delete(object) => self.current.remove(&key(&object)).is_some(),
        }
    }

    /// Whether one full list has arrived.
    pub(super) fn is_synced(&self) -> bool {
        self.synced
    }

    /// The objects, by key.
    pub(super) fn objects(&self) -> &BTreeMap<ObjectKey, T> {
        &self.current
    }
}

/// An object's key.
pub(super) fn key<K: Resource>(object: &K) -> ObjectKey {
    (object.meta().namespace.clone().unwrap_or_default(), object.name_any())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Namespace;

    use super::*;

    fn namespace(name: &str) -> Namespace {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.into());
        namespace
    }

    fn names(mirror: &Mirror<()>) -> Vec<&str> {
        mirror.objects().keys().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn a_relist_replaces_all_at_once_and_forgets_what_was_deleted_meanwhile() {
        let mut mirror = Mirror::default();
        let mut take = |event| mirror.take(event, |_: Namespace| ());
        take(Event::Init);
        take(Event::InitApply(namespace("a")));
        assert!(!take(Event::InitApply(namespace("b"))));
        assert!(take(Event::InitDone));
        assert!(take(Event::Apply(namespace("c"))));
        take(Event::Init);
        take(Event::InitApply(namespace("b")));
        assert_eq!(names(&mirror), ["a", "b", "c"], "the old ones stand until the new ones are all there");
        mirror.take(Event::<Namespace>::InitDone, |_| ());
        assert_eq!(names(&mirror), ["b"]);
    }

    #[test]
    fn nothing_is_synced_before_the_first_list_is_whole() {
        let mut mirror = Mirror::default();
        mirror.take(Event::Init, |_: Namespace| ());
        mirror.take(Event::InitApply(namespace("a")), |_| ());
        assert!(!mirror.is_synced());
        assert!(mirror.objects().is_empty());
        mirror.take(Event::<Namespace>::InitDone, |_| ());
        assert!(mirror.is_synced());
    }
}
