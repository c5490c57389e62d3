//! [`Root`]: which keys sign the base roles.

use super::{Common, KeyTable, Metadata, RoleKeys};
use crate::tuf::decode::{Fields, What};
use crate::tuf::role::RoleName;

/// The root of a repository.
#[derive(Debug)]
pub(in crate::tuf) struct Root {
    common: Common,
    root: RoleKeys,
    targets: RoleKeys,
    snapshot: RoleKeys,
    timestamp: RoleKeys,
}

impl Root {
    /// The keys of the root role.
    pub(in crate::tuf) fn root_keys(&self) -> &RoleKeys {
        &self.root
    }

    /// The keys of a base role; `None` for a delegation role.
    pub(in crate::tuf) fn keys(&self, role: &RoleName) -> Option<&RoleKeys> {
        match role.as_str() {
            "root" => Some(&self.root),
            "targets" => Some(&self.targets),
            "snapshot" => Some(&self.snapshot),
            "timestamp" => Some(&self.timestamp),
            _ => None,
        }
    }
}

/// The root role of a root, without the others.
#[derive(Debug)]
pub(in crate::tuf) struct RootRole {
    common: Common,
    keys: RoleKeys,
}

impl RootRole {
    /// Its keys.
    pub(in crate::tuf) fn keys(&self) -> &RoleKeys {
        &self.keys
    }
}

impl Metadata for RootRole {
    const TYPE: &str = Root::TYPE;

    fn decode(_: &RoleName, common: Common, signed: Fields<'_>) -> Result<Self, What> {
        let mut keys = KeyTable::new(Some(Fields::of(signed.required("keys")?, "signed.keys")?));
        let roles = Fields::of(signed.required("roles")?, "signed.roles")?;
        let role = Fields::of(roles.required("root")?, "root")?;
        Ok(Self { common, keys: RoleKeys::decode(role, "root", &mut keys)? })
    }

    fn common(&self) -> &Common {
        &self.common
    }
}

impl Metadata for Root {
    const TYPE: &str = "Root";

    /// All four roles are needed; extra roles and keys are allowed (old root certificates stay after rotation).
    fn decode(_: &RoleName, common: Common, signed: Fields<'_>) -> Result<Self, What> {
        signed.unused_bool("consistent_snapshot")?;
        let mut keys = KeyTable::new(Some(Fields::of(signed.required("keys")?, "signed.keys")?));
        let roles = Fields::of(signed.required("roles")?, "signed.roles")?;
        let mut role =
            |name: &'static str| RoleKeys::decode(Fields::of(roles.required(name)?, name)?, name, &mut keys);
        Ok(Self {
            common,
            root: role("root")?,
            targets: role("targets")?,
            snapshot: role("snapshot")?,
            timestamp: role("timestamp")?,
        })
    }

    fn common(&self) -> &Common {
        &self.common
    }
}
