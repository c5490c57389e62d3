//! [`TrustedRepository`]: a verified, consistent set of a repository's metadata, and what it says.

use jiff::{SignedDuration, Timestamp};

use super::error::TufError;
use super::key::{KeyId, KeyIdentity};
use super::role::{Gun, RoleName};
use super::update::Floors;
use crate::digest::Digest;

/// A key whose signature on a file is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleSigner {
    /// Its canonical key ID.
    pub key_id: KeyId,
    /// What it is counted by.
    pub identity: KeyIdentity,
}

/// A verified, consistent set of a repository's metadata. Immutable; shared by `Arc`.
#[derive(Debug)]
pub struct TrustedRepository {}

/// One verified role of a [`TrustedRepository`].
#[derive(Debug, Clone, Copy)]
pub struct Role<'a> {
    _repository: &'a TrustedRepository,
}

/// What a role says about a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// It lists the tag.
    Listed(TargetEntry<'a>),
    /// It does not list the tag.
    NotListed,
    /// It lists the tag without a sha256 of 32 bytes, which does not count.
    BadHash,
    /// It lists the tag, but its `paths` (these, within its ancestors') do not cover it: the entry does not count.
    NotCovered(Vec<&'a str>),
}

/// A target that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetEntry<'a> {
    /// The tag.
    pub name: &'a str,
    /// What it is signed to be.
    pub digest: Digest,
    /// The length that was signed, in bytes.
    pub length: u64,
    /// Who signed the role's file.
    pub signers: &'a [RoleSigner],
}

/// Why a role says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleProblem {
    /// It, or the named ancestor or base role, is there but may not be believed.
    #[error("{error}")]
    Unusable {
        /// Which role.
        role: RoleName,
        /// Why.
        error: TufError,
    },
    /// It, or the named ancestor, is delegated but not in the snapshot.
    #[error("{role} is delegated, but the snapshot does not list it")]
    Missing {
        /// Which role.
        role: RoleName,
    },
    /// Its parent does not delegate it, or the named ancestor's does not.
    #[error("{role} is not delegated")]
    NotDelegated {
        /// Which role.
        role: RoleName,
    },
    /// It was not among the roles that the update was asked for.
    #[error("{role} was not loaded")]
    NotLoaded {
        /// Which role.
        role: RoleName,
    },
}

impl TrustedRepository {
    /// The repository.
    pub fn gun(&self) -> &Gun {
        todo!()
    }

    /// The root.
    pub fn root(&self) -> Role<'_> {
        todo!()
    }

    /// Whether the root itself carries a pin; if not, rotation led to it and the pin is out of date.
    pub fn root_carries_pin(&self) -> bool {
        todo!()
    }

    /// Any role that verified, base roles and expired ones included. Says nothing about usability.
    pub fn role(&self, name: &RoleName) -> Option<Role<'_>> {
        let _ = name;
        todo!()
    }

    /// `targets` and every delegation role that is usable at `now`, in pre-order.
    pub fn roles(&self, now: Timestamp, skew: SignedDuration) -> Vec<Role<'_>> {
        let _ = (now, skew);
        todo!()
    }

    /// Every loaded delegation that is delegated but not usable at `now`, in pre-order, with its own problem
    /// (roles below an unusable one are not listed).
    pub fn unusable(&self, now: Timestamp, skew: SignedDuration) -> Vec<(RoleName, RoleProblem)> {
        let _ = (now, skew);
        todo!()
    }

    /// The role, if it and everything above it may be believed at `now`: base roles, ancestors, the role itself.
    ///
    /// # Errors
    /// [`RoleProblem`] of the topmost role that stands in the way.
    pub fn usable(
        &self,
        name: &RoleName,
        now: Timestamp,
        skew: SignedDuration,
    ) -> Result<Role<'_>, RoleProblem> {
        let _ = (name, now, skew);
        todo!()
    }

    /// [`Self::usable`], then [`Role::lookup`].
    ///
    /// # Errors
    /// As [`Self::usable`].
    pub fn lookup(
        &self,
        role: &RoleName,
        tag: &str,
        now: Timestamp,
        skew: SignedDuration,
    ) -> Result<Lookup<'_>, RoleProblem> {
        let _ = (role, tag, now, skew);
        todo!()
    }

    /// Whether `role` is delegated, as far as the loaded roles tell.
    pub fn delegates(&self, role: &RoleName) -> bool {
        let _ = role;
        todo!()
    }

    /// Whether the snapshot lists the role (delegated or not).
    pub fn snapshot_lists(&self, role: &RoleName) -> bool {
        let _ = role;
        todo!()
    }

    /// Whether everything that can be known about these roles is here, so that no update for them is needed.
    pub fn covers<'r>(&self, roles: impl IntoIterator<Item = &'r RoleName>) -> bool {
        let _ = roles.into_iter().count();
        todo!()
    }

    /// The earliest expiry among the base roles and the given roles (those that verified).
    pub fn earliest_expiry<'r>(
        &self,
        roles: impl IntoIterator<Item = &'r RoleName>,
    ) -> (RoleName, Timestamp) {
        let _ = roles.into_iter().count();
        todo!()
    }

    /// The floors that this set raises, for every role of it that verified, expired ones included.
    pub fn floors(&self) -> Floors {
        todo!()
    }

    /// `before`, raised by this set. A floor of `before` that is higher stays if it still holds under the role's
    /// present keys (another replica saw a newer file), and falls otherwise (design §4 "Floors").
    pub fn raise(&self, before: &Floors) -> Floors {
        let _ = before;
        todo!()
    }

    /// Reads an older file of `role`, which tagseal itself verified when it was current and recorded the sha256 of:
    /// that record is what vouches for it. Its entries are filtered by the role's present paths.
    ///
    /// # Errors
    /// [`TufError::HashMismatch`] or [`TufError::Malformed`].
    pub fn historic(
        &self,
        role: &RoleName,
        recorded: Digest,
        bytes: &[u8],
    ) -> Result<HistoricTargets, TufError> {
        let _ = (role, recorded, bytes);
        todo!()
    }
}

