//! [`OfflineSigner`]: adds signatures to what somebody else began, where no server can be asked.
//!
//! What the file says of the repository before is believed as far as the root in the trust directory vouches for it; where
//! there is none, whoever signs is told so.

use bytes::Bytes;
use jiff::Timestamp;

use super::apply::adopt::examine;
use super::draft::{Base, Draft, malformed};
use super::error::{PublishError, Signer};
use super::keys::Keys;
use crate::publish::document::{Keyring, Root, Targets, signatures_of};
use crate::publish::key::PublicForm;
use crate::publish::passphrase::Passphrases;
use crate::publish::pending::Pending;
use crate::publish::trust_dir::TrustDir;
use crate::tuf::{Gun, KeyId, RoleName};

/// A trust directory without a server.
pub struct OfflineSigner<'a> {
    /// The keys, and perhaps a root.
    pub dir: &'a TrustDir,
    /// Whom to ask for passphrases.
    pub passphrases: &'a dyn Passphrases,
    /// What has expired is not signed.
    pub now: Timestamp,
}

/// What somebody is asked to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// By what the root that it follows is known here.
    pub root: KnownRoot,
    /// The files.
    pub asked: Vec<Asked>,
}

/// By what the root that was published before is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownRoot {
    /// It is the one in the trust directory.
    Same {
        /// Its version.
        version: u64,
    },
    /// Enough keys of an older one in the trust directory signed it.
    Follows {
        /// The older one's version.
        from: u64,
        /// Its own.
        version: u64,
    },
    /// The trust directory has no root of the repository: nothing but the file says which keys it had before.
    Unknown {
        /// Its version, as the file says.
        version: u64,
        /// The canonical IDs of its keys, as the file says.
        keys: Vec<KeyId>,
    },
}

/// One file that is to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its role.
    pub role: RoleName,
    /// Its version.
    pub version: u64,
    /// When it will expire.
    pub expires: Timestamp,
    /// What it changes, each in a line.
    pub changes: Vec<String>,
    /// Who signed it so far.
    pub signed_by: Vec<Signer>,
    /// The keys that are here and can sign it, and did not yet, by canonical ID.
    pub here: Vec<KeyId>,
    /// For each set of keys that has to sign it (the root's before and after): how many of them, who did, who can besides.
    pub quorums: Vec<Quorum>,
}

/// How far a set of keys has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    /// How many have to.
    pub threshold: u64,
    /// Who did.
    pub signed: Vec<Signer>,
    /// Who can besides.
    pub missing: Vec<Signer>,
}

/// What was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedOffline {
    /// The file with the signatures that it has now.
    pub pending: Pending,
    /// What it has now.
    pub review: Review,
    /// What the signer should know: each a sentence without a full stop.
    pub warnings: Vec<String>,
}

