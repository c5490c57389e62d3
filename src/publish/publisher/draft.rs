//! [`Draft`]: a repository as it is being edited.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::apply::adopt::{Begun, BegunFile};
use super::error::{PublishError, Signer};
use crate::digest::Digest;
use crate::publish::document::{
    Document, DocumentError, Keyring, Root, Signed, Snapshot, Targets, unverified_version,
};
use crate::tuf::{KeyId, RoleName};

/// A repository as it is being edited: what was read, and what was changed since.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) root: Root,
    /// `targets` and delegation roles that have a file.
    pub(super) targets: BTreeMap<RoleName, Targets>,
    /// Published, or new where its key is a local one.
    pub(super) snapshot: Option<Snapshot>,
    /// Roles that are signed anew as they are, on request.
    pub(super) witnessed: BTreeSet<RoleName>,
    /// Roles that the operations are about: whatever stands above them has to count too.
    pub(super) about: BTreeSet<RoleName>,
    /// Whether consumers take from another role what an operation lists.
    pub(super) is_overruled: bool,
    /// Roles that are signed anew for no other reason than that they end soon.
    pub(super) renewed: BTreeSet<RoleName>,
    /// Role files that another signer began, with the signatures that they have: signed as they are.
    pub(super) adopted: BTreeMap<RoleName, Vec<Signed>>,
    /// What the server has; nothing for a new repository.
    pub(super) base: Base,
}

/// The files of a repository.
pub(super) type Files = BTreeMap<RoleName, Bytes>;

/// A repository as it was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Base {
    /// Its files, verified or named by a verified parent.
    pub(super) files: Files,
    /// The keys that a new root has to be signed by, beside its own.
    pub(super) root_keys: Option<Keyring>,
    /// Roles that expired: touched, they are signed anew.
    pub(super) expired: BTreeSet<RoleName>,
    /// Roles whose signatures do not count. Only the verified snapshot vouches for their files, and its key is often the
    /// server's: they are signed anew when a witness says so, and never in passing.
    pub(super) unsigned: BTreeSet<RoleName>,
    /// Who validly signed the files, by canonical key ID.
    pub(super) signers: BTreeMap<RoleName, Vec<KeyId>>,
    /// Versions of files that were removed, of roles that have none now: new files have to exceed them.
    pub(super) former: BTreeMap<RoleName, u64>,
    /// The root keys that were believed because none was known.
    pub(super) first_use: Vec<KeyId>,
}

impl Base {
    /// The hash of a role's file.
    pub(super) fn hash(&self, role: &RoleName) -> Option<Digest> {
        self.files.get(role).map(|bytes| Digest::of(bytes))
    }

    /// The files of these roles, of those above them, and the root: what somebody needs who has to judge new ones of them.
    pub(super) fn needed_for<'a>(&self, roles: impl Iterator<Item = &'a RoleName>) -> Files {
        let up = |role: &RoleName| std::iter::successors(Some(role.clone()), RoleName::parent);
        let needed: BTreeSet<RoleName> = roles.flat_map(up).chain([RoleName::root()]).collect();
        let files = self.files.iter().filter(|(role, _)| needed.contains(*role));
        files.map(|(role, bytes)| (role.clone(), bytes.clone())).collect()
    }

    /// Whether somebody else published between two readings. The server signs timestamps by itself, and snapshots whose
    /// key it has.
    pub(super) fn differs_from(&self, other: &Self) -> bool {
        let published = |base: &Self| {
            let files = base.files.iter().map(|(role, bytes)| (role.clone(), Digest::of(bytes)));
            files.filter(|(role, _)| *role != RoleName::timestamp()).collect::<BTreeMap<_, _>>()
        };
        published(self) != published(other)
    }
}

