//! [`Stop`]: the handle by which whoever waits for work on metadata ends it early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends work on metadata early. Copies share one state: what was stopped stays stopped.
///
/// Long loops look at it every few thousand steps, and end with [`super::TufError::Stopped`]. The default is a handle
/// that nobody stops.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Stops all work that was started with this handle or a copy of it.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the work was stopped.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
