//! [`RepeatedError`]: how often the log says of an error that it lasts.

use jiff::Timestamp;

use crate::backoff::TELL_EVERY;

/// The errors of one task since it last worked. A connection that breaks off once, or an API server that starts, is not worth
/// a line: an error is told when it comes a second time in a row, and whatever comes is told once a minute.
#[derive(Debug, Default)]
pub(super) struct RepeatedError(Option<Current>);

#[derive(Debug)]
struct Current {
    since: Timestamp,
    told: Option<Timestamp>,
    message: String,
    /// How often in a row the message was this one.
    times: u32,
}

impl RepeatedError {
    /// Whether the last thing that happened was an error.
    pub(super) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// An error came. If the log is to say so: since when there are errors.
    pub(super) fn occurs(&mut self, message: &str, now: Timestamp) -> Option<Timestamp> {
        let mut current = match self.0.take() {
            None => Current { since: now, told: None, message: message.to_owned(), times: 1 },
            Some(last) if last.message == message => Current { times: last.times.saturating_add(1), ..last },
            Some(last) => Current { message: message.to_owned(), times: 1, ..last },
        };
        let last_told = current.told.unwrap_or(current.since);
        // A clock that was set back silences nothing.
        let is_told = current.times == 2 || now.duration_since(last_told).abs() >= TELL_EVERY;
        if is_told {
            current.told = Some(now);
        }
        let since = current.since;
        self.0 = Some(current);
        is_told.then_some(since)
    }

    /// It works again. If the log said that it did not: since when.
    pub(super) fn ends(&mut self) -> Option<Timestamp> {
        self.0.take().filter(|current| current.told.is_some()).map(|current| current.since)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn an_error_is_told_the_second_time_then_once_a_minute_and_its_end_only_after_that() {
        let mut errors = RepeatedError::default();
        assert_eq!(errors.occurs("no", at(0)), None);
        assert_eq!(errors.ends(), None, "once is not told, nor is its end");
        let told: Vec<_> = (0..150).filter(|second| errors.occurs("no", at(*second)).is_some()).collect();
        assert_eq!(told, [1, 61, 121]);
        assert_eq!(errors.occurs("no", at(-100)), Some(at(0)), "a clock that was set back silences nothing");
        assert!(errors.is_some());
        assert_eq!(errors.ends(), Some(at(0)));
        assert_eq!(errors.ends(), None);
        assert!(!errors.is_some());
    }

    #[test]
    fn another_error_is_told_when_it_comes_a_second_time_and_alternating_ones_once_a_minute() {
        let mut errors = RepeatedError::default();
        let told: Vec<_> =
            ["a", "a", "a", "b", "b", "b"].map(|message| errors.occurs(message, at(0)).is_some()).into();
        assert_eq!(told, [false, true, false, false, true, false]);

        let mut errors = RepeatedError::default();
        let alternating = |second: &i64| if second % 2 == 0 { "a" } else { "b" };
        let told: Vec<_> =
            (0..130).filter(|second| errors.occurs(alternating(second), at(*second)).is_some()).collect();
        assert_eq!(told, [60, 120]);
    }
}
