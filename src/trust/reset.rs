//! Forgets a repository: its memory at once, its disk as soon as nobody writes to it.

use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::Semaphore;

use super::cell::{Cell, Clearing};
use super::core::Core;
use crate::records::RepositoryKey;
use crate::source::BoxFuture;
use crate::store::{CacheKey, DiskCache};

/// Puts a new cell in the place of this one, at once. The disk is cleared when a commit that is under way has ended, by a
/// task of its own, whoever waits for it.
pub(super) fn reset(core: &Core, cell: &Arc<Cell>) -> BoxFuture<'static, ()> {
    let clearing = cell.writing.clearing();
    if !core.repositories.replace(cell) {
        // Somebody else noticed it first.
        return Box::pin(std::future::ready(()));
    }
    tracing::info!(gun = %cell.key.gun, server = %cell.state_key.server, "trust in the repository was reset");
    let Some(disk) = core.disk.clone() else { return Box::pin(std::future::ready(())) };
    let cleared = tokio::spawn(clear(disk, cell.key.clone(), clearing, Arc::clone(&core.clearing)));
    Box::pin(async {
        // It does not panic, and where the runtime ends nothing is left to do.
        let _ = cleared.await;
    })
}

/// Resets a repository: its memory when this is called, its disk when the answer is there. Who noticed it before the
/// watch did, and has a record that was made since, is not reset twice.
pub(super) fn forget(core: &Core, key: &RepositoryKey, record: Option<&str>) -> BoxFuture<'static, ()> {
    let cells = core.repositories.of(key);
    let concerned =
        cells.iter().filter(|cell| record.is_none_or(|gone| !cell.contents().rests_on_another(gone)));
    let cleared: Vec<_> = concerned.map(|cell| reset(core, cell)).collect();
    Box::pin(async {
        join_all(cleared).await;
    })
}

/// Clears the disk of a repository. The commit that is under way may yet write to it; the next ones wait for no more than
/// that the files are put away. To delete them takes turns, however many repositories are reset at once.
async fn clear(disk: DiskCache, key: CacheKey, clearing: Clearing, turns: Arc<Semaphore>) {
    let (of, bury) = (key.clone(), disk.clone());
    let buried = {
        let _no_commit = clearing.turn().await;
        tokio::task::spawn_blocking(move || bury.bury(&of)).await
    };
    drop(clearing);
    let _turn = turns.acquire().await;
    let deleted = match buried {
        Ok(Ok(Some(grave))) => tokio::task::spawn_blocking(move || disk.delete(&grave)).await,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => Ok(Err(error)),
        Err(error) => Err(error),
    };
    if let Ok(Err(error)) = deleted {
        tracing::warn!(gun = %key.gun, %error, "the cache directory could not be cleared");
    }
}
