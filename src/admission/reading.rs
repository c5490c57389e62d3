//! [`Reading`]: large bodies are read by a pool of threads, away from those that answer.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::limits::SMALL_BODY;
use crate::pool::{Pool, PoolError, PoolLimits};
use crate::telemetry::Metrics;

/// How long reading the largest may take.
const TIME: Duration = Duration::from_secs(5);

/// Where large bodies are read.
pub(super) struct Reading {
    pool: Pool,
    /// On whose account. Before a body is read nobody knows whose it is.
    share: &'static str,
}

impl Reading {
    /// With a pool of its own.
    pub(super) fn new(share: &'static str) -> Self {
        Self { pool: Pool::new("work", PoolLimits::default(), &Metrics::default()), share }
    }

    /// By this pool, which others use too.
    pub(super) fn with_pool(self, pool: Pool) -> Self {
        Self { pool, ..self }
    }

    /// Reads a large body by `deadline`.
    ///
    /// # Errors
    /// [`PoolError`] where there was no thread, or no time.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        body: &Bytes,
        deadline: Instant,
        read: impl FnOnce(&Bytes) -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let body = body.clone();
        let read = self.pool.run(self.share, body.len(), TIME, move |_| read(&body));
        timeout_at(deadline, read).await.unwrap_or(Err(LATE))
    }
}

/// That the deadline came first.
pub(super) const LATE: PoolError = PoolError::TimedOut(TIME);

/// Whether a body is to be read by the pool.
pub(super) fn is_large(body: &Bytes) -> bool {
    body.len() > SMALL_BODY
}
