//! [`Mover`]: a repository goes from one trust server to another, with its root key alone.
//!
//! The new server signs timestamps with a key of its own, so it needs a root that lists that key, and it takes roots only in
//! order, from version 1 or 2 on (Notary v1, "Server rules"). It counts its timestamps and snapshots up with each upload,
//! from 1; clients hold them against what they have seen at the old server. So there are as many uploads as bring the
//! timestamp past that. Until the last one the snapshot is signed here, by a key of the moment where it is to be the server's:
//! then its number can be chosen, and an upload of it alone is the least that counts the timestamp up.

mod error;
mod origin;
mod standing;

use super::Publisher;
use super::apply::Workshop;
use super::draft::{Files, malformed};
use super::read::{Local, base_of};
use super::send::{Sent, advice_on};
use super::sign::Upload;
use super::{PublishError, server_key};
use crate::digest::Digest;
use crate::limits::ROOT_FILE;
use crate::publish::document::{Keyring, Root, Signed, Snapshot, unverified_version};
use crate::publish::key::{Algorithm, PrivateKey, PublicForm};
use crate::tuf::{Fetch, FileName, RoleName};

pub use self::error::MoveError;
use self::origin::Origin;
pub use self::standing::Standing;
use self::standing::{There, server_of};

/// The new server's timestamp is so far ahead of the old server's. The old one goes on with a new one every 14 days as long as
/// it is read (Notary v1, "Default lifetimes"), and the new one only when it is read too: so consumers have a year to follow.
const AHEAD: u64 = 26;

/// Moves one repository.
pub struct Mover<'a> {
    /// The repository at its old server.
    pub from: Publisher<'a>,
    /// At its new one, of the same name and with the same trust directory.
    pub to: Publisher<'a>,
    /// Delegation roles that stay behind, with what is below them.
    pub leave_out: &'a [RoleName],
    /// More uploads are not made.
    pub max_uploads: u64,
    /// Told how many uploads are made, and of how many.
    pub progress: &'a dyn Fn(u64, u64),
}

/// What became of a move, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// How the new server stood before.
    pub standing: Standing,
    /// How many uploads there were, or would be.
    pub uploads: u64,
    /// `targets` and delegations that are as they were, with their versions.
    pub roles: Vec<(RoleName, u64)>,
    /// Roles that are signed anew, with their versions at the old and at the new server.
    pub renewed: Vec<(RoleName, u64, u64)>,
    /// Roles that were left out.
    pub left_out: Vec<RoleName>,
    /// Whether the snapshot is signed here.
    pub snapshot_is_local: bool,
    /// The oldest version of the old server's root from which clients can follow.
    pub followed_from: u64,
    /// What the publisher should know: each a sentence without a full stop.
    pub warnings: Vec<String>,
}

/// What the next upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A root on the way, with a snapshot signed here.
    Root(u64),
    /// A snapshot alone.
    Snapshot,
    /// The root that stays.
    Last(u64),
}

/// Where an unfinished move stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    root: u64,
    snapshot: u64,
    timestamp: u64,
    /// Whether the root at the new server lists a snapshot key that is here.
    can_sign_snapshot: bool,
    /// Whether the new server has all role files.
    has_roles: bool,
}

