//! What repositories hold in memory, within bounds: in all, and of one namespace that alone asks for them.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::SignedDuration;

use super::cell::Cell;
use super::core::Core;
use crate::limits::{Bounds, SMALL_SET};
use crate::tuf::TrustedRepository;

/// What a cluster policy led to within this time gives way last.
const LATELY: SignedDuration = SignedDuration::from_hours(1);

/// The set as it is to be held: what other sets of the same repository have is theirs.
pub(super) fn share(core: &Core, cell: &Cell, repository: Arc<TrustedRepository>) -> Arc<TrustedRepository> {
    if repository.memory() < SMALL_SET {
        return repository;
    }
    let others = core.repositories.of_same_gun(cell);
    let sets: Vec<_> = others.iter().filter_map(|other| other.contents().served.clone()).collect();
    let shared = repository.sharing(sets.iter().map(|served| &*served.repository));
    shared.map_or(repository, Arc::new)
}

/// Pushes out repositories where more is held than may be. `new` is the set that came in: a small one is not worth a look at
/// all others.
pub(super) fn bound(core: &Core, new: &TrustedRepository) {
    if new.memory() < SMALL_SET {
        return;
    }
    let now = core.clock.now();
    let held = |cell: Arc<Cell>| {
        let bytes = cell.contents().served.as_ref()?.repository.memory();
        let namespace = cell.usage.only_namespace();
        let is_needed = namespace.is_none() && cell.usage.unused(now) <= LATELY;
        Some((cell.clone(), Held { bytes, namespace, is_needed, last_used: cell.usage.last_used() }))
    };
    let (cells, held): (Vec<_>, Vec<_>) = core.repositories.all().into_iter().filter_map(held).unzip();
    let Bounds { metadata_memory, metadata_memory_per_namespace, .. } = core.config.bounds;
    let gone: Vec<_> = giving_way(&held, metadata_memory, metadata_memory_per_namespace)
        .into_iter()
        .filter_map(|at| cells.get(at))
        .collect();
    if !gone.is_empty() {
        tracing::warn!(
            repositories = gone.len(),
            "trust data was dropped from memory, of which too much is held"
        );
        core.repositories.remove(|cell| gone.iter().any(|gone| Arc::ptr_eq(gone, cell)));
    }
}

/// What a repository holds, and whom for.
#[derive(Debug, Clone)]
struct Held {
    bytes: usize,
    /// The namespace whose policies alone lead here.
    namespace: Option<String>,
    /// Whether cluster policies led here lately.
    is_needed: bool,
    last_used: i64,
}

/// Which repositories give way, the least recently used first: those of a namespace that holds more than it may by itself,
/// then any, but those that are needed as the last.
fn giving_way(held: &[Held], most: usize, most_of_namespace: usize) -> Vec<usize> {
    let mut order: Vec<(usize, &Held)> = held.iter().enumerate().collect();
    order.sort_by_key(|(_, held)| (held.is_needed, held.last_used));
    let mut of_namespace: HashMap<&str, usize> = HashMap::new();
    for held in held {
        if let Some(namespace) = &held.namespace {
            *of_namespace.entry(namespace).or_default() += held.bytes;
        }
    }
    let mut total: usize = held.iter().map(|held| held.bytes).sum();
    let mut gone = Vec::new();
    // Of namespaces first, so that they do not push out what others hold.
    for of_namespaces in [true, false] {
        for (at, held) in &order {
            let of_its = held.namespace.as_deref().and_then(|namespace| of_namespace.get_mut(namespace));
            let is_over = match of_namespaces {
                true => of_its.as_deref().is_some_and(|bytes| *bytes > most_of_namespace),
                false => total > most,
            };
            if is_over && !gone.contains(at) {
                if let Some(bytes) = of_its {
                    *bytes -= held.bytes;
                }
                total -= held.bytes;
                gone.push(*at);
            }
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(bytes: usize, namespace: Option<&str>, is_needed: bool, last_used: i64) -> Held {
        Held { bytes, namespace: namespace.map(str::to_owned), is_needed, last_used }
    }

    #[test]
    fn p14_a_namespace_that_holds_too_much_gives_way_to_itself_and_to_nobody_else() {
        let all = [
            held(10, None, false, 1),
            held(30, Some("evil"), false, 9),
            held(30, Some("evil"), false, 8),
            held(30, Some("shop"), false, 2),
        ];
        assert_eq!(giving_way(&all, 100, 40), [2], "the least recently used of its own");
        assert!(giving_way(&all, 1000, 1000).is_empty());
    }

    #[test]
    fn beyond_the_bound_of_all_what_clusters_policies_need_goes_last() {
        let all = [held(40, None, true, 1), held(40, None, false, 5), held(40, Some("shop"), false, 4)];
        assert_eq!(giving_way(&all, 100, 100), [2]);
        assert_eq!(giving_way(&all, 60, 100), [2, 1]);
        assert_eq!(giving_way(&all, 30, 100), [2, 1, 0]);
    }
}
