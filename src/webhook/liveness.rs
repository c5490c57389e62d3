//! [`Liveness`]: whether the process goes on, or is stuck and has to be started anew.
//!
//! It judges what the process does by itself: its tasks, its threads, its policies. Whether others answer is none of it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::pool;
use crate::telemetry::Heartbeat;

/// How long a part that has something to do may make no progress. Longer than anything that it does takes.
const STUCK: Duration = Duration::from_secs(60);

/// What a part has done.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// Grows with what is done.
    steps: u64,
    /// Whether there is something to do.
    has_work: bool,
}

/// The parts that have to make progress. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Liveness(Arc<Mutex<Vec<Part>>>);

struct Part {
    name: &'static str,
    look: Box<dyn Fn() -> Progress + Send + Sync>,
    /// As it was at the last probe, and since when it is so.
    seen: Option<(u64, Instant)>,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Liveness {
    /// A part that beats, whether or not it has something to do.
    pub fn beats(&self, name: &'static str, heartbeat: Heartbeat) {
        self.watch(name, move || Progress { steps: heartbeat.beats(), has_work: true });
    }

    /// A pool, whose threads have to return where jobs wait for them. `look` says how far it is.
    pub fn works(&self, name: &'static str, look: impl Fn() -> pool::Progress + Send + Sync + 'static) {
        self.watch(name, move || {
            let pool::Progress { returned, waiting } = look();
            Progress { steps: returned, has_work: waiting > 0 }
        });
    }

    fn watch(&self, name: &'static str, look: impl Fn() -> Progress + Send + Sync + 'static) {
        let part = Part { name, look: Box::new(look), seen: None };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(part);
    }

    /// The parts that made no progress for too long, as far as probes saw.
    pub(super) fn stuck(&self) -> Vec<&'static str> {
        let now = Instant::now();
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter_mut().filter_map(|part| part.is_stuck(now).then_some(part.name)).collect()
    }
}

impl Part {
    fn is_stuck(&mut self, now: Instant) -> bool {
        let Progress { steps, has_work } = (self.look)();
        match self.seen {
            Some((seen, since)) if seen == steps && has_work => now.duration_since(since) >= STUCK,
            _ => {
                self.seen = Some((steps, now));
                false
            }
        }
    }
}
