//! The one loop that drives an update against a source, and keeps why files did not come.

use std::collections::HashMap;

use bytes::Bytes;
use futures::future::join_all;

use super::connection::Connection;
use super::per_server::Places;
use super::verifier::{StopOnDrop, Verifier};
use crate::digest::Digest;
use crate::limits::{ROOT_FILE, SMALL_UPDATE, TIMESTAMP_FILE};
use crate::pool::PoolError;
use crate::records::RepositoryKey;
use crate::resolution::fault::Causes;
use crate::source::SourceError;
use crate::tuf::{Answer, Fetch, FileName, Selector, Step, Stop, TufError, Update, Updated};

/// Drives updates of one repository over one connection.
#[derive(Debug)]
pub(super) struct Driver<'a> {
    pub(super) verifier: &'a Verifier,
    pub(super) connection: Connection<'a>,
    pub(super) key: &'a RepositoryKey,
}

/// What came of earlier attempts of one refresh: files that are named by hash need not come twice.
#[derive(Debug, Default)]
pub(super) struct Downloads {
    by_hash: HashMap<FileName, Bytes>,
    pub(super) causes: Causes,
    /// Bytes that came so far.
    total: u64,
    /// Held as soon as these are many.
    pub(super) place: Option<Places>,
}

/// Why an update has no result.
#[derive(Debug)]
pub(super) enum Unfinished {
    /// The update says so. It is asked what stood in the way.
    Failed(Box<Update>, TufError),
    /// It could not be verified.
    Unverified(PoolError),
}

impl Driver<'_> {
    /// Drives `update` to its end. The files of a step are asked for at once. `stop` is the update's own.
    pub(super) async fn drive(
        &self,
        mut update: Box<Update>,
        stop: Stop,
        downloads: &mut Downloads,
    ) -> Result<Updated, Unfinished> {
        let _stop = StopOnDrop(stop);
        let mut fed = 0;
        loop {
            let step = move || {
                let step = update.step();
                (update, step)
            };
            let stepped = self.verifier.run(self.key, fed, step).await;
            let (next, step) = stepped.map_err(Unfinished::Unverified)?;
            update = next;
            match step {
                Step::Done(Ok(updated)) => return Ok(updated),
                Step::Done(Err(error)) => {
                    if let TufError::RootMismatch(_) = &error {
                        downloads.causes.root_keys = Some(update.root_keys());
                    }
                    return Err(Unfinished::Failed(update, error));
                }
                Step::Fetch(fetches) => fed = self.feed(&mut update, fetches, downloads).await,
            }
        }
    }

    /// Has the update what it asks for: how many bytes that was.
    async fn feed(&self, update: &mut Update, fetches: Vec<Fetch>, downloads: &mut Downloads) -> usize {
        let mut fed = 0;
        let (at_hand, missing): (Vec<_>, Vec<_>) =
            fetches.into_iter().partition(|fetch| downloads.by_hash.contains_key(&fetch.file));
        for fetch in at_hand {
            if let Some(bytes) = downloads.by_hash.get(&fetch.file) {
                fed += bytes.len();
                update.feed(&fetch.file, Answer::Bytes(bytes.clone()));
            }
        }
        if !downloads.stays_small(&missing) {
            downloads.take_place(self).await;
        }
        let mut came = self.fetch_all(&missing, downloads).await;
        let are_small = || missing.iter().zip(&came).all(|(fetch, came)| !is_too_large(fetch, came));
        if downloads.place.is_none() && !are_small() {
            came.clear();
            downloads.take_place(self).await;
            came = self.fetch_all(&missing, downloads).await;
        }
        for (fetch, came) in missing.iter().zip(came) {
            fed += came.as_ref().ok().and_then(Option::as_ref).map_or(0, Bytes::len);
            let answer = downloads.take(fetch, came);
            update.feed(&fetch.file, answer);
        }
        fed
    }

    async fn fetch_all(
        &self,
        fetches: &[Fetch],
        downloads: &Downloads,
    ) -> Vec<Result<Option<Bytes>, SourceError>> {
        let most = if downloads.place.is_some() { u64::MAX } else { SMALL_UPDATE };
        let capped = |fetch: &Fetch| Fetch { max_bytes: fetch.max_bytes.min(most), ..fetch.clone() };
        let capped: Vec<_> = fetches.iter().map(capped).collect();
        join_all(capped.iter().map(|fetch| self.connection.fetch(fetch))).await
    }
}

/// Drives `update` without a server: from what is at hand alone.
pub(super) fn drive_offline(mut update: Update) -> Result<Updated, TufError> {
    loop {
        match update.step() {
            Step::Done(done) => return done,
            Step::Fetch(fetches) => {
                fetches.iter().for_each(|fetch| update.feed(&fetch.file, Answer::Unavailable));
            }
        }
    }
}

/// Whether the file did not come because a small update may not have it.
fn is_too_large(fetch: &Fetch, came: &Result<Option<Bytes>, SourceError>) -> bool {
    fetch.max_bytes > SMALL_UPDATE && matches!(came, Err(SourceError::Invalid { .. }))
}

/// Whether a verified parent says how large the file is. Else it may be as large as any.
fn has_known_size(fetch: &Fetch) -> bool {
    ![TIMESTAMP_FILE, ROOT_FILE].contains(&fetch.max_bytes)
}

impl Downloads {
    /// Whether an update that asks for these too still holds little, as far as their sizes are known.
    fn stays_small(&self, fetches: &[Fetch]) -> bool {
        let known: u64 =
            fetches.iter().filter(|fetch| has_known_size(fetch)).map(|fetch| fetch.max_bytes).sum();
        self.total.saturating_add(known) <= SMALL_UPDATE
    }

    /// Waits for a place for an update that holds much. It has one at most, so that none that waits holds another.
    async fn take_place(&mut self, driver: &Driver<'_>) {
        if self.place.is_none() {
            self.place = driver.verifier.large_place(&driver.key.server).await;
        }
    }

    fn take(&mut self, fetch: &Fetch, came: Result<Option<Bytes>, SourceError>) -> Answer {
        match came {
            Ok(Some(bytes)) => {
                self.total = self.total.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                if fetch.file.selector == Selector::Hash(Digest::of(&bytes)) {
                    self.by_hash.insert(fetch.file.clone(), bytes.clone());
                }
                Answer::Bytes(bytes)
            }
            Ok(None) => Answer::NotFound,
            Err(cause) => {
                let answer = match cause {
                    SourceError::Invalid { .. } => Answer::TooLarge,
                    SourceError::Unauthorized { .. }
                    | SourceError::Unreachable { .. }
                    | SourceError::Elsewhere { .. } => Answer::Unavailable,
                };
                self.causes.note(&fetch.file, cause);
                answer
            }
        }
    }
}
