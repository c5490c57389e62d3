//! [`Publisher`]: reads a repository, applies operations, signs, uploads, commits.

mod apply;
mod draft;
mod ends;
mod error;
mod former;
mod keys;
mod mover;
mod offline;
mod race;
mod read;
mod renew;
mod send;
mod sign;
mod signer;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use self::apply::Workshop;
use self::draft::{Base, Draft, Files};
use self::keys::Keys;
use self::race::Race;
use self::read::Local;
use self::send::Sent;
use super::key::PublicForm;
use super::operation::Operation;
use super::passphrase::Passphrases;
use super::pending::Pending;
use super::trust_dir::{RepositoryLock, TrustDir};
use crate::clock::SharedClock;
use crate::notary::Remote;
use crate::tuf::canonical::{self, Value};
use crate::tuf::{KeyId, RoleName, TrustedRepository, Updated};

pub use self::ends::{Renewer, RoleEnd, has_keys_of};
pub use self::error::{PublishError, Signer};
pub use self::mover::{MoveError, Moved, Mover, Standing};
pub use self::offline::{Asked, KnownRoot, OfflineSigner, Quorum, Review, SignedOffline, root_certificate};
pub use self::sign::Lacking;

/// How often a repository is read, or an upload tried, that others seem to change, while nobody is seen to change it.
const TRIES_WITHOUT_CHANGE: usize = 4;

/// One repository, with all that publishing to it takes.
pub struct Publisher<'a> {
    /// Keys and the last known metadata.
    pub dir: &'a TrustDir,
    /// The trust server.
    pub remote: &'a Remote,
    /// Whom to ask for passphrases.
    pub passphrases: &'a dyn Passphrases,
    /// What expiries count from.
    pub clock: SharedClock,
    /// How long it reads, merges and tries again while others publish to the repository.
    pub patience: Duration,
}

/// What a publish did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Published {
    /// Uploaded roles and their new versions; empty when nothing was to be changed.
    pub roles: Vec<(RoleName, u64)>,
    /// Those of them that were uploaded for no other reason than that they ended soon.
    pub renewed: Vec<RoleName>,
    /// Whether consumers deny what was published all the same, or look elsewhere for it; a warning says why.
    pub is_without_effect: bool,
    /// What another signer has to sign before it is published; nothing was, then.
    pub handed_on: Option<HandedOn>,
    /// Where a tag that was to be listed no more is listed all the same.
    pub still_listed: Vec<StillListed>,
    /// Keys that were made, with their roles.
    pub new_keys: Vec<(String, KeyId)>,
    /// Whether the repository was made.
    pub is_new: bool,
    /// The canonical IDs of the root keys, where this trust directory had never seen the repository and believed the server's
    /// root for that reason; empty otherwise.
    pub trusted_on_first_use: Vec<KeyId>,
    /// What the publisher should know or do: each a sentence without a full stop.
    pub warnings: Vec<String>,
}

/// What another signer has to sign before it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOn {
    /// The files, with the signatures that they have.
    pub pending: Pending,
    /// The roles that too few keys signed.
    pub lacking: Vec<Lacking>,
}

/// A role that lists what was to be listed no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StillListed {
    /// The role.
    pub role: RoleName,
    /// The tags, sorted.
    pub tags: Vec<String>,
    /// The canonical IDs of the role's keys.
    pub keys: Vec<KeyId>,
    /// Whether the role's present keys signed it: else nothing that it lists counts, as long as nobody signs it as it is.
    pub is_signed: bool,
}

