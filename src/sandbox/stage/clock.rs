//! [`ShiftedClock`]: another clock, put forward, so that weeks pass in no time.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::clock::{Clock, SharedClock};

/// A clock that goes as another does, and shows another time. Clones are one clock.
#[derive(Debug, Clone)]
pub struct ShiftedClock {
    true_one: SharedClock,
    ahead: Arc<Mutex<SignedDuration>>,
}

impl ShiftedClock {
    /// A clock that is not shifted yet.
    pub fn new(true_one: SharedClock) -> Self {
        Self { true_one, ahead: Arc::default() }
    }

    /// Puts it forward.
    pub fn advance(&self, by: SignedDuration) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        *ahead = ahead.saturating_add(by);
    }

    /// The clock that it is shifted against.
    pub fn true_one(&self) -> SharedClock {
        Arc::clone(&self.true_one)
    }

    /// Puts it right.
    pub fn reset(&self) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = SignedDuration::ZERO;
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        let ahead = *self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        self.true_one.now().saturating_add(ahead).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn it_goes_on_from_where_it_was_put_and_can_be_put_right() {
        let start: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let inner = ManualClock::at(start);
        let clock = ShiftedClock::new(Arc::new(inner.clone()));
        clock.advance(SignedDuration::from_hours(24));
        inner.advance(SignedDuration::from_secs(1));
        assert_eq!(clock.now().to_string(), "2026-11-22T12:00:01Z");
        clock.reset();
        assert_eq!(clock.now().to_string(), "2026-11-21T12:00:01Z");
    }
}
