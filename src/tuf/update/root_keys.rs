//! [`RootKeys`]: which root keys were asked for and which came, for whoever has to compare them.

use std::fmt;

use bytes::Bytes;

use super::Update;
use crate::digest::Digest;
use crate::tuf::canonical;
use crate::tuf::key::{KeyId, PublicKey};
use crate::tuf::pin::Anchor;
use crate::tuf::root::TrustedRoot;
use crate::tuf::work::Work;

/// So many of each are named.
const NAMED: usize = 4;

/// The keys of a root that is not trusted, and the pins that it does not carry, by canonical key ID. No more than five of
/// each are kept: enough to name four and to say that there are more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RootKeys {
    /// The pinned keys; where nothing is pinned, those of the root that first use pinned.
    pub pinned: Vec<KeyId>,
    /// The sha256 of pinned authorities' certificates.
    pub authorities: Vec<Digest>,
    /// What the newest root that the server offered lists for the root role. Nothing was verified of it.
    pub offered: Vec<KeyId>,
}

impl Update {
    /// The pins, and the keys of the newest root that the server offered so far.
    pub fn root_keys(&self) -> RootKeys {
        let mut keys = RootKeys::default();
        for anchor in self.input.anchors.anchors() {
            match anchor {
                Anchor::KeyId(id) => add(&mut keys.pinned, *id),
                Anchor::PublicKey(key) => add(&mut keys.pinned, key.canonical_id()),
                Anchor::Ca(bundle) => bundle.digests().for_each(|digest| add(&mut keys.authorities, digest)),
            }
        }
        if let Some(root) = self.roots.base.as_deref().filter(|_| self.input.anchors.anchors().is_empty()) {
            ids_of(root).for_each(|id| add(&mut keys.pinned, id));
        }
        if let Some(offered) = &self.roots.offered {
            match self.read_root(Digest::of(offered)) {
                Some(read) => ids_of(&read.trust()).for_each(|id| add(&mut keys.offered, id)),
                None => unverified(offered, &mut keys.offered, &self.work),
            }
        }
        keys
    }
}

fn ids_of(root: &TrustedRoot) -> impl Iterator<Item = KeyId> {
    root.verified.root_keys().public_keys().map(PublicKey::canonical_id)
}

/// The keys that a root names, whatever else is wrong with it.
fn unverified(root: &Bytes, ids: &mut Vec<KeyId>, work: &Work) {
    let Ok(file) = canonical::read(root, work) else { return };
    let Some(signed) = file.root().get("signed") else { return };
    let listed = || signed.get("roles")?.get("root")?.get("keyids")?.items();
    for id in listed().into_iter().flatten().take(NAMED + 1) {
        let key = || {
            let key = signed.get("keys")?.get(id.as_str()?)?;
            let public = key.get("keyval")?.get("public")?.as_str()?;
            PublicKey::from_metadata(key.get("keytype")?.as_str()?, public).ok()
        };
        if let Some(key) = key() {
            add(ids, key.canonical_id());
        }
    }
}

fn add<T: PartialEq>(to: &mut Vec<T>, item: T) {
    if to.len() <= NAMED && !to.contains(&item) {
        to.push(item);
    }
}

/// `pinned: ID, ID; offered: ID`, or what there is of it.
impl fmt::Display for RootKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pinned: ")?;
        if !self.pinned.is_empty() || self.authorities.is_empty() {
            list(f, &self.pinned)?;
        }
        if !self.authorities.is_empty() {
            f.write_str(if self.pinned.is_empty() { "the authority " } else { ", the authority " })?;
            list(f, &self.authorities)?;
        }
        f.write_str("; offered: ")?;
        list(f, &self.offered)
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display]) -> fmt::Result {
    if items.is_empty() {
        return f.write_str("no key");
    }
    for (index, item) in items.iter().enumerate() {
        match index {
            0 => write!(f, "{item}")?,
            NAMED => return f.write_str(" and more"),
            _ => write!(f, ", {item}")?,
        }
    }
    Ok(())
}
