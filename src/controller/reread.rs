//! [`reread`]: a secret that a policy names, read again and again by its name.
//!
//! To watch a secret takes the right to list all of its namespace's; to read it, the right to get the one that is named.

use std::time::Duration;

use futures::Stream;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::core::PartialObjectMeta;
use tokio::time::{sleep, timeout};

use super::references::Sight;
use super::trouble::{Failure, Subject, Trouble};
use crate::backoff::Backoff;
use crate::clock::SharedClock;

/// How long one read may take.
const READ: Duration = Duration::from_secs(5);
/// How soon a secret that does not exist is looked for again; the pause doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How often one is looked at that is there: its credentials are read when they are needed, and so is that it is gone.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

struct Reading {
    api: Api<Secret>,
    name: String,
    subject: Subject,
    trouble: Trouble,
    clock: SharedClock,
    /// Before the next read.
    pause: Duration,
    /// After reads that find nothing.
    backoff: Backoff,
}

/// What each read shows: the metadata, because what is in the secret is none of a policy's business. Never ends.
pub(super) fn reread(
    api: Api<Secret>,
    name: String,
    subject: Subject,
    clock: SharedClock,
) -> impl Stream<Item = Sight<PartialObjectMeta<Secret>>> + Send {
    let reading = Reading {
        api,
        name,
        trouble: Trouble::none(subject.clone()),
        subject,
        clock,
        pause: Duration::ZERO,
        backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
    };
    futures::stream::unfold(reading, |mut reading| async {
        let sight = reading.next().await;
        Some((sight, reading))
    })
}

impl Reading {
    async fn next(&mut self) -> Sight<PartialObjectMeta<Secret>> {
        sleep(std::mem::take(&mut self.pause)).await;
        match self.read().await {
            Ok(found) => {
                self.trouble.ends(self.clock.now());
                if found.is_some() {
                    self.backoff.reset();
                    self.pause = LONGEST_PAUSE;
                } else {
                    self.pause = self.backoff.next_pause();
                }
                Ok(found)
            }
            Err(failure) => {
                self.pause = self.trouble.arises(&failure, self.clock.now());
                Err(failure)
            }
        }
    }

    async fn read(&self) -> Sight<PartialObjectMeta<Secret>> {
        match timeout(READ, self.api.get_metadata_opt(&self.name)).await {
            Ok(read) => read.map_err(|error| Failure::of_get(error, &self.subject)),
            Err(_) => {
                let message = format!("the API server did not answer within {} s", READ.as_secs());
                Err(Failure { message, is_answer: false })
            }
        }
    }
}