impl<'a> Role<'a> {
    /// Its name.
    pub fn name(&self) -> &'a RoleName {
        todo!()
    }

    /// The version.
    pub fn version(&self) -> u64 {
        todo!()
    }

    /// When it expires.
    pub fn expires(&self) -> Timestamp {
        todo!()
    }

    /// The sha256 of its file.
    pub fn sha256(&self) -> Digest {
        todo!()
    }

    /// The size of its file, in bytes.
    pub fn length(&self) -> u64 {
        todo!()
    }

    /// How many distinct keys must sign it.
    pub fn threshold(&self) -> u64 {
        todo!()
    }

    /// The canonical IDs of the keys that may sign it, in its parent's order, each once.
    pub fn key_ids(&self) -> Vec<KeyId> {
        todo!()
    }

    /// The keys whose signatures on it are valid, each once.
    pub fn signed_by(&self) -> &'a [RoleSigner] {
        todo!()
    }

    /// What it says about a tag. Names are compared byte by byte.
    pub fn lookup(&self, tag: &str) -> Lookup<'a> {
        let _ = tag;
        todo!()
    }

    /// The targets that count: with a sha256, within the role's paths. Sorted by name.
    pub fn targets(&self) -> impl Iterator<Item = TargetEntry<'a>> + use<'a> {
        std::iter::empty()
    }

    /// The tags that it lists with this digest, as [`Self::targets`].
    pub fn tags_of(&self, digest: Digest) -> impl Iterator<Item = &'a str> + use<'a> {
        self.targets().filter(move |target| target.digest == digest).map(|target| target.name)
    }
}

/// What an older file of a role listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoricTargets {
    version: u64,
    targets: Vec<(Box<str>, Digest)>,
    signers: Vec<RoleSigner>,
}

impl HistoricTargets {
    /// Its version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Which of the role's *present* keys signed it. Empty when every signer was removed since.
    pub fn signers(&self) -> &[RoleSigner] {
        &self.signers
    }

    /// The digest that it listed under `tag`.
    pub fn digest(&self, tag: &str) -> Option<Digest> {
        let found = self.targets.binary_search_by(|(name, _)| (**name).cmp(tag)).ok()?;
        self.targets.get(found).map(|(_, digest)| *digest)
    }

    /// The tags that it listed with this digest.
    pub fn tags_of(&self, digest: Digest) -> impl Iterator<Item = &str> {
        self.targets.iter().filter(move |(_, d)| *d == digest).map(|(name, _)| &**name)
    }
}