impl Mover<'_> {
    /// Moves the repository, or goes on where an earlier run ended. With `dry_run` nothing is changed.
    ///
    /// # Errors
    /// [`MoveError`]. What was uploaded until then stays, and the same command goes on from there.
    pub async fn run(&self, dry_run: bool) -> Result<Moved, MoveError> {
        let lock = self.from.dir.lock(self.from.remote.gun()).map_err(PublishError::from)?;
        let local = lock.metadata().map_err(PublishError::from)?;
        let there = There::read(&self.to).await?;
        if let Some(there) = there.as_ref().filter(|there| there.is_followed_here(&local)) {
            return self.done_before(there).await;
        }
        let from = server_of(&self.from);
        let at_old = |error: MoveError| match error {
            MoveError::Publish(error) => MoveError::AtServer { server: from.clone(), error: Box::new(error) },
            error => error,
        };
        let origin = Origin::read(&self.from, &local, self.max_uploads).await.map_err(at_old)?;
        let moved = self.check_roles(&origin)?;
        let mut workshop = self.to.workshop(false);
        let snapshot_ring = origin.draft.root.keyring(&RoleName::snapshot());
        let held = workshop.keys.held(&snapshot_ring.canonical_ids())?;
        let snapshot_is_local = held.len() as u64 >= snapshot_ring.threshold;
        let standing = match &there {
            None => Standing::Empty,
            Some(there) => there.standing(&self.from, &self.to, &origin, &moved).await?,
        };
        let mut outcome = Moved {
            standing,
            uploads: 0,
            roles: moved.iter().map(|role| (role.clone(), origin.version_of(role))).collect(),
            renewed: Vec::new(),
            left_out: self.leave_out.to_vec(),
            snapshot_is_local,
            followed_from: origin.followed_from,
            warnings: Vec::new(),
        };
        let mut place = Place::of(there.as_ref(), &origin, &moved, snapshot_is_local);
        let goal = origin.version_of(&RoleName::timestamp()).saturating_add(AHEAD);
        let done = outcome.standing == Standing::Moved;
        let uploads = if done { 0 } else { place.uploads(&origin, goal) };
        if uploads > self.max_uploads {
            let (gun, limit) = (self.from.remote.gun().clone(), self.max_uploads);
            let timestamp = origin.version_of(&RoleName::timestamp());
            return Err(MoveError::TooManyUploads { gun, timestamp, uploads, limit });
        }
        outcome.uploads = uploads;
        if !done && !dry_run {
            let roles = RoleFiles::of(&origin, moved);
            let mut bench = Bench::new(&self.to, &origin, roles, snapshot_is_local).await?;
            bench.begin_from(there.as_ref())?;
            let mut made = 0;
            loop {
                let next = place.next(&origin, goal);
                bench.upload(&self.to, &mut workshop, &mut place, next).await?;
                made += 1;
                (self.progress)(made, uploads.max(made));
                if matches!(next, Next::Last(_)) {
                    break;
                }
            }
            outcome.uploads = made;
        }
        if dry_run && !done {
            outcome.renewed = place.planned(&origin, goal);
        } else {
            let files = self.check_result(&local, &origin).await?;
            outcome.renewed = renewed(&origin, &files);
            if !dry_run {
                workshop.keep(&lock, &local, files);
            }
        }
        outcome.warnings = workshop.warnings;
        Ok(outcome)
    }

    /// What is said where the trust directory follows the new server already.
    async fn done_before(&self, there: &There) -> Result<Moved, MoveError> {
        // The old server may be gone.
        let (role, max_bytes) = (RoleName::root(), ROOT_FILE);
        let file = FileName::current(role.clone());
        let old = self.from.remote.fetch(&Fetch { file, max_bytes }).await.ok().flatten();
        if old.is_some_and(|old| there.hash(&role) == Some(Digest::of(&old))) {
            let (gun, from, to) = (self.to.remote.gun().clone(), server_of(&self.from), server_of(&self.to));
            return Err(MoveError::SameServer { gun, from, to });
        }
        Ok(there.done())
    }

    /// The roles that are moved.
    fn check_roles(&self, origin: &Origin) -> Result<Vec<RoleName>, MoveError> {
        let gun = self.from.remote.gun();
        for role in self.leave_out {
            if !role.is_delegation() || origin.draft.keyring(role).is_none() {
                return Err(MoveError::NothingToLeaveOut { gun: gun.clone(), role: role.clone() });
            }
        }
        let moved = origin.moved(self.leave_out);
        let roles = origin.unacceptable(&moved);
        if !roles.is_empty() {
            return Err(MoveError::Unacceptable { gun: gun.clone(), to: server_of(&self.to), roles });
        }
        Ok(moved.into_iter().collect())
    }

    /// Reads the new server as a client that knows the old one: what it refuses, others would refuse.
    async fn check_result(&self, local: &Local, origin: &Origin) -> Result<Files, MoveError> {
        let now = self.to.clock.now();
        let known: Local = match local.is_empty() {
            true => origin.base.files.clone().into_iter().collect(),
            false => local.clone(),
        };
        let at = |error| MoveError::AtServer { server: server_of(&self.to), error: Box::new(error) };
        let read = self.to.read_repository(&known, &[], now).await.map_err(at)?;
        let read = read.ok_or_else(|| PublishError::NotInitialised { gun: self.to.remote.gun().clone() })?;
        let files = base_of(read, &known, now)?.files;
        let timestamp = RoleName::timestamp();
        let is = version_in(&files, &timestamp);
        let floor = origin.version_of(&timestamp);
        match is > floor {
            true => Ok(files),
            false => {
                let (gun, to) = (self.to.remote.gun().clone(), server_of(&self.to));
                Err(MoveError::TimestampBehind { gun, to, is, floor })
            }
        }
    }
}