impl OfflineSigner<'_> {
    /// What the file asks for. Nothing is signed, and nothing written.
    ///
    /// # Errors
    /// [`PublishError`] where the file is not what it says, does not follow from the root in the trust directory, or is over.
    pub fn review(&self, pending: &Pending) -> Result<Review, PublishError> {
        Ok(self.walk(pending, None)?.review)
    }

    /// Adds the signatures of all keys that are here and can sign, and keeps the root that was published before.
    ///
    /// # Errors
    /// As [`Self::review`]; also where no key is here that could sign and did not yet.
    pub fn sign(&self, pending: &Pending) -> Result<SignedOffline, PublishError> {
        let mut warnings = Vec::new();
        let signed = self.walk(pending, Some(&mut warnings))?;
        let review = self.review(&signed.pending)?;
        if let Err(error) = self.keep(pending) {
            warnings.push(format!("it is signed, but the trust directory could not keep its root: {error}"));
        }
        Ok(SignedOffline { pending: signed.pending, review, warnings })
    }

    fn walk(
        &self,
        pending: &Pending,
        mut signing: Option<&mut Vec<String>>,
    ) -> Result<SignedOffline, PublishError> {
        let mut keys = Keys::new(self.dir, self.passphrases, &pending.gun);
        let (mut draft, root) = self.draft(pending)?;
        let mut result = pending.clone();
        let mut asked = Vec::new();
        for (role, file) in &pending.files {
            let begun = examine(&draft, role, file, (&pending.gun, self.now))?;
            let document = begun.file.document();
            let message = document.message().map_err(malformed(role))?;
            let quorum = |ring: &Keyring| {
                let signed = ring.signers(&begun.signatures, &message);
                let missing = ring.canonical_ids().into_iter().filter(|id| !signed.contains(id));
                let missing = missing.map(|id| draft.signer(id)).collect();
                let signed = signed.into_iter().map(|id| draft.signer(id)).collect();
                Quorum { threshold: ring.threshold, signed, missing }
            };
            let signed_by = begun.signed_by(&draft);
            let mut here = Vec::new();
            for id in begun.rings.iter().flat_map(Keyring::canonical_ids) {
                if !here.contains(&id) && !signed_by.iter().any(|signer| signer.id == id) && keys.holds(id)? {
                    here.push(id);
                }
            }
            if let Some(warnings) = signing.as_deref_mut().filter(|_| !here.is_empty()) {
                let signatures =
                    keys.signatures(role, &begun.rings, &begun.signatures, &message, warnings)?;
                let file = document.file(signatures).map_err(malformed(role))?;
                result.files.insert(role.clone(), file);
            }
            let mut quorums: Vec<Quorum> = begun.rings.iter().map(quorum).collect();
            quorums.dedup();
            asked.push(Asked {
                role: role.clone(),
                version: document.version(),
                expires: document.expires().unwrap_or(self.now),
                changes: begun.changes.clone(),
                signed_by,
                here,
                quorums,
            });
            draft.adopt(role, begun);
        }
        if signing.is_some() && asked.iter().all(|asked| asked.here.is_empty()) {
            return Err(nothing_to_add(&asked));
        }
        Ok(SignedOffline { pending: result, review: Review { root, asked }, warnings: Vec::new() })
    }

    /// What was published before, as far as the keys in it vouch for it.
    fn draft(&self, pending: &Pending) -> Result<(Draft, KnownRoot), PublishError> {
        let role = RoleName::root();
        let refuse = |why: String| PublishError::PendingRefused { gun: pending.gun.clone(), why };
        let Some(file) = pending.before.get(&role) else {
            return Err(refuse("it does not say which root was published before".to_owned()));
        };
        let root = Root::read(file).map_err(malformed(&role))?;
        let ring = root.keyring(&role);
        if (signers(&ring, &role, file)?.len() as u64) < ring.threshold {
            return Err(refuse(
                "the root that it says was published before is not signed by enough of its own keys"
                    .to_owned(),
            ));
        }
        let known = self.known(pending, &root, file).map_err(refuse)?;
        let mut draft = Draft::new(root, None);
        draft.base = Base { root_keys: Some(ring), files: pending.before.clone(), ..Base::default() };
        // A role's parent stands before it in the order of their names.
        for (role, file) in pending.before.iter().filter(|(name, _)| **name != role) {
            let Some(ring) = draft.keyring(role) else { continue };
            let signed = signers(&ring, role, file)?;
            if (signed.len() as u64) < ring.threshold {
                draft.base.unsigned.insert(role.clone());
            }
            draft.base.signers.insert(role.clone(), signed);
            draft.targets.insert(role.clone(), Targets::read(file).map_err(malformed(role))?);
        }
        let above = |role: &RoleName| std::iter::successors(role.parent(), RoleName::parent);
        let mut above = pending.files.keys().flat_map(above);
        if let Some(role) =
            above.find(|role| draft.base.unsigned.contains(role) && !pending.files.contains_key(role))
        {
            return Err(refuse(format!("{role} in it is not signed by enough of its keys")));
        }
        Ok((draft, known))
    }

    /// Holds the root in the file against the one in the trust directory.
    fn known(&self, pending: &Pending, root: &Root, file: &Bytes) -> Result<KnownRoot, String> {
        let role = RoleName::root();
        let local = self.local_root(pending).map_err(|error| error.to_string())?;
        let version = root.0.version();
        let Some(local) = local else {
            return Ok(KnownRoot::Unknown { version, keys: root.keyring(&role).canonical_ids() });
        };
        let from = local.0.version();
        let folder = self.dir.path().display();
        match version.cmp(&from) {
            std::cmp::Ordering::Equal if local.0.message() == root.0.message() => {
                Ok(KnownRoot::Same { version })
            }
            std::cmp::Ordering::Equal => Err(format!(
                "the root that it follows, version {version}, is another one than the root of that version in {folder}"
            )),
            std::cmp::Ordering::Less => Err(format!(
                "it follows the root of version {version}, and {folder} has version {from} already: it is superseded; have it \
                 begun anew with `--pending` and another file"
            )),
            std::cmp::Ordering::Greater => {
                let ring = local.keyring(&role);
                let signed = signers(&ring, &role, file).map_err(|error| error.to_string())?.len() as u64;
                match signed >= ring.threshold {
                    true => Ok(KnownRoot::Follows { from, version }),
                    false => Err(format!(
                        "the root that it follows, version {version}, does not follow from version {from} in {folder}: {signed} of \
                         the {} keys that have to signed it; if the roots between are right, bring the root of version {version} \
                         here from a trust directory that has it (tuf/{}/metadata/root.json)",
                        ring.threshold, pending.gun
                    )),
                }
            }
        }
    }

    fn local_root(&self, pending: &Pending) -> Result<Option<Root>, PublishError> {
        let local = self.dir.metadata(&pending.gun)?;
        let root = local.into_iter().find(|(role, _)| *role == RoleName::root());
        root.map(|(role, bytes)| Root::read(&bytes).map_err(malformed(&role))).transpose()
    }

    /// What is signed next has to follow from the root that this followed.
    fn keep(&self, pending: &Pending) -> Result<(), PublishError> {
        let role = RoleName::root();
        let lock = self.dir.lock(&pending.gun)?;
        let before = lock.metadata()?;
        let mut files = before.clone();
        files.retain(|(name, _)| *name != role);
        files.extend(pending.before.get(&role).map(|bytes| (role, bytes.clone())));
        files.sort();
        if files != before {
            lock.commit(&files)?;
        }
        Ok(())
    }
}

