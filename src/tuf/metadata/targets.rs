//! [`Targets`]: what `targets` or a delegation role lists and delegates.

use std::cmp::Ordering;

use super::{ALLOCATION, Common, KeyTable, Metadata, RoleKeys, length, sha256};
use crate::digest::Digest;
use crate::limits::{FILE_DELEGATIONS, FILE_PATHS, FILE_TARGETS, ROLE_PATHS};
use crate::tuf::decode::{Fields, What};
use crate::tuf::paths::Paths;
use crate::tuf::role::RoleName;

/// The file of `targets` or of a delegation role.
#[derive(Debug)]
pub(in crate::tuf) struct Targets {
    common: Common,
    targets: TargetList,
    /// In the file's order, which is priority.
    pub(in crate::tuf) delegations: Box<[Delegation]>,
    /// Where in `delegations` they are, sorted by name.
    by_name: Box<[u32]>,
}

/// A listed target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tuf) struct Target<'a> {
    pub(in crate::tuf) name: &'a str,
    /// `None` without a sha256 of 32 bytes: the entry does not count.
    pub(in crate::tuf) digest: Option<Digest>,
    pub(in crate::tuf) length: u64,
}

/// Targets by name, in three allocations: caches hold a million of them (design §10).
#[derive(Debug)]
struct TargetList {
    /// All names, one after the other, sorted.
    names: Box<str>,
    entries: Box<[Entry]>,
    /// How many bytes all names begin with alike.
    shared: usize,
    /// The [`key`] of what follows them in each name. A look-up goes by these: they lie side by side, and comparing numbers
    /// needs no branches that nobody could foretell.
    keys: Box<[u64]>,
}

#[derive(Debug)]
struct Entry {
    length: u64,
    digest: Option<Digest>,
    /// Where the name ends; it begins where the one before ends. A file has at most 16 MiB.
    end: u32,
}

/// A delegation to a direct child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tuf) struct Delegation {
    pub(in crate::tuf) name: RoleName,
    pub(in crate::tuf) keys: RoleKeys,
    pub(in crate::tuf) paths: Paths,
}

impl Targets {
    /// All listed targets, those that do not count included; sorted by name.
    pub(in crate::tuf) fn targets(&self) -> impl Iterator<Item = Target<'_>> {
        (0..self.targets.entries.len()).filter_map(|at| self.targets.at(at))
    }

    /// The target of exactly this name.
    pub(in crate::tuf) fn target(&self, name: &str) -> Option<Target<'_>> {
        self.targets.find(name)
    }

    /// About how many bytes of memory it takes.
    pub(in crate::tuf) fn memory(&self) -> usize {
        let of = |delegation: &Delegation| {
            let name = delegation.name.as_str().len() + ALLOCATION;
            name + delegation.keys.memory() + delegation.paths.memory()
        };
        let delegations = size_of_val(&*self.delegations) + size_of_val(&*self.by_name);
        self.targets.memory() + delegations + self.delegations.iter().map(of).sum::<usize>()
    }

    /// The delegation to `role`, a direct child.
    pub(in crate::tuf) fn delegation(&self, role: &RoleName) -> Option<&Delegation> {
        self.delegation_named(role.as_str())
    }

    /// As [`Self::delegation`].
    pub(in crate::tuf) fn delegation_named(&self, role: &str) -> Option<&Delegation> {
        let delegation = |at: u32| self.delegations.get(at as usize);
        let name = |at: u32| delegation(at).map_or("", |delegation| delegation.name.as_str());
        let found = self.by_name.binary_search_by(|at| name(*at).cmp(role)).ok()?;
        delegation(*self.by_name.get(found)?)
    }
}

impl Metadata for Targets {
    const TYPE: &str = "Targets";

    fn decode(role: &RoleName, common: Common, signed: Fields<'_>) -> Result<Self, What> {
        let targets = TargetList::decode(signed)?;
        let delegations = match signed.optional("delegations") {
            None => Box::default(),
            Some(value) => decode_delegations(role, Fields::of(value, "signed.delegations")?)?,
        };
        let mut by_name: Vec<u32> = (0..).take(delegations.len()).collect();
        by_name.sort_unstable_by_key(|at| delegations.get(*at as usize).map(|delegation| &delegation.name));
        Ok(Self { common, targets, delegations, by_name: by_name.into() })
    }

    fn common(&self) -> &Common {
        &self.common
    }
}

impl TargetList {
    fn decode(signed: Fields<'_>) -> Result<Self, What> {
        // They come sorted: a decoded object's keys are.
        let found = signed.entries("targets")?;
        let mut names = String::new();
        let mut entries = Vec::new();
        for (name, value) in found {
            if entries.len() == FILE_TARGETS {
                return Err(format!("it has more than {FILE_TARGETS} targets"));
            }
            let target = Fields::of(value, name)?;
            names.push_str(name);
            let end = u32::try_from(names.len()).map_err(|_| "it lists too many targets".to_owned())?;
            entries.push(Entry { length: length(target)?, digest: sha256(target, name)?, end });
        }
        Ok(Self::new(names.into(), entries.into()))
    }

