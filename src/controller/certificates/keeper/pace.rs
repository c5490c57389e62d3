//! [`Pace`]: how soon what failed is tried again, how often the log says so, and how fast a fight over `caBundle` goes.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

/// The pause after a failure; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often one trouble that lasts is told.
const TELL_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// So many corrections in a minute are made at once; after them, one every few seconds. Somebody who writes another bundle
/// as often as it is corrected must not be outdone at the API server's cost.
const QUICK: usize = 8;
const MINUTE: SignedDuration = SignedDuration::from_secs(60);
const SLOWLY: Duration = Duration::from_secs(3);

/// Failures and corrections of late.
#[derive(Debug, Default)]
pub(in super::super) struct Pace {
    pause: Duration,
    told: Option<(String, Timestamp)>,
    corrections: VecDeque<Timestamp>,
}

impl Pace {
    /// All is well (again).
    pub(super) fn works(&mut self, now: Timestamp) {
        self.pause = Duration::ZERO;
        if self.told.take_if(|(_, told)| *told <= now).is_some() {
            tracing::info!("the serving certificate and caBundle are kept right again");
        }
    }

    /// Something went wrong: says so, and answers when to try again.
    pub(super) fn fails(&mut self, error: &str, now: Timestamp) -> Duration {
        let is_told = self
            .told
            .as_ref()
            .is_some_and(|(message, told)| message == error && now.duration_since(*told).abs() < TELL_EVERY);
        if !is_told {
            self.told = Some((error.to_owned(), now));
            tracing::warn!(error, "the serving certificate or caBundle cannot be kept right");
        }
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.pause
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
