//! [`Backoff`]: how long to wait before what failed is tried again. [`Throttle`]: how often the log says of what lasts.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How often what lasts is told.
pub const TELL_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Pauses that double, from the first to the longest.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    last: Duration,
}

impl Backoff {
    /// Nothing has failed yet.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, last: Duration::ZERO }
    }

    /// It failed, or failed again: how long to wait.
    pub fn next_pause(&mut self) -> Duration {
        self.last = self.last.saturating_mul(2).clamp(self.first, self.longest);
        self.last
    }

    /// It works: the next pause is the first.
    pub fn reset(&mut self) {
        self.last = Duration::ZERO;
    }

    /// The pause that was taken last; zero if none was.
    pub fn last_pause(&self) -> Duration {
        self.last
    }
}

/// Up to `most`, at random, so that those who failed together do not come back together.
pub fn jitter(most: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8);
    most.mul_f64(f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX))
}

/// Lets something be told once a minute.
#[derive(Debug, Clone, Copy, Default)]
pub struct Throttle {
    told: Option<Timestamp>,
}

impl Throttle {
    /// Nothing was told yet.
    pub const fn new() -> Self {
        Self { told: None }
    }

    /// Whether to tell it at `now`; if so, it counts as told. A clock that was set back does not silence it.
    pub fn tells(&mut self, now: Timestamp) -> bool {
        let tells = self.told.is_none_or(|told| now.duration_since(told).abs() >= TELL_EVERY);
        if tells {
            self.told = Some(now);
        }
        tells
    }

    /// When it was told last.
    pub fn told(&self) -> Option<Timestamp> {
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_it_worked() {
        let mut backoff = Backoff::new(SECOND, 5 * SECOND);
        assert_eq!(backoff.last_pause(), Duration::ZERO);
        let pauses: Vec<_> = (0..5).map(|_| backoff.next_pause().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        assert_eq!(backoff.last_pause(), 5 * SECOND);
        backoff.reset();
        assert_eq!(backoff.next_pause(), SECOND);
    }

    #[test]
    fn jitter_is_no_more_than_asked_for_and_not_always_the_same() {
        let drawn: std::collections::BTreeSet<_> = (0..100).map(|_| jitter(SECOND)).collect();
        assert!(drawn.len() > 50, "{drawn:?}");
        assert!(drawn.iter().all(|jitter| *jitter <= SECOND), "{drawn:?}");
        assert_eq!(jitter(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn what_lasts_is_told_once_a_minute_also_after_the_clock_was_set_back() {
        let at = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
        let mut throttle = Throttle::new();
        let told: Vec<_> = (0..200).step_by(10).filter(|second| throttle.tells(at(*second))).collect();
        assert_eq!(told, [0, 60, 120, 180]);
        assert_eq!(throttle.told(), Some(at(180)));
        assert!(!throttle.tells(at(150)));
        assert!(throttle.tells(at(100)));
    }
}
