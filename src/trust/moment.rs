//! [`Moment`]: a point in time by both clocks, for spacing requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::clock::Clock;

/// When something happened, by the wall clock and by the timers' clock. Judgements about trust data take the first
/// alone; how far apart requests are is measured by whichever has moved more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) wall: Timestamp,
    pub(super) timer: Instant,
    /// Later moments of this process have larger numbers, also where no clock has moved.
    pub(super) order: u64,
}

impl Moment {
    pub(super) fn now(clock: &dyn Clock) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { wall: clock.now(), timer: Instant::now(), order: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// How much is left of `wait` after this moment; `None` when it is over.
    pub(super) fn remaining(&self, wait: Duration, now: &Self) -> Option<Duration> {
        let by_timer = now.timer.saturating_duration_since(self.timer);
        let by_wall = Duration::try_from(now.wall.duration_since(self.wall)).unwrap_or_default();
        wait.checked_sub(by_timer.max(by_wall)).filter(|left| !left.is_zero())
    }
}