/// What is uploaded with the first root.
struct RoleFiles(Vec<(RoleName, bytes::Bytes)>);

impl RoleFiles {
    fn of(origin: &Origin, roles: Vec<RoleName>) -> Self {
        let file = |role: RoleName| origin.base.files.get(&role).cloned().map(|bytes| (role, bytes));
        Self(roles.into_iter().filter_map(file).collect())
    }
}

/// What uploads are made of.
struct Bench<'a> {
    origin: &'a Origin,
    roles: RoleFiles,
    timestamp_key: PublicForm,
    /// Signs snapshots until the last upload, where no key of the repository that is here does.
    interim: Option<PrivateKey>,
    snapshot_ring: Keyring,
    /// What the snapshot lists, beside the root.
    snapshot: Snapshot,
}

impl<'a> Bench<'a> {
    async fn new(
        to: &Publisher<'_>,
        origin: &'a Origin,
        roles: RoleFiles,
        snapshot_is_local: bool,
    ) -> Result<Self, MoveError> {
        let timestamp = RoleName::timestamp();
        let timestamp_key =
            server_key(&timestamp, &to.remote.server_key(&timestamp).await.map_err(PublishError::from)?)?;
        let interim = match snapshot_is_local {
            true => None,
            false => Some(PrivateKey::generate(Algorithm::EcdsaP256).map_err(PublishError::from)?),
        };
        let mut snapshot = Snapshot::new();
        for (role, bytes) in &roles.0 {
            snapshot.list(role, bytes).map_err(malformed(&RoleName::snapshot()))?;
        }
        let snapshot_ring = origin.draft.root.keyring(&RoleName::snapshot());
        let one_key = |role: RoleName| match origin.draft.root.keyring(&role).threshold {
            1 => Ok(()),
            threshold => Err(PublishError::TooFewKeys { role, keys: 1, threshold }),
        };
        one_key(timestamp)?;
        if interim.is_some() {
            one_key(RoleName::snapshot())?;
        }
        Ok(Self { origin, roles, timestamp_key, interim, snapshot_ring, snapshot })
    }

    /// A snapshot that is uploaded alone lists the root that the server has.
    fn begin_from(&mut self, there: Option<&There>) -> Result<(), MoveError> {
        let root = RoleName::root();
        match there.and_then(|there| there.file(&root)) {
            Some(bytes) => Ok(self.snapshot.list(&root, bytes).map_err(malformed(&RoleName::snapshot()))?),
            None => Ok(()),
        }
    }

    /// Makes one upload.
    async fn upload(
        &mut self,
        to: &Publisher<'_>,
        workshop: &mut Workshop<'_>,
        place: &mut Place,
        next: Next,
    ) -> Result<(), MoveError> {
        let mut upload = Upload::default();
        let role = RoleName::snapshot();
        if let Next::Root(version) | Next::Last(version) = next {
            let is_last = matches!(next, Next::Last(_));
            let bytes = self.root(to, workshop, version, is_last).await?;
            self.snapshot.list(&RoleName::root(), &bytes).map_err(malformed(&role))?;
            upload.add(RoleName::root(), bytes, version);
            place.root = version;
        }
        if !place.has_roles {
            self.roles.0.iter().for_each(|(role, bytes)| upload.add(role.clone(), bytes.clone(), 0));
            place.has_roles = true;
        }
        // The last root gives the snapshot to the server, which makes one then.
        if !matches!(next, Next::Last(_)) || self.interim.is_none() {
            self.snapshot.renew_after(place.snapshot, workshop.now).map_err(malformed(&role))?;
            let bytes = self.snapshot_file(workshop)?;
            upload.add(role, bytes, self.snapshot.0.version());
        }
        place.snapshot += 1;
        place.timestamp += 1;
        place.can_sign_snapshot = true;
        match to.send(&upload).await? {
            Sent::Arrived => Ok(()),
            Sent::Refused(rejection) => {
                let advice = advice_on(&rejection, workshop.now);
                let advice = advice.map(|advice| format!("; {advice}")).unwrap_or_default();
                let error = PublishError::Refused { rejection: rejection.into(), advice };
                Err(MoveError::AtServer { server: server_of(to), error: Box::new(error) })
            }
        }
    }

