//! [`Targets`]: what `targets` or a delegation role lists and delegates.

use super::{Common, Metadata, RoleKeys, length, sha256};
use crate::digest::Digest;
use crate::tuf::decode::{Fields, What};
use crate::tuf::role::RoleName;

/// The file of `targets` or of a delegation role.
#[derive(Debug)]
pub(in crate::tuf) struct Targets {
    common: Common,
    /// Sorted by name.
    targets: Box<[Target]>,
    /// In the file's order, which is priority.
    pub(in crate::tuf) delegations: Box<[Delegation]>,
}

/// A listed target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tuf) struct Target {
    pub(in crate::tuf) name: Box<str>,
    /// `None` without a sha256 of 32 bytes: the entry does not count.
    pub(in crate::tuf) digest: Option<Digest>,
    pub(in crate::tuf) length: u64,
}

/// A delegation to a direct child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tuf) struct Delegation {
    pub(in crate::tuf) name: RoleName,
    pub(in crate::tuf) keys: RoleKeys,
    /// Plain string prefixes; `""` is everything, none is nothing.
    pub(in crate::tuf) paths: Box<[Box<str>]>,
}

impl Targets {
    /// All listed targets, those that do not count included; sorted by name.
    pub(in crate::tuf) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The target of exactly this name.
    pub(in crate::tuf) fn target(&self, name: &str) -> Option<&Target> {
        let found = self.targets.binary_search_by(|target| (*target.name).cmp(name)).ok()?;
        self.targets.get(found)
    }

    /// The delegation to `role`, a direct child.
    pub(in crate::tuf) fn delegation(&self, role: &RoleName) -> Option<&Delegation> {
        self.delegation_named(role.as_str())
    }

    /// As [`Self::delegation`].
    pub(in crate::tuf) fn delegation_named(&self, role: &str) -> Option<&Delegation> {
        self.delegations.iter().find(|delegation| delegation.name.as_str() == role)
    }
}

impl Metadata for Targets {
    const TYPE: &str = "Targets";

    fn decode(role: &RoleName, common: Common, signed: Fields<'_>) -> Result<Self, What> {
        // The entries come sorted: a decoded object's keys are.
        let targets = signed
            .entries("targets")?
            .map(|(name, value)| {
                let target = Fields::of(value, name)?;
                Ok(Target {
                    name: name.as_str().into(),
                    digest: sha256(target, name)?,
                    length: length(target)?,
                })
            })
            .collect::<Result<_, What>>()?;
        let delegations = match signed.optional("delegations") {
            None => Box::default(),
            Some(value) => decode_delegations(role, Fields::of(value, "signed.delegations")?)?,
        };
        Ok(Self { common, targets, delegations })
    }

    fn common(&self) -> &Common {
        &self.common
    }
}

/// Each role is a direct child of `parent`, and named once (design §11 tuf).
fn decode_delegations(parent: &RoleName, delegations: Fields<'_>) -> Result<Box<[Delegation]>, What> {
    let empty = crate::tuf::canonical::Value::Object(Default::default());
    let keys = Fields::of(delegations.optional("keys").unwrap_or(&empty), "delegations.keys")?;
    let mut names = std::collections::BTreeSet::new();
    let mut found = Vec::new();
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
        found.push(Delegation {
            keys: RoleKeys::decode(role, written, keys)?,
            paths: role.strings("paths")?.into_iter().map(Into::into).collect(),
            name,
        });
    }
    Ok(found.into())
}
