//! [`Quiet`]: how often the log says of one trouble that it lasts.

use jiff::Timestamp;

use crate::backoff::Throttle;

/// A trouble since it began. The first time is no news (a connection that breaks off once, an API server that starts); it is
/// told when it comes a second time, then once a minute.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    began: bool,
    throttle: Throttle,
}

impl Quiet {
    /// It is there, again or still. Whether to say so.
    pub(super) fn tells(&mut self, now: Timestamp) -> bool {
        std::mem::replace(&mut self.began, true) && self.throttle.tells(now)
    }

    /// It is over. Whether to say so: it was told.
    pub(super) fn ends(&mut self) -> bool {
        std::mem::take(self).throttle.told().is_some()
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_trouble_is_told_the_second_time_then_once_a_minute_and_its_end_only_after_that() {
        let mut quiet = Quiet::default();
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        assert!(!quiet.tells(at(0)));
        assert!(!quiet.ends(), "once is no news, nor is its end");
        let told: Vec<_> = (0..150).filter(|second| quiet.tells(at(*second))).collect();
        assert_eq!(told, [1, 61, 121]);
        assert!(quiet.tells(at(-100)), "a clock that was set back silences nothing");
        assert!(quiet.ends());
        assert!(!quiet.ends());
    }
}