    /// A root for the new server, signed by the keys of the one before it and by its own.
    async fn root(
        &self,
        to: &Publisher<'_>,
        workshop: &mut Workshop<'_>,
        version: u64,
        is_last: bool,
    ) -> Result<bytes::Bytes, MoveError> {
        let (role, snapshot) = (RoleName::root(), RoleName::snapshot());
        let mut root: Root = self.origin.root(version).clone();
        root.replace_key(&RoleName::timestamp(), &self.timestamp_key).map_err(malformed(&role))?;
        match &self.interim {
            None => {}
            Some(_) if is_last => {
                let key = to.remote.server_key(&snapshot).await.map_err(PublishError::from)?;
                root.replace_key(&snapshot, &server_key(&snapshot, &key)?).map_err(malformed(&role))?;
            }
            Some(interim) => {
                root.replace_key(&snapshot, interim.public()).map_err(malformed(&role))?;
            }
        }
        root.number(version, workshop.now).map_err(malformed(&role))?;
        // Those who know the old server's root before this one hold it against that one's keys.
        let before = self.origin.root(version.saturating_sub(1).max(1)).keyring(&role);
        let rings = [before, root.keyring(&role)];
        Ok(workshop.file(&role, &root.0, &rings, &[])?)
    }

    fn snapshot_file(&self, workshop: &mut Workshop<'_>) -> Result<bytes::Bytes, MoveError> {
        let (role, document) = (RoleName::snapshot(), &self.snapshot.0);
        let Some(interim) = &self.interim else {
            return Ok(workshop.file(&role, document, std::slice::from_ref(&self.snapshot_ring), &[])?);
        };
        let message = document.message().map_err(malformed(&role))?;
        let signature = interim.sign(&message).map_err(PublishError::from)?;
        let signed = Signed { key: interim.public().id(), signature };
        Ok(document.file(vec![signed]).map_err(malformed(&role))?)
    }
}

impl Place {
    fn of(there: Option<&There>, origin: &Origin, moved: &[RoleName], snapshot_is_local: bool) -> Self {
        let floor = origin.version_of(&RoleName::snapshot());
        match there {
            None => {
                Self { root: 0, snapshot: floor, timestamp: 0, can_sign_snapshot: false, has_roles: false }
            }
            Some(there) => Self {
                root: there.version_of(&RoleName::root()),
                snapshot: there.version_of(&RoleName::snapshot()).max(floor),
                timestamp: there.version_of(&RoleName::timestamp()),
                can_sign_snapshot: snapshot_is_local && there.lists_snapshot_keys_of(origin),
                has_roles: moved.iter().all(|role| there.hash(role) == origin.base.hash(role)),
            },
        }
    }

    /// What the next upload is. The last one makes the timestamp `goal`, or brings it further.
    fn next(&self, origin: &Origin, goal: u64) -> Next {
        let is_ahead = self.timestamp.saturating_add(1) >= goal;
        if self.root < origin.version() || (!is_ahead && !self.can_sign_snapshot) {
            Next::Root(self.root + 1)
        } else if !is_ahead {
            Next::Snapshot
        } else {
            Next::Last(self.root + 1)
        }
    }

    /// How many uploads there are to be.
    fn uploads(&self, origin: &Origin, goal: u64) -> u64 {
        let roots = origin.version().saturating_sub(self.root).max(u64::from(!self.can_sign_snapshot));
        // The last one, too.
        goal.saturating_sub(self.timestamp).max(roots + 1)
    }

    /// The versions that a move would lead to.
    fn planned(&self, origin: &Origin, goal: u64) -> Vec<(RoleName, u64, u64)> {
        let uploads = self.uploads(origin, goal);
        let needs_interim = self.root >= origin.version() && !self.can_sign_snapshot;
        let root = self.root.max(origin.version()) + u64::from(needs_interim) + 1;
        let to = |role: RoleName, version| {
            let before = origin.version_of(&role);
            (role, before, version)
        };
        vec![
            to(RoleName::root(), root),
            to(RoleName::snapshot(), self.snapshot + uploads),
            to(RoleName::timestamp(), self.timestamp + uploads),
        ]
    }
}

fn renewed(origin: &Origin, files: &Files) -> Vec<(RoleName, u64, u64)> {
    let roles = [RoleName::root(), RoleName::snapshot(), RoleName::timestamp()];
    let versions = |role: RoleName| {
        let (before, after) = (origin.version_of(&role), version_in(files, &role));
        (role, before, after)
    };
    roles.map(versions).to_vec()
}

fn version_in(files: &Files, role: &RoleName) -> u64 {
    files.get(role).and_then(|bytes| unverified_version(bytes)).unwrap_or(0)
}

impl std::fmt::Debug for Mover<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mover").field("from", &self.from).field("to", &self.to).finish_non_exhaustive()
    }
}