impl Publisher<'_> {
    /// Applies the operations, in order, and publishes what changed in one upload. Where somebody else published meanwhile,
    /// the repository is read again and the operations are applied to what it has now, until it is our turn.
    ///
    /// # Errors
    /// [`PublishError`]; neither the server nor the trust directory changed then, but that keys that were made stay.
    pub async fn publish(&self, operations: &[Operation]) -> Result<Published, PublishError> {
        self.apply(operations, false).await
    }

    /// As [`Self::publish`]; but where too few keys are here to sign a role, nothing is published, and the files go on to another
    /// signer, with the signatures that they have.
    ///
    /// # Errors
    /// [`PublishError`], also where no key of such a role is here.
    pub async fn begin(&self, operations: &[Operation]) -> Result<Published, PublishError> {
        self.apply(operations, true).await
    }

    async fn apply(&self, operations: &[Operation], may_lack: bool) -> Result<Published, PublishError> {
        let gun = self.remote.gun();
        let lock = self.dir.lock(gun)?;
        let local = lock.metadata()?;
        let mut workshop = self.workshop(may_lack);
        let mut race = Race::new(gun, self.patience);
        let mut base = self.base(&local, operations, &mut race).await?;
        let mut without_change = 0;
        loop {
            workshop.now = self.clock.now();
            workshop.warnings.clear();
            workshop.still_listed.clear();
            let mut draft = base.clone().map(Draft::of).transpose()?;
            for (index, operation) in operations.iter().enumerate() {
                workshop.apply(&mut draft, index, operation).await?;
            }
            let Some(mut draft) = draft else {
                return Err(PublishError::NotInitialised { gun: gun.clone() });
            };
            // Whoever looks at what is handed on is to see what was asked for, and nothing else.
            if !may_lack {
                workshop.renew(&mut draft, operations)?;
            }
            let is_without_effect = workshop.say_what_ends(&draft).await? || draft.is_overruled;
            if !draft.is_dirty() {
                // What was read is kept all the same: a publish may have been killed after the server had it.
                workshop.keep(&lock, &local, draft.base.files.clone());
                return self.published(&draft, &base, (Vec::new(), is_without_effect), workshop);
            }
            let upload = workshop.sign(&mut draft)?;
            workshop.warn_of_roles_left_unsigned(&draft);
            if !upload.lacking.is_empty() {
                let files: Files = upload.files.into_iter().collect();
                let before = draft.base.needed_for(files.keys());
                let pending = Pending { gun: gun.clone(), files, before };
                let handed_on = Some(HandedOn { pending, lacking: upload.lacking });
                let published = self.published(&draft, &base, (Vec::new(), is_without_effect), workshop)?;
                return Ok(Published { handed_on, ..published });
            }
            match self.send(&upload).await? {
                Sent::Arrived => {
                    let files = self.files_after(&local, &draft, &upload).await;
                    workshop.keep(&lock, &local, files);
                    return self.published(&draft, &base, (upload.versions, is_without_effect), workshop);
                }
                Sent::Refused(rejection) => {
                    race.pause().await;
                    // Whatever the words of the refusal: where the repository changed meanwhile, that is its reason.
                    let now = self.base(&local, operations, &mut race).await?;
                    let has_changed = match (&base, &now) {
                        (Some(base), Some(now)) => now.differs_from(base),
                        (base, now) => base.is_some() != now.is_some(),
                    };
                    without_change += 1;
                    if has_changed {
                        race.lost()?;
                        without_change = 0;
                    } else if !rejection.is_of_a_race() || without_change == TRIES_WITHOUT_CHANGE {
                        return Err(self.diagnose(&draft, &upload, &workshop.server_keys, rejection).await);
                    }
                    base = now;
                }
            }
        }
    }

    fn workshop(&self, may_lack: bool) -> Workshop<'_> {
        Workshop {
            remote: self.remote,
            keys: Keys::new(self.dir, self.passphrases, self.remote.gun()),
            server_keys: Default::default(),
            now: self.clock.now(),
            warnings: Vec::new(),
            still_listed: Vec::new(),
            may_lack,
        }
    }

    /// Reads the repository as [`Self::publish`] does: nothing of it is too old. Nothing is written.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn look(&self) -> Result<Arc<TrustedRepository>, PublishError> {
        let (_, read) = self.read_published(self.clock.now()).await?;
        Ok(read.repository)
    }

    /// What the trust directory has of the repository, and what the server has, which has to be something.
    async fn read_published(&self, now: Timestamp) -> Result<(Local, Updated), PublishError> {
        let gun = self.remote.gun();
        let local = self.dir.metadata(gun)?;
        match self.read_repository(&local, &[], now).await? {
            Some(read) => Ok((local, read)),
            None => Err(self.gone(&local).unwrap_or(PublishError::NotInitialised { gun: gun.clone() })),
        }
    }

    /// Deletes the repository's trust data at the server and in the trust directory; keys stay.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn delete(&self) -> Result<(), PublishError> {
        let lock = self.dir.lock(self.remote.gun())?;
        self.remote.delete().await?;
        Ok(lock.remove()?)
    }

    /// Deletes the repository's trust data at the server alone.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn delete_at_server(&self) -> Result<(), PublishError> {
        let _lock = self.dir.lock(self.remote.gun())?;
        Ok(self.remote.delete().await?)
    }

    /// What the server has; `None` for a repository that is yet to be made.
    async fn base(
        &self,
        local: &Local,
        operations: &[Operation],
        race: &mut Race<'_>,
    ) -> Result<Option<Base>, PublishError> {
        let mut last: Option<Base> = None;
        let mut without_change = 0;
        loop {
            let Some(mut base) = self.read(local, operations).await? else {
                return self.gone(local).map_or(Ok(None), Err);
            };
            if self.former_versions(&mut base, operations).await? {
                return Ok(Some(base));
            }
            without_change += 1;
            if last.as_ref().is_some_and(|last| base.differs_from(last)) {
                race.lost()?;
                without_change = 1;
            } else if without_change == TRIES_WITHOUT_CHANGE {
                return Err(PublishError::Unsettled { gun: self.remote.gun().clone() });
            }
            last = Some(base);
            race.pause().await;
        }
    }

    /// What it means that the server has no such repository, where it was published from here. `notary init` leaves metadata
    /// without a timestamp: what was never published is not gone.
    fn gone(&self, local: &Local) -> Option<PublishError> {
        let was_published = local.iter().any(|(role, _)| *role == RoleName::timestamp());
        let (gun, server) = (self.remote.gun().clone(), self.remote.server().to_owned());
        was_published.then_some(PublishError::GoneFromServer { gun, server })
    }

    /// The files of the repository after an upload. The timestamp, and the snapshot where its key is the server's, are new
    /// too: they are read back, so that the trust directory has a set that fits together.
    async fn files_after(&self, local: &Local, draft: &Draft, upload: &sign::Upload) -> Files {
        match self.read(local, &[]).await {
            Ok(Some(read)) if upload.is_in(&read) => read.files,
            _ => {
                let mut files = draft.base.files.clone();
                files.retain(|role, _| !role.is_delegation() || draft.targets.contains_key(role));
                files.extend(upload.files.iter().cloned());
                files
            }
        }
    }

    fn published(
        &self,
        draft: &Draft,
        base: &Option<Base>,
        (roles, is_without_effect): (Vec<(RoleName, u64)>, bool),
        workshop: Workshop<'_>,
    ) -> Result<Published, PublishError> {
        // A root that one of our own keys signed is no stranger's.
        let first_use = &draft.base.first_use;
        let is_own = !workshop.keys.held(first_use)?.is_empty();
        let renewed = roles.iter().map(|(role, _)| role).filter(|role| draft.renewed.contains(*role));
        Ok(Published {
            renewed: renewed.cloned().collect(),
            is_without_effect,
            roles,
            new_keys: workshop.keys.made(),
            is_new: base.is_none(),
            trusted_on_first_use: if is_own { Vec::new() } else { first_use.clone() },
            warnings: workshop.warnings,
            still_listed: workshop.still_listed,
            handed_on: None,
        })
    }
}