/// The certificate by which a root key of the trust directory is listed for a repository, and whether the key was made for it:
/// without an ID it is the one root key that is here, or a new one.
///
/// # Errors
/// [`PublishError`], also where several root keys are here.
pub fn root_certificate(
    (dir, passphrases): (&TrustDir, &dyn Passphrases),
    gun: &Gun,
    id: Option<KeyId>,
    now: Timestamp,
) -> Result<(PublicForm, bool), PublishError> {
    let mut keys = Keys::new(dir, passphrases, gun);
    let id = match id {
        Some(id) => Some(id),
        None => keys.only_root()?,
    };
    let key = match id {
        Some(id) => keys.unlock(id)?,
        None => keys.make(0, &RoleName::root())?,
    };
    Ok((key.root_certificate(gun, now)?, id.is_none()))
}

/// The keys of the ring that signed the file.
fn signers(ring: &Keyring, role: &RoleName, file: &Bytes) -> Result<Vec<KeyId>, PublishError> {
    let broken = malformed(role);
    let message = crate::publish::document::Document::read(file).and_then(|document| document.message());
    Ok(ring.signers(&signatures_of(file).map_err(&broken)?, &message.map_err(&broken)?))
}

fn nothing_to_add(asked: &[Asked]) -> PublishError {
    let of = |pick: fn(&Quorum) -> &Vec<Signer>| {
        let mut all: Vec<Signer> = Vec::new();
        for signer in asked.iter().flat_map(|asked| &asked.quorums).flat_map(pick) {
            if !all.contains(signer) {
                all.push(signer.clone());
            }
        }
        all
    };
    PublishError::NothingToSign { signed: of(|quorum| &quorum.signed), missing: of(|quorum| &quorum.missing) }
}

impl std::fmt::Debug for OfflineSigner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OfflineSigner").field("dir", &self.dir.path()).finish_non_exhaustive()
    }
}
