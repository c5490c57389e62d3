//! [`Pace`]: so many at once, then one in such a time.

use std::time::Duration;

use tokio::time::Instant;

/// A bucket of tokens, kept as the one moment at which it is full again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    burst: u32,
    every: Duration,
    full: Option<Instant>,
}

impl Pace {
    /// A full one.
    pub(super) const fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, full: None }
    }

    /// Whether one more is let through now.
    pub(super) fn lets(&self, at: Instant) -> bool {
        self.lets_beyond(0, at)
    }

    /// The same, where so many must be left after it.
    pub(super) fn lets_beyond(&self, left: u32, at: Instant) -> bool {
        self.missing(at) + self.every * left.saturating_add(1) <= self.every * self.burst
    }

    /// One was.
    pub(super) fn takes(&mut self, at: Instant) {
        self.full = Some(at + self.missing(at) + self.every);
    }

    /// Whether it is as if nothing ever was.
    pub(super) fn is_rested(&self, at: Instant) -> bool {
        self.missing(at).is_zero()
    }

    fn missing(&self, at: Instant) -> Duration {
        self.full.map_or(Duration::ZERO, |full| full.saturating_duration_since(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_then_one_in_such_a_time() {
        let mut pace = Pace::new(3, Duration::from_secs(10));
        let start = Instant::now();
        let mut passed = Vec::new();
        for second in 0..100 {
            let at = start + Duration::from_secs(second);
            while pace.lets(at) {
                pace.takes(at);
                passed.push(second);
            }
        }
        assert_eq!(passed, [0, 0, 0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
        assert!(!pace.is_rested(start + Duration::from_secs(119)));
        assert!(pace.is_rested(start + Duration::from_secs(120)));
    }
}
