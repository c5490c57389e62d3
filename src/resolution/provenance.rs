//! [`Provenance`]: what answers rest on. Most answers from one verified set rest on the same roles, and share it.

use std::fmt::{self, Display, Write as _};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::tuf::{KeyId, Role, RoleName, RoleSigner, TrustedRepository};

/// How many of them one verified set keeps. The policies of a repository name few combinations of roles.
const KEPT: usize = 4;

/// Who signed what an answer says, and the versions of the roles that it rests on.
#[derive(Debug, PartialEq, Eq)]
pub struct Provenance {
    signers: Box<[Signer]>,
    /// Each once: the base roles but `targets`, then what the publisher signs, sorted.
    versions: Box<[(RoleName, u64)]>,
    /// When each of them expires, in the same order.
    expiries: Box<[Timestamp]>,
    /// The first of the roles to expire that the publisher must sign anew, and when.
    expires: Option<(RoleName, Timestamp)>,
    signers_text: Box<str>,
    versions_text: Box<str>,
}

/// A role that signed, and by which keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The role that lists the digest.
    pub role: RoleName,
    /// Canonical IDs of the keys whose signatures on it are valid.
    pub key_ids: Vec<KeyId>,
}

impl Signer {
    pub(super) fn of(role: &RoleName, signers: &[RoleSigner]) -> Self {
        Self { role: role.clone(), key_ids: signers.iter().map(|signer| signer.key_id).collect() }
    }
}

/// `targets/releases=KEYID+KEYID`
impl Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.role)?;
        for (index, key) in self.key_ids.iter().enumerate() {
            write!(f, "{}{key}", if index == 0 { '=' } else { '+' })?;
        }
        Ok(())
    }
}

impl Provenance {
    /// That these signed, by what `repository` says of their roles and those above.
    pub(super) fn new(repository: &TrustedRepository, signers: impl IntoIterator<Item = Signer>) -> Self {
        let signers: Box<[Signer]> = signers.into_iter().collect();
        let basis = basis(repository, &signers);
        let renewed_by_publisher = basis.iter().filter(|(name, ..)| !is_renewed_by_server(name));
        let expires = renewed_by_publisher.min_by_key(|(_, _, expires)| *expires);
        Self {
            expires: expires.map(|(name, _, expires)| (name.clone(), *expires)),
            signers_text: listed(&signers),
            versions_text: listed(basis.iter().map(|(name, version, _)| format!("{name}={version}"))),
            expiries: basis.iter().map(|(_, _, expires)| *expires).collect(),
            versions: basis.into_iter().map(|(name, version, _)| (name, version)).collect(),
            signers,
        }
    }

    /// Who signed.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// The versions that the answer rests on.
    pub fn versions(&self) -> &[(RoleName, u64)] {
        &self.versions
    }

    /// The roles that the answer rests on, and when each expires.
    pub fn expiries(&self) -> impl Iterator<Item = (&RoleName, Timestamp)> {
        self.versions.iter().map(|(role, _)| role).zip(self.expiries.iter().copied())
    }

    /// The first of the roles to expire that the publisher must sign anew, and when.
    pub fn expires(&self) -> Option<(&RoleName, Timestamp)> {
        self.expires.as_ref().map(|(role, expires)| (role, *expires))
    }

    /// `targets/qa=KEYID, targets/releases=KEYID+KEYID`
    pub fn signers_text(&self) -> &str {
        &self.signers_text
    }

    /// `root=1, timestamp=9, snapshot=8, targets=2, targets/releases=7`
    pub fn versions_text(&self) -> &str {
        &self.versions_text
    }

    /// Roles that expire before `soon` and whose publisher must sign them anew.
    pub(crate) fn expiring<'a>(
        &'a self,
        repository: &'a TrustedRepository,
        soon: Timestamp,
    ) -> impl Iterator<Item = (&'a RoleName, Timestamp)> {
        let is_soon = self.expires().is_some_and(|(_, expires)| expires < soon);
        let roles = if is_soon { &*self.versions } else { &[] };
        let expiries = roles
            .iter()
            .filter(|(name, _)| !is_renewed_by_server(name))
            .filter_map(|(name, _)| Some((name, repository.version_and_expiry(name)?.1)));
        expiries.filter(move |(_, expires)| *expires < soon)
    }
}

/// The provenance of one verified set that was asked for, lest each answer make its own. Never a verdict: whether the roles
/// may be believed is judged anew for each question.
#[derive(Debug, Default)]
pub(crate) struct Provenances([OnceLock<Arc<Provenance>>; KEPT]);

impl Provenances {
    /// The provenance that `repository`'s own `roles` signed.
    pub(super) fn of(&self, repository: &TrustedRepository, roles: &[Role<'_>]) -> Arc<Provenance> {
        let made = || Arc::new(Provenance::new(repository, roles.iter().map(signer)));
        let mut kept = self.0.iter().map(|slot| slot.get_or_init(made));
        kept.find(|provenance| is_of(provenance, roles)).map_or_else(made, Arc::clone)
    }
}

fn signer(role: &Role<'_>) -> Signer {
    Signer::of(role.name(), role.signed_by())
}

/// Within one verified set the names of the roles identify a provenance, because the set fixes who signed each role.
fn is_of(provenance: &Provenance, roles: &[Role<'_>]) -> bool {
    provenance.signers.iter().map(|signer| &signer.role).eq(roles.iter().map(Role::name))
}

/// The base roles, the roles that signed and those between.
fn basis(repository: &TrustedRepository, signers: &[Signer]) -> Vec<(RoleName, u64, Timestamp)> {
    let mut roles: Vec<(RoleName, u64, Timestamp)> = Vec::with_capacity(8);
    let mut add = |name: RoleName| {
        let is_new = roles.iter().all(|(known, ..)| *known != name);
        if let Some((version, expires)) = repository.version_and_expiry(&name).filter(|_| is_new) {
            roles.push((name, version, expires));
        }
    };
    [RoleName::root(), RoleName::timestamp(), RoleName::snapshot()].into_iter().for_each(&mut add);
    for signer in signers {
        std::iter::successors(Some(signer.role.clone()), RoleName::parent).for_each(&mut add);
    }
    if let Some(signed) = roles.get_mut(3..) {
        signed.sort_unstable();
    }
    roles
}

/// The server renews timestamp and snapshot, so nobody need be told that they expire.
fn is_renewed_by_server(name: &RoleName) -> bool {
    matches!(name.as_str(), "timestamp" | "snapshot")
}

fn listed(values: impl IntoIterator<Item = impl Display>) -> Box<str> {
    let mut text = String::new();
    for value in values {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{value}");
    }
    text.into()
}
