//! [`Deadline`] and [`Limit`]: how long a request may still take, and how to say so.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

/// When everything has to be over, retries and tokens included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    total: Duration,
}

impl Deadline {
    /// The deadline that is `total` from now.
    pub(super) fn after(total: Duration) -> Self {
        Self { at: Instant::now() + total, total }
    }

    /// When it is.
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Whether something that takes `wait` from now would still be in time.
    pub(super) fn leaves(&self, wait: Duration) -> bool {
        Instant::now().checked_add(wait).is_some_and(|then| then < self.at)
    }

    /// How long it was in all.
    pub(super) fn span(&self) -> Span {
        Span(self.total)
    }

    /// The limit of a step that nothing comes after.
    pub(super) fn whole(&self) -> Limit {
        Limit { at: self.at, span: self.span() }
    }

    /// A limit of its own for one step, cut short by this deadline.
    pub(super) fn limit(&self, step: Duration) -> Limit {
        let at = Instant::now() + step;
        if at < self.at {
            Limit { at, span: Span(step) }
        } else {
            Limit { at: self.at, span: Span(self.total) }
        }
    }
}

/// The end of one step, and the span of time that it ends: the step's own, or that of the whole request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// When.
    pub(super) at: Instant,
    /// How long that was, for the message.
    pub(super) span: Span,
}

impl Limit {
    /// The sooner of two limits.
    pub(super) fn min(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }
}

/// A span of time as people write it: `5 s`, `300 ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_millis() == 0 {
            write!(f, "{} s", self.0.as_secs())
        } else {
            write!(f, "{} ms", self.0.as_millis())
        }
    }
}