impl Draft {
    /// A draft of what was read.
    pub(super) fn of(base: Base) -> Result<Self, PublishError> {
        let (root, targets, snapshot) = (RoleName::root(), RoleName::targets(), RoleName::snapshot());
        let file = |role: &RoleName| {
            let what = "it is missing".to_owned();
            base.files.get(role).ok_or(PublishError::Malformed { role: role.clone(), what })
        };
        let read_root = Root::read(file(&root)?).map_err(malformed(&root))?;
        let read_snapshot = Snapshot::read(file(&snapshot)?).map_err(malformed(&snapshot))?;
        let mut read = BTreeMap::new();
        for (role, bytes) in &base.files {
            if role.is_delegation() || *role == targets {
                read.insert(role.clone(), Targets::read(bytes).map_err(malformed(role))?);
            }
        }
        Ok(Self { targets: read, base, ..Self::new(read_root, Some(read_snapshot)) })
    }

    /// A draft of a root alone.
    pub(super) fn new(root: Root, snapshot: Option<Snapshot>) -> Self {
        Self {
            root,
            targets: BTreeMap::new(),
            snapshot,
            witnessed: BTreeSet::new(),
            about: BTreeSet::new(),
            is_overruled: false,
            renewed: BTreeSet::new(),
            adopted: BTreeMap::new(),
            base: Base::default(),
        }
    }

    /// Whether anything has to be uploaded.
    pub(super) fn is_dirty(&self) -> bool {
        self.root.0.is_dirty()
            || self.targets.values().any(|targets| targets.0.is_dirty())
            || self.renewed.contains(&RoleName::snapshot())
    }

    /// The file of `targets` or a delegation role; an empty one where the role is delegated and was never signed.
    pub(super) fn edit(&mut self, role: &RoleName) -> Result<&mut Targets, PublishError> {
        if self.keyring(role).is_none() {
            return Err(PublishError::NotDelegated { role: role.clone() });
        }
        if let Some(role) = self.unsigned_at_or_above(role) {
            return Err(PublishError::NotValidlySigned { role });
        }
        self.about.insert(role.clone());
        let targets = self.targets.entry(role.clone()).or_insert_with(Targets::new);
        if self.base.expired.contains(role) {
            targets.0.touch();
        }
        Ok(targets)
    }

    /// The role itself or the ancestor whose file nobody vouches for. What is below such an ancestor was not read.
    fn unsigned_at_or_above(&self, role: &RoleName) -> Option<RoleName> {
        if self.base.unsigned.contains(role)
            && !self.witnessed.contains(role)
            && self.targets.contains_key(role)
        {
            return Some(role.clone());
        }
        let was_read = self.targets.contains_key(role);
        let mut above = role.parent();
        while let Some(ancestor) = above.filter(|_| !was_read) {
            if self.base.unsigned.contains(&ancestor) {
                return Some(ancestor);
            }
            above = ancestor.parent();
        }
        None
    }

    /// Signs a role's file anew, as it is.
    pub(super) fn witness(&mut self, role: &RoleName) -> Result<(), PublishError> {
        if self.keyring(role).is_none() {
            return Err(PublishError::NotDelegated { role: role.clone() });
        }
        let never = PublishError::NeverSigned { role: role.clone() };
        self.targets.get_mut(role).ok_or(never)?.0.touch();
        self.witnessed.insert(role.clone());
        self.about.insert(role.clone());
        Ok(())
    }

    /// Takes a role's file as another signer began it.
    pub(super) fn adopt(&mut self, role: &RoleName, begun: Begun) {
        match begun.file {
            BegunFile::Root(mut root) => {
                root.0.touch();
                self.root = root;
            }
            BegunFile::Targets(mut file) => {
                file.0.touch();
                self.targets.insert(role.clone(), file);
                self.about.insert(role.clone());
            }
        }
        self.adopted.insert(role.clone(), begun.signatures);
    }

    /// Whether what was read says just this of the role.
    pub(super) fn is_published(&self, role: &RoleName, message: &[u8]) -> bool {
        let file = self.base.files.get(role);
        let published = file.and_then(|bytes| Document::read(bytes).ok()?.message().ok());
        published.as_deref() == Some(message)
    }

