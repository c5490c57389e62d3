//! Random sequences of a publisher's operations, and a simple model of what they do: whether each is taken, and what verifiers
//! then see listed.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tagseal::digest::Digest;
use tagseal::publish::key::PublicForm;
use tagseal::publish::operation::Operation;

use super::deal::*;

/// The keys of delegations, of which the last is somebody else's.
pub const KEYS: usize = 3;
/// Those that the publisher holds.
pub const HELD: std::ops::Range<usize> = 0..2;
const ROLES: [&str; 3] = ["targets/a", "targets/a/x", "targets/b"];
const TAGS: [&str; 3] = ["rc", "v1", "v2"];

/// One publish; or time that passes.
#[derive(Debug, Clone)]
pub enum Move {
    Add { role: Option<&'static str>, tag: &'static str, content: &'static str },
    Remove { role: Option<&'static str>, tag: &'static str },
    Delegate { role: &'static str, key: usize, threshold: Option<u64>, path: &'static str },
    Restrict { role: &'static str, key: usize },
    Undelegate { role: &'static str },
    Witness { role: &'static str },
    RotateRoot,
    RotateTargets,
    SnapshotHere,
    SnapshotThere,
    Timestamp,
    Weeks,
}

#[derive(Debug, Clone, Default)]
struct File {
    targets: BTreeMap<&'static str, &'static str>,
    delegations: BTreeMap<&'static str, Delegation>,
    /// The keys whose signatures it carries; nobody counts those of `targets`.
    signers: BTreeSet<usize>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Delegation {
    keys: BTreeSet<usize>,
    threshold: u64,
    paths: BTreeSet<&'static str>,
}

/// What the server has: files that the snapshot lists, delegated or not.
#[derive(Debug, Clone)]
pub struct Model {
    files: BTreeMap<&'static str, File>,
    snapshot_is_here: bool,
}

/// Nothing changes.
pub struct Refused;

fn parent(role: &'static str) -> Option<&'static str> {
    role.rsplit_once('/').map(|(parent, _)| parent)
}

impl Model {
    /// A repository that was just made.
    pub fn new(snapshot_is_here: bool) -> Self {
        Self { files: BTreeMap::from([("targets", File::default())]), snapshot_is_here }
    }

    fn delegation(&self, role: &'static str) -> Option<&Delegation> {
        self.read(parent(role)?)?.delegations.get(role)
    }

    /// A file that is read: its parent's signatures count.
    fn read(&self, role: &'static str) -> Option<&File> {
        if let Some(parent) = parent(role) {
            if !self.is_signed(parent) {
                return None;
            }
            self.read(parent)?.delegations.get(role)?;
        }
        self.files.get(role)
    }

    fn is_signed(&self, role: &'static str) -> bool {
        let Some(delegation) = self.delegation(role) else { return role == "targets" };
        let valid =
            |file: &File| file.signers.intersection(&delegation.keys).count() as u64 >= delegation.threshold;
        self.read(role).is_some_and(valid)
    }

    fn can_sign(&self, role: &'static str) -> bool {
        let Some(delegation) = self.delegation(role) else { return role == "targets" };
        delegation.keys.iter().filter(|key| HELD.contains(key)).count() as u64 >= delegation.threshold
    }

    fn has_key(&self, role: &'static str) -> bool {
        self.delegation(role).is_some_and(|delegation| delegation.keys.iter().any(|key| HELD.contains(key)))
    }

    fn paths(&self, role: &'static str) -> BTreeSet<&'static str> {
        let Some(above) = parent(role).map(|parent| self.paths(parent)) else { return BTreeSet::from([""]) };
        let own = self.delegation(role).map(|delegation| delegation.paths.clone()).unwrap_or_default();
        own.into_iter().filter(|path| above.iter().any(|above| path.starts_with(above))).collect()
    }

    fn may_list(&self, role: &'static str, tag: &str) -> bool {
        self.paths(role).iter().any(|path| tag.starts_with(path))
    }

    /// Changes a role's file and signs it, unless nothing changed.
    fn change(&mut self, role: &'static str, change: impl FnOnce(&mut File)) -> Result<(), Refused> {
        if role != "targets" && self.delegation(role).is_none() {
            return Err(Refused);
        }
        let before = match self.read(role) {
            Some(_) if !self.is_signed(role) => return Err(Refused),
            Some(file) => Some(file.clone()),
            None if !parent(role)
                .is_none_or(|parent| self.is_signed(parent) || self.read(parent).is_none()) =>
            {
                return Err(Refused);
            }
            None => None,
        };
        let mut file = before.clone().unwrap_or_default();
        change(&mut file);
        let is_same = before
            .is_some_and(|before| before.targets == file.targets && before.delegations == file.delegations);
        if is_same { Ok(()) } else { self.sign(role, file) }
    }

    fn sign(&mut self, role: &'static str, mut file: File) -> Result<(), Refused> {
        if !self.can_sign(role) {
            return Err(Refused);
        }
        let keys = self.delegation(role).map(|delegation| delegation.keys.clone()).unwrap_or_default();
        file.signers = keys.into_iter().filter(|key| HELD.contains(key)).collect();
        self.files.insert(role, file);
        Ok(())
    }

    fn direct(&self) -> Vec<&'static str> {
        self.files["targets"].delegations.keys().copied().collect()
    }

    fn add(
        &mut self,
        role: Option<&'static str>,
        tag: &'static str,
        content: &'static str,
    ) -> Result<(), Refused> {
        let roles = match role {
            Some(role) => vec![role],
            None if self.direct().is_empty() => vec!["targets"],
            None => self.direct().into_iter().filter(|r| self.may_list(r, tag) && self.has_key(r)).collect(),
        };
        if roles.is_empty() || !roles.iter().all(|role| self.may_list(role, tag)) {
            return Err(Refused);
        }
        roles.into_iter().try_for_each(|role| {
            self.change(role, |file| {
                file.targets.insert(tag, content);
            })
        })
    }

    fn remove(&mut self, role: Option<&'static str>, tag: &'static str) -> Result<(), Refused> {
        let candidates = match role {
            Some(role) => vec![role],
            None => {
                let delegated = ROLES.into_iter().filter(|role| self.delegation(role).is_some());
                std::iter::once("targets").chain(delegated).collect()
            }
        };
        let lists = |role: &&'static str| self.read(role).is_some_and(|file| file.targets.contains_key(tag));
        let listing: Vec<&'static str> = candidates.into_iter().filter(|role| lists(role)).collect();
        let removable =
            |model: &Self, of: &&'static str| role.is_some() || (model.can_sign(of) && model.is_signed(of));
        let removable: Vec<_> = listing.into_iter().filter(|role| removable(self, role)).collect();
        if removable.is_empty() {
            return Err(Refused);
        }
        removable.into_iter().try_for_each(|role| {
            self.change(role, |file| {
                file.targets.remove(tag);
            })
        })
    }

    fn delegate(
        &mut self,
        role: &'static str,
        key: usize,
        threshold: Option<u64>,
        path: &'static str,
    ) -> Result<(), Refused> {
        let parent = parent(role).ok_or(Refused)?;
        if !self.may_list(parent, path) {
            return Err(Refused);
        }
        let before = self.delegation(role).cloned();
        let mut delegation = before.unwrap_or(Delegation { threshold: 1, ..Delegation::default() });
        delegation.keys.insert(key);
        delegation.paths.insert(path);
        delegation.threshold = threshold.unwrap_or(delegation.threshold);
        if delegation.keys.len() as u64 >= delegation.threshold {
            self.change(parent, |file| {
                file.delegations.insert(role, delegation);
            })
        } else {
            Err(Refused)
        }
    }

    fn restrict(&mut self, role: &'static str, key: usize) -> Result<(), Refused> {
        let mut delegation = self.delegation(role).cloned().ok_or(Refused)?;
        if !delegation.keys.remove(&key) || (delegation.keys.len() as u64) < delegation.threshold {
            return Err(Refused);
        }
        self.change(parent(role).ok_or(Refused)?, |file| {
            file.delegations.insert(role, delegation);
        })
    }

    fn undelegate(&mut self, role: &'static str) -> Result<(), Refused> {
        self.delegation(role).ok_or(Refused)?;
        self.change(parent(role).ok_or(Refused)?, |file| {
            file.delegations.remove(role);
        })?;
        // A server's snapshot goes on listing the dead role.
        if self.snapshot_is_here {
            self.files.retain(|name, _| *name != role && !name.starts_with(&format!("{role}/")));
        }
        Ok(())
    }

    fn witness(&mut self, role: &'static str) -> Result<(), Refused> {
        let file = self.read(role).cloned().ok_or(Refused)?;
        self.sign(role, file)
    }

    /// What the publish does.
    pub fn play(&mut self, step: &Move) -> Result<(), Refused> {
        match step {
            Move::Add { role, tag, content } => self.add(*role, tag, content),
            Move::Remove { role, tag } => self.remove(*role, tag),
            Move::Delegate { role, key, threshold, path } => self.delegate(role, *key, *threshold, path),
            Move::Restrict { role, key } => self.restrict(role, *key),
            Move::Undelegate { role } => self.undelegate(role),
            Move::Witness { role } => self.witness(role),
            Move::SnapshotHere | Move::SnapshotThere => {
                self.snapshot_is_here = matches!(step, Move::SnapshotHere);
                Ok(())
            }
            Move::RotateRoot | Move::RotateTargets | Move::Timestamp | Move::Weeks => Ok(()),
        }
    }

    /// What verifiers see: role, tag, digest.
    pub fn listed(&self) -> Vec<(String, String, Digest)> {
        let roles = std::iter::once("targets").chain(ROLES).filter(|role| self.is_signed(role));
        let mut listed = Vec::new();
        for role in roles {
            let Some(file) = self.read(role) else { continue };
            for (tag, content) in file.targets.iter().filter(|(tag, _)| self.may_list(role, tag)) {
                listed.push((role.to_owned(), (*tag).to_owned(), Digest::of(content.as_bytes())));
            }
        }
        listed.sort();
        listed
    }
}

/// The operation of a publish; `None` where time passes.
pub fn operation(step: &Move, keys: &[PublicForm]) -> Option<Operation> {
    let roles = |role: &Option<&'static str>| role.iter().copied().collect::<Vec<_>>();
    Some(match step {
        Move::Add { role, tag, content } => add(tag, content, &roles(role)),
        Move::Remove { role, tag } => remove(tag, &roles(role)),
        Move::Delegate { role, key, threshold, path } => delegate(role, &[&keys[*key]], *threshold, &[path]),
        Move::Restrict { role, key } => restrict(role, &[keys[*key].id()], &[]),
        Move::Undelegate { role } => undelegate(role),
        Move::Witness { role } => witness(&[role]),
        Move::RotateRoot => rotate_root(),
        Move::RotateTargets => rotate_local("targets"),
        Move::SnapshotHere => rotate_local("snapshot"),
        Move::SnapshotThere => rotate_server_managed("snapshot"),
        Move::Timestamp => rotate_server_managed("timestamp"),
        Move::Weeks => return None,
    })
}

/// Any move.
pub fn a_move() -> impl Strategy<Value = Move> {
    use proptest::option::of;
    use proptest::sample::select;
    let role = || select(ROLES.to_vec());
    let list = || of(select([&["targets"][..], &ROLES[..]].concat()));
    let tag = || select(TAGS.to_vec());
    prop_oneof![
        8 => (list(), tag(), select(vec!["one", "two"]))
            .prop_map(|(role, tag, content)| Move::Add { role, tag, content }),
        3 => (list(), tag()).prop_map(|(role, tag)| Move::Remove { role, tag }),
        8 => (role(), 0..KEYS, of(1..3_u64), select(vec!["", "", "v"]))
            .prop_map(|(role, key, threshold, path)| Move::Delegate { role, key, threshold, path }),
        2 => (role(), 0..KEYS).prop_map(|(role, key)| Move::Restrict { role, key }),
        2 => role().prop_map(|role| Move::Undelegate { role }),
        3 => role().prop_map(|role| Move::Witness { role }),
        1 => Just(Move::RotateRoot),
        1 => Just(Move::RotateTargets),
        1 => Just(Move::SnapshotHere),
        1 => Just(Move::SnapshotThere),
        1 => Just(Move::Timestamp),
        1 => Just(Move::Weeks),
    ]
}
