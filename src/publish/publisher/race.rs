//! [`Race`]: how long publishing goes on while others publish to the same repository.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::PublishError;
use crate::backoff::{Backoff, jitter};
use crate::tuf::Gun;

/// The longest wait before the second reading anew; it doubles from there.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// One command's tries to publish. Of those who publish at once one is first, and the others read and merge anew: so all of
/// them arrive, and none fails before its time is up.
#[derive(Debug)]
pub(super) struct Race<'a> {
    gun: &'a Gun,
    start: Instant,
    patience: Duration,
    readings: u32,
    losses: u32,
    backoff: Backoff,
}

impl<'a> Race<'a> {
    pub(super) fn new(gun: &'a Gun, patience: Duration) -> Self {
        let backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        Self { gun, start: Instant::now(), patience, readings: 0, losses: 0, backoff }
    }

    /// Waits before the repository is read anew, from the second time on, so that not all come back at once.
    pub(super) async fn pause(&mut self) {
        self.readings += 1;
        if self.readings > 1 {
            sleep(jitter(self.backoff.next_pause())).await;
        }
    }

    /// Somebody else was first.
    ///
    /// # Errors
    /// [`PublishError::Stale`] when the time is up.
    pub(super) fn lost(&mut self) -> Result<(), PublishError> {
        self.losses += 1;
        match self.start.elapsed() < self.patience {
            true => Ok(()),
            false => Err(PublishError::Stale {
                gun: self.gun.clone(),
                times: self.losses,
                seconds: self.patience.as_secs(),
            }),
        }
    }
}
