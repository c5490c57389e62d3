//! [`Leadership`]: whether this replica is the one that writes what only one may.

use tokio::sync::watch;

/// Who leads, as this replica knows it. Clones share the answer.
#[derive(Debug, Clone)]
pub struct Leadership(watch::Receiver<bool>);

impl Leadership {
    /// Leadership as `leads` shows it.
    pub fn new(leads: watch::Receiver<bool>) -> Self {
        Self(leads)
    }

    /// Of the only replica there is.
    pub fn always() -> Self {
        // A receiver keeps the last value after its sender is gone.
        Self(watch::channel(true).1)
    }

    /// Whether this replica leads now.
    pub fn is_leader(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until leadership is gained or lost; never returns where it is settled for good.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
