//! [`Work`]: what reading and verifying a stranger's files may cost, and whether anybody still waits for it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::error::TufError;
use super::stop::Stop;
use crate::limits::WORK_STEPS;

/// So many steps a loop takes before it looks whether the work was stopped.
pub(super) const STRIDE: u64 = 4096;

/// Counts the steps of one update, or of one file that is read by itself, and ends them.
///
/// A step is about 20 ns: a value that is read or written, a name that is compared, 64 bytes that are hashed. What a
/// signature costs beside its message is in [`super::key::PublicKey::steps`]. Once it has ended, it stays ended: whoever
/// is told so by a lower layer's words asks [`Self::ended`] for the reason.
#[derive(Debug)]
pub(super) struct Work {
    stop: Stop,
    steps: AtomicU64,
}

/// Why work does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// Nobody waits for it.
    #[error("it was stopped")]
    Stopped,
    /// It costs more than any repository may.
    #[error("it takes more than {WORK_STEPS} steps")]
    TooMuch,
}

impl Work {
    /// Work that `stop` ends, or its own budget.
    pub(super) fn under(stop: &Stop) -> Self {
        Self { stop: stop.clone(), steps: AtomicU64::new(0) }
    }

    /// Work that nobody stops.
    pub(super) fn unstopped() -> Self {
        Self::under(&Stop::default())
    }

    /// Counts steps that are about to be taken.
    ///
    /// # Errors
    /// [`Ended`] where they may not be.
    pub(super) fn take(&self, steps: u64) -> Result<(), Ended> {
        self.steps.fetch_add(steps, Ordering::Relaxed);
        self.ended().map_or(Ok(()), Err)
    }

    /// Whether it may not go on.
    pub(super) fn ended(&self) -> Option<Ended> {
        match self.stop.is_stopped() {
            true => Some(Ended::Stopped),
            false => (self.steps() > WORK_STEPS).then_some(Ended::TooMuch),
        }
    }

    /// The steps that were taken so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// What a failure is due to: the end of the work, else `error`.
    pub(super) fn blame(&self, error: TufError) -> TufError {
        self.ended().map_or(error, TufError::from)
    }

    /// The value, if there is one: why there is none does not matter, unless the work ended.
    ///
    /// # Errors
    /// [`Ended`].
    pub(super) fn unless_ended<T>(&self, result: Result<T, TufError>) -> Result<Option<T>, TufError> {
        self.ended().map_or(Ok(result.ok()), |ended| Err(ended.into()))
    }
}

impl From<Ended> for TufError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Stopped => Self::Stopped,
            Ended::TooMuch => Self::TooMany {
                what: "steps of work",
                limit: usize::try_from(WORK_STEPS).unwrap_or(usize::MAX),
            },
        }
    }
}
