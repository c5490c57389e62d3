//! [`Moment`]: a point in time by both clocks, for spacing requests. [`Since`]: how long ago something was.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::clock::Clock;

/// When something happened, by the wall clock and by the timers' clock. Whether something has expired is judged by the
/// first alone; how far apart things are is measured by whichever has moved more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) wall: Timestamp,
    pub(super) timer: Instant,
    /// Later moments of this process have larger numbers, also where no clock has moved.
    pub(super) order: u64,
}

impl Moment {
    pub(super) fn now(clock: &dyn Clock) -> Self {
        Self::at(clock.now())
    }

    /// The present moment, which the wall clock calls `wall`.
    pub(super) fn at(wall: Timestamp) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { wall, timer: Instant::now(), order: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// How much is left of `wait` after this moment; `None` when it is over.
    pub(super) fn remaining(&self, wait: Duration, now: &Self) -> Option<Duration> {
        let by_timer = now.timer.saturating_duration_since(self.timer);
        let by_wall = Duration::try_from(now.wall.duration_since(self.wall)).unwrap_or_default();
        wait.checked_sub(by_timer.max(by_wall)).filter(|left| !left.is_zero())
    }
}

/// A time of the past, perhaps another process's, and when this one heard of it. A clock that is set back makes it no
/// younger: otherwise what was confirmed once would be fresh until the clock is where it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since {
    pub(super) at: Timestamp,
    heard: Moment,
}

impl Since {
    /// `at`, as heard at `heard`.
    pub(super) fn new(at: Timestamp, heard: Moment) -> Self {
        Self { at, heard }
    }

    /// How long ago that is, by whichever clock has moved more.
    pub(super) fn age(&self, now: &Moment) -> SignedDuration {
        let by_timer = now.timer.saturating_duration_since(self.heard.timer);
        let by_timer = SignedDuration::try_from(by_timer).unwrap_or(SignedDuration::MAX);
        let by_timer = self.heard.wall.duration_since(self.at).saturating_add(by_timer);
        now.wall.duration_since(self.at).max(by_timer)
    }
}

impl From<Moment> for Since {
    fn from(moment: Moment) -> Self {
        Self { at: moment.wall, heard: moment }
    }
}
