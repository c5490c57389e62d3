//! The one loop that drives an update against a source, and keeps why files did not come.

use std::collections::HashMap;

use bytes::Bytes;
use futures::future::join_all;

use super::connection::Connection;
use super::fault::Causes;
use super::source::SourceError;
use crate::digest::Digest;
use crate::tuf::{Answer, Fetch, FileName, Selector, Step, TufError, Update, Updated};

/// What came of earlier attempts of one refresh: files that are named by hash need not come twice.
#[derive(Debug, Default)]
pub(super) struct Downloads {
    by_hash: HashMap<FileName, Bytes>,
    pub(super) causes: Causes,
}

/// Drives `update` to its end. The files of a step are asked for at once.
pub(super) async fn drive(
    update: &mut Update,
    connection: &Connection<'_>,
    downloads: &mut Downloads,
) -> Result<Updated, TufError> {
    loop {
        match update.step() {
            Step::Done(done) => {
                if let Err(TufError::RootMismatch(_)) = &done {
                    downloads.causes.root_keys = Some(update.root_keys());
                }
                return done;
            }
            Step::Fetch(fetches) => {
                let (at_hand, missing): (Vec<_>, Vec<_>) =
                    fetches.into_iter().partition(|fetch| downloads.by_hash.contains_key(&fetch.file));
                for fetch in at_hand {
                    if let Some(bytes) = downloads.by_hash.get(&fetch.file) {
                        update.feed(&fetch.file, Answer::Bytes(bytes.clone()));
                    }
                }
                let came = join_all(missing.iter().map(|fetch| connection.fetch(fetch))).await;
                for (fetch, came) in missing.iter().zip(came) {
                    let answer = downloads.take(fetch, came);
                    update.feed(&fetch.file, answer);
                }
            }
        }
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

impl Downloads {
    fn take(&mut self, fetch: &Fetch, came: Result<Option<Bytes>, SourceError>) -> Answer {
        match came {
            Ok(Some(bytes)) => {
                if fetch.file.selector == Selector::Hash(Digest::of(&bytes)) {
                    self.by_hash.insert(fetch.file.clone(), bytes.clone());
                }
                Answer::Bytes(bytes)
            }
            Ok(None) => Answer::NotFound,
            Err(cause) => {
                let answer = match cause {
                    SourceError::Invalid { .. } => Answer::TooLarge,
                    SourceError::Unauthorized { .. } | SourceError::Unreachable { .. } => Answer::Unavailable,
                };
                self.causes.note(&fetch.file, cause);
                answer
            }
        }
    }
}
