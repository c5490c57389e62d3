//! [`Timestamp`] and [`Snapshot`]: which files are current.

use std::collections::BTreeMap;

use super::{ALLOCATION, Common, FileMeta, Metadata};
use crate::limits::SNAPSHOT_ROLES;
use crate::tuf::decode::{Fields, What};
use crate::tuf::role::RoleName;

/// Which snapshot is current.
#[derive(Debug)]
pub(in crate::tuf) struct Timestamp {
    common: Common,
    /// The snapshot's file.
    pub(in crate::tuf) snapshot: FileMeta,
}

impl Metadata for Timestamp {
    const TYPE: &str = "Timestamp";

    fn decode(_: &RoleName, common: Common, signed: Fields<'_>) -> Result<Self, What> {
        let meta = Fields::of(signed.required("meta")?, "signed.meta")?;
        Ok(Self { common, snapshot: FileMeta::decode(meta.required("snapshot")?, "meta.snapshot")? })
    }

    fn common(&self) -> &Common {
        &self.common
    }
}

/// Which files make up the repository.
#[derive(Debug)]
pub(in crate::tuf) struct Snapshot {
    common: Common,
    /// The root's file.
    pub(in crate::tuf) root: FileMeta,
    /// The files of `targets` and the delegation roles. An entry that cannot be used is an error only of an update
    /// that needs it: a server-managed snapshot keeps listing dead roles.
    ///
    /// Sorted by name, each once.
    roles: Box<[(RoleName, Result<FileMeta, What>)]>,
}

impl Snapshot {
    /// What it says of `targets` or a delegation role's file; `None` when it does not list the role.
    pub(in crate::tuf) fn file(&self, role: &RoleName) -> Option<Result<&FileMeta, &What>> {
        self.file_named(role.as_str())
    }

    /// About how many bytes of memory it takes.
    pub(in crate::tuf) fn memory(&self) -> usize {
        let of = |(name, meta): &(RoleName, Result<FileMeta, What>)| {
            let meta = meta.as_ref().map_or_else(String::len, |_| size_of::<[u8; 64]>());
            name.as_str().len() + meta + 2 * ALLOCATION
        };
        size_of_val(&*self.roles) + self.roles.iter().map(of).sum::<usize>()
    }

    /// What it says of every file that can be used, the root's included.
    pub(in crate::tuf) fn files(&self) -> impl Iterator<Item = (&str, &FileMeta)> {
        let roles = self.roles.iter().filter_map(|(role, meta)| Some((role.as_str(), meta.as_ref().ok()?)));
        std::iter::once(("root", &self.root)).chain(roles)
    }

    /// As [`Self::file`].
    pub(in crate::tuf) fn file_named(&self, role: &str) -> Option<Result<&FileMeta, &What>> {
        let at = self.roles.binary_search_by(|(name, _)| name.as_str().cmp(role)).ok()?;
        self.roles.get(at).map(|(_, file)| file.as_ref())
    }
}

impl Metadata for Snapshot {
    const TYPE: &str = "Snapshot";

    fn decode(_: &RoleName, common: Common, signed: Fields<'_>) -> Result<Self, What> {
        let meta = Fields::of(signed.required("meta")?, "signed.meta")?;
        let mut roles = BTreeMap::new();
        for (name, value) in signed.entries("meta")? {
            let Ok(role) = RoleName::parse(name) else { continue };
            if role.is_delegation() {
                roles.insert(role, FileMeta::decode(value, name));
            }
            if roles.len() > SNAPSHOT_ROLES {
                return Err(format!("it lists more than {SNAPSHOT_ROLES} roles"));
            }
        }
        let targets = FileMeta::decode(meta.required("targets")?, "meta.targets")?;
        roles.insert(RoleName::targets(), Ok(targets));
        Ok(Self {
            common,
            root: FileMeta::decode(meta.required("root")?, "meta.root")?,
            roles: roles.into_iter().collect(),
        })
    }

    fn common(&self) -> &Common {
        &self.common
    }
}
