//! [`Pace`]: how soon what failed is tried again, how often the log says so, and how fast a fight over `caBundle` goes.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use crate::backoff::{Backoff, Throttle};

/// The pause after a failure; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// So many corrections in a minute are made at once; after them, one every few seconds. Somebody who writes another bundle
/// as often as it is corrected must not be outdone at the API server's cost.
const QUICK: usize = 8;
const MINUTE: SignedDuration = SignedDuration::from_secs(60);
const SLOWLY: Duration = Duration::from_secs(3);

/// Failures and corrections of late.
#[derive(Debug)]
pub(in super::super) struct Pace {
    backoff: Backoff,
    /// What goes wrong, since it was told first.
    trouble: Option<(String, Throttle)>,
    corrections: VecDeque<Timestamp>,
}

impl Default for Pace {
    fn default() -> Self {
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        Self { backoff, trouble: None, corrections: VecDeque::new() }
    }
}

impl Pace {
    /// All is well (again).
    pub(super) fn works(&mut self, now: Timestamp) {
        self.backoff.reset();
        let is_over =
            |(_, throttle): &mut (String, Throttle)| throttle.told().is_some_and(|told| told <= now);
        if self.trouble.take_if(is_over).is_some() {
            tracing::info!("the serving certificate and caBundle are kept right again");
        }
    }

    /// Something went wrong: says so, and answers when to try again.
    pub(super) fn fails(&mut self, error: &str, now: Timestamp) -> Duration {
        let known = self.trouble.take_if(|(message, _)| message == error);
        let (message, mut throttle) = known.unwrap_or_else(|| (error.to_owned(), Throttle::new()));
        let tells = throttle.tells(now);
        self.trouble = Some((message, throttle));
        if tells {
            tracing::warn!(error, "the serving certificate or caBundle cannot be kept right");
        }
        self.backoff.next_pause()
    }

    /// Takes note of a correction of `caBundle`, and waits first when there were many.
    pub(super) async fn corrects(&mut self, now: Timestamp) {
        self.corrections.retain(|at| now.duration_since(*at).abs() < MINUTE);
        self.corrections.push_back(now);
        if self.corrections.len() > QUICK {
            sleep(SLOWLY).await;
        }
    }
}