    /// A key with the name of the signer, if a role directly below `targets` has it and is not everybody's.
    pub(super) fn signer(&self, id: KeyId) -> Signer {
        let targets = self.targets.get(&RoleName::targets());
        let names = targets.into_iter().flat_map(|targets| {
            let has = |role: &RoleName| targets.keyring(role).is_some_and(|ring| ring.has(id));
            targets.delegated().into_iter().filter(has).collect::<Vec<_>>()
        });
        let names = names.filter_map(|role| role.as_str().strip_prefix("targets/").map(str::to_owned));
        let names = names.filter(|name| name != "releases").collect::<Vec<_>>();
        Signer { id, name: (names.len() == 1).then(|| names.concat()) }
    }

    /// `targets`, which is above everything, the delegation roles that the operations are about, and those between: a role
    /// counts where all of them do.
    pub(super) fn on_the_way(&self) -> BTreeSet<RoleName> {
        let up = |role: &RoleName| std::iter::successors(Some(role.clone()), RoleName::parent);
        self.about.iter().flat_map(up).chain([RoleName::targets()]).collect()
    }

    /// Whether enough of its present keys signed the role's file as it was read.
    pub(super) fn is_vouched_for(&self, role: &RoleName) -> bool {
        let signers = self.base.signers.get(role).map(Vec::as_slice).unwrap_or_default();
        self.keyring(role).is_some_and(|ring| {
            let signed = ring.canonical_ids().iter().filter(|id| signers.contains(id)).count();
            signed as u64 >= ring.threshold
        })
    }

    /// The version that a role's new file has to exceed, beside that of the file that is edited.
    pub(super) fn floor(&self, role: &RoleName) -> u64 {
        let former = self.base.former.get(role).copied();
        let read = self.base.files.get(role).and_then(|bytes| unverified_version(bytes));
        former.into_iter().chain(read).max().unwrap_or(0)
    }

    /// The keys of a role; `None` where its parent does not delegate it.
    pub(super) fn keyring(&self, role: &RoleName) -> Option<Keyring> {
        match role.parent() {
            Some(parent) if self.keyring(&parent).is_some() => self.targets.get(&parent)?.keyring(role),
            Some(_) => None,
            None => Some(self.root.keyring(role)),
        }
    }

    /// The path prefixes that count for a role: its own within its ancestors' (Notary v1, "Delegations and lookup").
    pub(super) fn paths(&self, role: &RoleName) -> Vec<String> {
        let Some(parent) = role.parent() else { return vec![String::new()] };
        let above = self.paths(&parent);
        let own = self.targets.get(&parent).and_then(|parent| parent.paths(role)).unwrap_or_default();
        own.into_iter().filter(|path| covers(&above, path)).collect()
    }

    /// Forgets the file of a role and of whatever is below it.
    pub(super) fn forget(&mut self, role: &RoleName) -> Result<(), PublishError> {
        let below = format!("{role}/");
        self.targets.retain(|name, _| name != role && !name.as_str().starts_with(&below));
        match &mut self.snapshot {
            Some(snapshot) => snapshot.remove(role).map_err(malformed(&RoleName::snapshot())),
            None => Ok(()),
        }
    }
}

/// Whether one of the prefixes covers `name`. They are plain string prefixes.
pub(super) fn covers(paths: &[String], name: &str) -> bool {
    paths.iter().any(|prefix| name.starts_with(prefix.as_str()))
}

/// What an error about a document means.
pub(super) fn malformed(role: &RoleName) -> impl Fn(DocumentError) -> PublishError {
    move |error| match error {
        DocumentError::Shape(what) => PublishError::Malformed { role: role.clone(), what },
        DocumentError::LastVersion(version) => PublishError::VersionExhausted { role: role.clone(), version },
    }
}
