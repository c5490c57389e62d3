//! [`Paths`]: the path prefixes of a delegation, matched in sorted order.

use std::fmt;

use super::metadata::ALLOCATION;
use super::work::{Ended, Work};

/// Path prefixes, plain strings: `""` is everything, none is nothing (Notary v1, Delegations and lookup).
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Paths {
    /// In their file's order.
    listed: Box<[Box<str>]>,
    /// Where in `listed` those are that no other one begins, sorted. Empty where `listed` is that already, as it mostly
    /// is: roles have one path.
    sorted: Box<[u32]>,
}

impl Paths {
    /// The paths as a file lists them.
    pub(super) fn new(listed: Box<[Box<str>]>) -> Self {
        let sorted = if is_free(&listed) { Box::default() } else { free(&listed) };
        Self { listed, sorted }
    }

    /// What covers everything.
    pub(super) fn everything() -> Self {
        Self::new(["".into()].into())
    }

    /// Those of `child` that count below these: those that one of these covers.
    ///
    /// # Errors
    /// [`Ended`].
    pub(super) fn restrict(&self, child: &Self, work: &Work) -> Result<Self, Ended> {
        work.take(child.listed.len() as u64 * self.comparisons())?;
        if child.listed.iter().all(|path| self.cover(path)) {
            return Ok(child.clone());
        }
        Ok(Self::new(child.listed.iter().filter(|path| self.cover(path)).cloned().collect()))
    }

    /// Whether one of the prefixes covers `name`.
    ///
    /// Of sorted prefixes none of which begins another, only the last that is not above the name can begin it: what
    /// stands between a prefix and a name that it begins, begins with it too.
    pub(super) fn cover(&self, name: &str) -> bool {
        let begins = |path: Option<&Box<str>>| path.is_some_and(|path| name.starts_with(&**path));
        if self.sorted.is_empty() {
            let above = self.listed.partition_point(|path| **path <= *name);
            return above.checked_sub(1).is_some_and(|last| begins(self.listed.get(last)));
        }
        let above = self.sorted.partition_point(|at| self.at(*at) <= name);
        above
            .checked_sub(1)
            .and_then(|last| self.sorted.get(last))
            .is_some_and(|at| name.starts_with(self.at(*at)))
    }

    /// About how many bytes of memory they take.
    pub(super) fn memory(&self) -> usize {
        let names: usize = self.listed.iter().map(|path| path.len() + ALLOCATION).sum();
        names + size_of_val(&*self.listed) + size_of_val(&*self.sorted)
    }

    /// How many comparisons [`Self::cover`] makes at most.
    pub(super) fn comparisons(&self) -> u64 {
        u64::from((self.listed.len() + 1).ilog2()) + 2
    }

    /// The prefixes, in their file's order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.listed.iter().map(|path| &**path)
    }

    fn at(&self, at: u32) -> &str {
        self.listed.get(at as usize).map_or("", |path| path)
    }
}

/// As a list: what compares and is told of it.
impl fmt::Debug for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Whether the list is sorted and none begins another.
fn is_free(listed: &[Box<str>]) -> bool {
    listed.is_sorted_by(|a, b| a < b && !b.starts_with(&**a))
}

fn free(listed: &[Box<str>]) -> Box<[u32]> {
    let path = |at: u32| listed.get(at as usize).map_or("", |path| path);
    let mut sorted: Vec<u32> = (0..).take(listed.len()).collect();
    sorted.sort_unstable_by_key(|at| path(*at));
    // What begins others stands right before them.
    let mut last: Option<&str> = None;
    sorted.retain(|at| {
        let is_covered = last.is_some_and(|last| path(*at).starts_with(last));
        if !is_covered {
            last = Some(path(*at));
        }
        !is_covered
    });
    sorted.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tuf::stop::Stop;

    fn paths(listed: &[String]) -> Paths {
        Paths::new(listed.iter().map(|path| path.as_str().into()).collect())
    }

    fn listed() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[ab\u{0}é]{0,4}", 0..12)
    }

    proptest! {
        #![proptest_config(crate::random::cases(256))]

        #[test]
        fn a_name_is_covered_exactly_where_one_of_the_prefixes_begins_it(
            prefixes in listed(),
            names in prop::collection::vec("[ab\u{0}é]{0,6}", 30),
        ) {
            let paths = paths(&prefixes);
            for name in &names {
                let begins = prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
                prop_assert_eq!(paths.cover(name), begins, "{:?} by {:?}", name, prefixes);
            }
        }

        #[test]
        fn of_a_childs_paths_those_count_that_a_parents_prefix_covers(parent in listed(), child in listed()) {
            let restricted = paths(&parent).restrict(&paths(&child), &Work::unstopped()).unwrap();
            let expected = child.iter().filter(|path| parent.iter().any(|prefix| path.starts_with(prefix.as_str())));
            prop_assert_eq!(restricted.iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            prop_assert_eq!(restricted.clone(), paths(&restricted.iter().map(ToOwned::to_owned).collect::<Vec<_>>()));
        }
    }

    #[test]
    fn t38_matching_takes_the_logarithm_of_the_paths() {
        let numbered = |count: usize| paths(&(0..count).map(|n| format!("{n:06}/")).collect::<Vec<_>>());
        let (parent, child) = (numbered(200_000), numbered(200_000));
        let work = Work::unstopped();
        assert_eq!(parent.restrict(&child, &work).unwrap().iter().len(), 200_000);
        assert_eq!(work.steps(), 200_000 * 19);
        assert_eq!(parent.comparisons(), 19);
    }

    #[test]
    fn matching_ends_when_it_is_stopped() {
        let (stop, everything) = (Stop::default(), Paths::everything());
        stop.stop();
        assert_eq!(everything.restrict(&everything, &Work::under(&stop)), Err(Ended::Stopped));
    }
}
