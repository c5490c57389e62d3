//! Adopting a file that another signer began: checked against what was published, and shown before it is signed.

use bytes::Bytes;
use jiff::Timestamp;

use super::{Workshop, check_lists_targets};
use crate::digest::Digest;
use crate::publish::document::{Document, Keyring, Root, Signed, Targets, signatures_of};
use crate::publish::publisher::draft::{Draft, malformed};
use crate::publish::publisher::error::{PublishError, Signer};
use crate::tuf::{Gun, KeyId, PublicKey, RoleName};

/// A file that another signer began, and that may be signed.
pub(in crate::publish::publisher) struct Begun {
    pub(in crate::publish::publisher) file: BegunFile,
    /// The valid signatures that it has.
    pub(in crate::publish::publisher) signatures: Vec<Signed>,
    /// The keys that can sign it: each of these rings has to be satisfied.
    pub(in crate::publish::publisher) rings: Vec<Keyring>,
    /// What it changes, each in a line.
    pub(in crate::publish::publisher) changes: Vec<String>,
}

/// What the file is.
pub(in crate::publish::publisher) enum BegunFile {
    Root(Root),
    Targets(Targets),
}

impl Workshop<'_> {
    pub(super) fn adopt(
        &mut self,
        draft: &mut Draft,
        role: &RoleName,
        file: &Bytes,
        looked_at: &[Digest],
    ) -> Result<(), PublishError> {
        let begun = examine(draft, role, file, (self.remote.gun(), self.now))?;
        if begun.signatures.is_empty() && role.is_delegation() {
            let why = "no key that the role has now signed it".to_owned();
            return Err(PublishError::PendingUnusable { role: role.clone(), why });
        }
        let sha256 = Digest::of(file);
        if !looked_at.contains(&sha256) {
            let (role, signed_by) = (role.clone(), begun.signed_by(draft));
            return Err(PublishError::PendingNotLookedAt { role, sha256, changes: begun.changes, signed_by });
        }
        draft.adopt(role, begun);
        Ok(())
    }
}

/// Checks a file against what was published, and against what was adopted before it.
///
/// # Errors
/// [`PublishError::PendingUnusable`] with the reason.
pub(in crate::publish::publisher) fn examine(
    draft: &Draft,
    role: &RoleName,
    file: &Bytes,
    (gun, now): (&Gun, Timestamp),
) -> Result<Begun, PublishError> {
    let is_root = *role == RoleName::root();
    if !is_root {
        check_lists_targets(role, "a witness")?;
    }
    let why = |why: String| PublishError::PendingUnusable { role: role.clone(), why };
    let broken = malformed(role);
    let (new, rings, changes, base) = match is_root {
        true => {
            let new = Root::read(file).map_err(&broken)?;
            check_root(&new, gun, now).map_err(&why)?;
            let rings = draft.base.root_keys.iter().cloned().chain([new.keyring(role)]).collect();
            let changes = new.changes_from(Some(&draft.root));
            (BegunFile::Root(new), rings, changes, draft.root.0.version())
        }
        false => {
            let Some(ring) = draft.keyring(role) else {
                return Err(PublishError::NotDelegated { role: role.clone() });
            };
            let new = Targets::read(file).map_err(&broken)?;
            let published = draft.targets.get(role);
            let base = published.map_or(0, |published| published.0.version()).max(draft.floor(role));
            // What nobody vouches for hides nothing of the new file.
            let compared = published.filter(|_| !draft.base.unsigned.contains(role));
            let changes = new.changes_from(compared);
            (BegunFile::Targets(new), vec![ring], changes, base)
        }
    };
    let document = new.document();
    let message = document.message().map_err(&broken)?;
    let mut signatures: Vec<Signed> = Vec::new();
    let mut unfit = None;
    for signed in signatures_of(file).map_err(&broken)? {
        if rings.iter().any(|ring| ring.verifies(&signed, &message)) {
            signatures.push(signed);
        } else if rings.iter().any(|ring| ring.has(signed.key)) {
            unfit = Some(signed.key);
        }
    }
    if let Some(key) = unfit {
        let unfit = format!(
            "the signature of {key} does not fit what the file says, so one of the two was changed afterwards"
        );
        return Err(why(match signatures.is_empty() {
            true => format!("no key that the role has now signed it; {unfit}"),
            false => unfit,
        }));
    }
    let version = document.version();
    if version != base + 1 {
        let is_done = version == base && draft.is_published(role, &message);
        let done = if is_done { " (it is published already)" } else { "" };
        return Err(why(format!("it is version {version}, and the server has version {base} by now{done}")));
    }
    if document.ends_before(now) {
        return Err(why("it has expired".to_owned()));
    }
    Ok(Begun { file: new, signatures, rings, changes })
}

/// A root that nobody could sign or use is a mistake, or somebody's malice.
fn check_root(root: &Root, gun: &Gun, now: Timestamp) -> Result<(), String> {
    for role in [RoleName::root(), RoleName::targets(), RoleName::snapshot(), RoleName::timestamp()] {
        let ring = root.keyring(&role);
        let keys = ring.canonical_ids().len() as u64;
        if keys < ring.threshold {
            return Err(format!("it lists {keys} keys of {role}, of which {} have to sign", ring.threshold));
        }
        for key in ring.keys.iter().filter(|_| role == RoleName::root()) {
            check_certificate(&key.form.key().map_err(|error| error.to_string())?, gun, now)
                .map_err(|why| format!("its root key {} cannot count: {why}", key.canonical))?;
        }
    }
    Ok(())
}

/// Whether a root key may stand for the repository: clients take it by a certificate alone.
pub(in crate::publish::publisher) fn check_certificate(
    key: &PublicKey,
    gun: &Gun,
    now: Timestamp,
) -> Result<(), String> {
    match key.certificate() {
        Some(certificate) => certificate.check_leaf(gun, now).map_err(|error| error.to_string()),
        None => Err("a root key is listed by a certificate, and this is a bare key".to_owned()),
    }
}

impl Begun {
    /// Who signed it so far.
    pub(in crate::publish::publisher) fn signed_by(&self, draft: &Draft) -> Vec<Signer> {
        let mut ids: Vec<KeyId> = Vec::new();
        for signed in &self.signatures {
            let canonical = self.rings.iter().find_map(|ring| ring.find(signed.key)).unwrap_or(signed.key);
            if !ids.contains(&canonical) {
                ids.push(canonical);
            }
        }
        ids.into_iter().map(|id| draft.signer(id)).collect()
    }
}

impl BegunFile {
    pub(in crate::publish::publisher) fn document(&self) -> &Document {
        match self {
            Self::Root(root) => &root.0,
            Self::Targets(targets) => &targets.0,
        }
    }
}