    fn new(names: Box<str>, entries: Box<[Entry]>) -> Self {
        let mut new = Self { names, entries, shared: 0, keys: Box::default() };
        let name = |at: Option<usize>| at.and_then(|at| new.at(at)).map_or("", |target| target.name);
        let (first, last) = (name(Some(0)), name(new.entries.len().checked_sub(1)));
        let shared = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
        let rest = |at| name(Some(at)).as_bytes().get(shared..).unwrap_or_default();
        let keys = (0..new.entries.len()).map(|at| key(rest(at)));
        new.keys = keys.collect();
        new.shared = shared;
        new
    }

    fn memory(&self) -> usize {
        self.names.len() + size_of_val(&*self.entries) + size_of_val(&*self.keys)
    }

    fn find(&self, name: &str) -> Option<Target<'_>> {
        let shared = self.names.as_bytes().get(..self.shared)?;
        let key = key(name.as_bytes().strip_prefix(shared)?);
        let start = self.keys.partition_point(|other| *other < key);
        // Mostly no two names have one key.
        let first = self.at(start)?;
        if first.name == name {
            return Some(first);
        }
        let same = self.keys.get(start..)?.partition_point(|other| *other == key);
        let (mut low, mut high) = (start, start + same);
        while low < high {
            let middle = low + (high - low) / 2;
            let target = self.at(middle)?;
            match target.name.cmp(name) {
                Ordering::Equal => return Some(target),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn at(&self, at: usize) -> Option<Target<'_>> {
        let start = match at.checked_sub(1) {
            Some(before) => self.entries.get(before)?.end,
            None => 0,
        };
        let Entry { length, digest, end } = *self.entries.get(at)?;
        let name = self.names.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)?;
        Some(Target { name, digest, length })
    }
}

/// The first eight bytes as a number that orders as they do; what is missing counts as zeros.
fn key(name: &[u8]) -> u64 {
    (0..8).fold(0, |key, at| (key << 8) | u64::from(name.get(at).copied().unwrap_or(0)))
}

/// Each role is a direct child of `parent`, and named once (design §11 tuf).
fn decode_delegations(parent: &RoleName, delegations: Fields<'_>) -> Result<Box<[Delegation]>, What> {
    let mut keys = KeyTable::new(match delegations.optional("keys") {
        Some(keys) => Some(Fields::of(keys, "delegations.keys")?),
        None => None,
    });
    let mut names = std::collections::BTreeSet::new();
    let mut found = Vec::new();
    let mut paths_in_all = 0;
    for value in delegations.array("roles")? {
        let role = Fields::of(value, "a delegation")?;
        let written = role.string("name")?;
        let name = RoleName::parse(written).map_err(|error| error.to_string())?;
        if name.parent().as_ref() != Some(parent) {
            return Err(format!("it delegates {written}, which is not directly below it"));
        }
        if !names.insert(name.clone()) {
            return Err(format!("it delegates {written} twice"));
        }
        if names.len() > FILE_DELEGATIONS {
            return Err(format!("it has more than {FILE_DELEGATIONS} delegations"));
        }
        let paths = role.strings("paths")?;
        paths_in_all += paths.len();
        if paths.len() > ROLE_PATHS || paths_in_all > FILE_PATHS {
            return Err(format!(
                "it has more than {ROLE_PATHS} paths for one delegation or {FILE_PATHS} for all"
            ));
        }
        found.push(Delegation {
            keys: RoleKeys::decode(role, written, &mut keys)?,
            paths: Paths::new(paths.into_iter().map(Into::into).collect()),
            name,
        });
    }
    Ok(found.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn list(names: &BTreeSet<String>) -> TargetList {
        let mut end = 0;
        let entries = names.iter().zip(0..).map(|(name, length)| {
            end += u32::try_from(name.len()).unwrap();
            Entry { length, digest: None, end }
        });
        let entries: Box<[Entry]> = entries.collect();
        TargetList::new(names.iter().map(String::as_str).collect::<String>().into(), entries)
    }

    /// Names that begin alike for longer than a key, that are each other's beginnings, that end with zeros.
    fn name() -> impl Strategy<Value = String> {
        let stem = prop_oneof![Just(""), Just("release"), Just("release-1"), Just("release-2024.11")];
        (stem, "[ab\u{0}é]{0,9}").prop_map(|(stem, rest)| stem.to_owned() + &rest)
    }

    proptest! {
        #![proptest_config(crate::random::cases(256))]

        #[test]
        fn a_target_is_found_exactly_where_it_is_listed(
            names in prop::collection::btree_set(name(), 0..40),
            others in prop::collection::vec(name(), 20),
        ) {
            let list = list(&names);
            for wanted in names.iter().chain(&others) {
                let found = list.find(wanted).map(|target| (target.name, target.length));
                let listed = names.iter().zip(0..).find(|(name, _)| *name == wanted);
                prop_assert_eq!(found, listed.map(|(name, at)| (name.as_str(), at)), "{:?}", wanted);
            }
        }
    }

    #[test]
    fn names_that_differ_after_the_common_beginning_have_keys_of_their_own() {
        let names = (0..50).map(|n| format!("release-candidate-{n}")).collect();
        let keys: BTreeSet<u64> = list(&names).keys.iter().copied().collect();
        assert_eq!(keys.len(), 50);
    }
}
