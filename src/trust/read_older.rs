//! Reads older files of roles. Those that tagseal saw are read by hash, from memory, disk, or the trust server, and the
//! record of trust state vouches for them. Those that passed unseen are asked for by number, and the role's present keys
//! vouch for them.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;

use super::cell::Cell;
use super::connection::{Connection, credentials_of, server_for, with_remark};
use super::core::Core;
use super::older_files::{FileKey, Kept, Miss};
use super::served::Served;
use super::verifier::{StopOnDrop, unverified};
use crate::digest::Digest;
use crate::limits::{METADATA_FILE, SMALL_UPDATE};
use crate::resolution::{PastFile, Refusal, fault};
use crate::source::{Requester, SourceError};
use crate::store::Found;
use crate::tuf::{Fetch, FileName, HistoricTargets, Selector, Stop, TufError};

/// Reads older files of roles as `served` sees them: what they say of `tag`, or all that they say.
pub(super) async fn read(
    core: &Core,
    cell: &Cell,
    requester: &Requester,
    served: &Served,
    files: &[FileName],
    tag: Option<&str>,
) -> Vec<(FileName, PastFile)> {
    let read = files.iter().map(|file| async move {
        let basis = served.repository.historic_basis(&file.role);
        let key = FileKey { repository: cell.key.clone(), file: file.clone(), basis };
        let read = read_one(core, cell, requester, served, key).await;
        // A question may take hundreds of files.
        let read = match tag {
            Some(tag) => read.only(tag),
            None => read,
        };
        (file.clone(), read)
    });
    join_all(read).await
}

async fn read_one(
    core: &Core,
    cell: &Cell,
    requester: &Requester,
    served: &Served,
    key: FileKey,
) -> PastFile {
    if let Some(kept) = core.older_files.files.get(&key).await {
        return kept.past();
    }
    if cell.older_files.absences.has(requester, &key.file, core.moment()) {
        return PastFile::Absent;
    }
    let read = read_now(core, cell, requester, served, &key);
    let asked = (key.clone(), requester.clone());
    match core.older_files.asked.try_get_with(asked.clone(), read).await {
        Ok(kept) => {
            if kept.may_stay() {
                core.older_files.asked.invalidate(&asked).await;
            }
            kept.past()
        }
        Err(miss) => match &*miss {
            Miss::Absent => PastFile::Absent,
            Miss::Failed(refusal) => PastFile::Failed(refusal.clone()),
        },
    }
}

/// Fetches and verifies a file, and keeps what it says.
async fn read_now(
    core: &Core,
    cell: &Cell,
    requester: &Requester,
    served: &Served,
    key: &FileKey,
) -> Result<Arc<Kept>, Miss> {
    let server = &cell.state_key.server;
    let _reading = core.older_files.reading.place(server).await;
    let find = async |most| find(core, cell, requester, &key.file, most).await.map_err(Miss::Failed);
    // A place is held until the file is verified.
    let (found, _large) = match find(SMALL_UPDATE).await? {
        Found::Larger => {
            let large = core.verifier.large_place(server).await;
            (find(METADATA_FILE).await?, large)
        }
        found => (found, None),
    };
    let file = match found {
        Found::File(file) => Some(file),
        Found::Larger | Found::Absent => None,
    };
    let read = match file {
        Some(file) => Some(verify(core, cell, served, &key.file, file).await.map_err(Miss::Failed)?),
        None => None,
    };
    let read = match read {
        Some(Ok(read)) => Some(read),
        // The file of this hash will never be another one. What stands under a number may.
        Some(Err(_)) if matches!(key.file.selector, Selector::Hash(_)) => None,
        _ => {
            cell.older_files.absences.note(requester, &key.file, core.moment());
            return Err(Miss::Absent);
        }
    };
    let kept = Arc::new(Kept::new(read, &cell.older_files.holdings));
    if kept.may_stay() {
        core.older_files.files.insert(key.clone(), Arc::clone(&kept)).await;
    }
    Ok(kept)
}

/// Verifies a file as `served` sees it.
async fn verify(
    core: &Core,
    cell: &Cell,
    served: &Served,
    name: &FileName,
    file: Bytes,
) -> Result<Result<HistoricTargets, TufError>, Refusal> {
    let (repository, name, size) = (Arc::clone(&served.repository), name.clone(), file.len());
    let stop = StopOnDrop(Stop::default());
    let ends = stop.0.clone();
    let read = move || match name.selector {
        Selector::Hash(sha256) => repository.historic(&name.role, sha256, &file, &ends),
        Selector::Version(version) => repository.historic_unseen(&name.role, version, &file, &ends),
        Selector::Current => Err(TufError::Missing { file: name }),
    };
    let read = core.verifier.run(&cell.state_key, size, read).await;
    read.map_err(|error| unverified(&error, &cell.state_key))
}

/// The file from disk, or from the trust server, as far as it has at most so many bytes.
async fn find(
    core: &Core,
    cell: &Cell,
    requester: &Requester,
    file: &FileName,
    most: u64,
) -> Result<Found, Refusal> {
    match on_disk(core, cell, file, most).await {
        Found::Absent => fetch(core, cell, requester, file, most).await,
        found => Ok(found),
    }
}

async fn on_disk(core: &Core, cell: &Cell, file: &FileName, most: u64) -> Found {
    let (Selector::Hash(sha256), Some(disk)) = (&file.selector, core.disk.clone()) else {
        return Found::Absent;
    };
    let (key, sha256) = (cell.key.clone(), *sha256);
    let read = tokio::task::spawn_blocking(move || disk.history(&key, sha256, most));
    read.await.unwrap_or(Found::Absent)
}

async fn fetch(
    core: &Core,
    cell: &Cell,
    requester: &Requester,
    file: &FileName,
    most: u64,
) -> Result<Found, Refusal> {
    let is_it = |bytes: &Bytes| match file.selector {
        Selector::Hash(sha256) => Digest::of(bytes) == sha256,
        Selector::Current | Selector::Version(_) => true,
    };
    let fetch = Fetch { file: file.clone(), max_bytes: most };
    let server = server_for(cell, requester);
    let mut refused = None;
    let credentials = credentials_of(core, cell, requester).await?;
    for access in credentials.accesses {
        match Connection::new(core, cell, &server, requester, &access, true).fetch(&fetch).await {
            // Another file than was asked for is as good as none.
            Ok(came) => return Ok(came.filter(is_it).map_or(Found::Absent, Found::File)),
            Err(cause @ SourceError::Unauthorized { .. }) => refused = Some(cause),
            // It may be larger.
            Err(SourceError::Invalid { .. }) if most < METADATA_FILE => return Ok(Found::Larger),
            // Larger than allowed, or not what its headers say: as good as none.
            Err(SourceError::Invalid { .. }) if matches!(file.selector, Selector::Version(_)) => {
                return Ok(Found::Absent);
            }
            Err(cause) => return Err(fault::source(&cause, &fetch.file, &cell.state_key)),
        }
    }
    match refused {
        Some(cause) => {
            let refusal = fault::source(&cause, &fetch.file, &cell.state_key);
            Err(with_remark(refusal, cell, &credentials.remark))
        }
        None => Ok(Found::Absent),
    }
}