impl Workshop<'_> {
    /// Keeps a repository's files, if they are other ones than those that are kept. What is published is published: a failure
    /// is no failure of that, and is mended by the next publish.
    fn keep(&mut self, lock: &RepositoryLock<'_>, local: &Local, files: Files) {
        let files: Local = files.into_iter().collect();
        if files == *local {
            return;
        }
        if let Err(error) = lock.commit(&files) {
            self.warnings.push(format!(
                "the server has it, but the trust directory could not keep what it has: {error}"
            ));
        }
    }
}

/// Reads a key as the server's `…key` answers have it.
fn server_key(role: &RoleName, json: &[u8]) -> Result<PublicForm, PublishError> {
    let malformed = |what: String| PublishError::Malformed { role: role.clone(), what };
    let value = canonical::parse(json).map_err(|error| malformed(format!("the server's key: {error}")))?;
    let keytype = value.get("keytype").and_then(Value::as_str);
    let public = value.get("keyval").and_then(|keyval| keyval.get("public")?.as_str());
    match (keytype, public) {
        (Some(keytype), Some(public)) => PublicForm::from_metadata(keytype, public)
            .map_err(|error| malformed(format!("the server's key: {error}"))),
        _ => Err(malformed("the server's key is no key".to_owned())),
    }
}

/// Whether one of these keys is the one that the server has for the role.
async fn is_server_key(remote: &Remote, role: &RoleName, ids: &[KeyId]) -> Result<bool, PublishError> {
    let key = server_key(role, &remote.server_key(role).await?)?;
    Ok(ids.contains(&key.canonical_id()))
}

impl std::fmt::Debug for Publisher<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("gun", self.remote.gun()).finish_non_exhaustive()
    }
}
