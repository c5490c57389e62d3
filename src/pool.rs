//! [`Pool`]: threads for work whose size strangers decide, away from the threads that answer.
//!
//! Everything is bounded: threads, queued jobs, bytes held, the time of a job. A job belongs to a *share*: whoever causes it,
//! such as a namespace or a trust server. Shares take turns, and none can hold more than its part.

mod queue;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

pub use self::queue::{Full, Part};
use self::queue::{Job, Queue, Work};
use crate::limits;
use crate::telemetry::{Metrics, PoolCounts, panic_message};

/// What a pool holds at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// In all.
    pub all: Part,
    /// For one share.
    pub share: Part,
}

impl PoolLimits {
    /// The limits of `limits.rs`, on a machine of so many cores. A few threads more than cores: the system divides the time, so
    /// that a job that takes seconds keeps no short one waiting.
    pub fn for_cores(cores: usize) -> Self {
        let threads = cores.max(limits::POOL_THREADS);
        Self {
            all: Part { threads, jobs: limits::POOL_JOBS, bytes: limits::POOL_BYTES },
            share: Part {
                threads: threads / 2,
                jobs: limits::POOL_SHARE_JOBS,
                bytes: limits::POOL_SHARE_BYTES,
            },
        }
    }
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self::for_cores(std::thread::available_parallelism().map_or(1, Into::into))
    }
}

/// Why a job has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// It was not begun: too much is queued.
    #[error("tagseal is busy: {0}")]
    Refused(Full),
    /// It took longer than it may, and was told to stop.
    #[error("it took longer than {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// It panicked, which is a defect; the panic's message.
    #[error("it failed: {0}")]
    Panicked(String),
    /// The process ends.
    #[error("tagseal is shutting down")]
    Ended,
}

/// Tells a job to stop: its caller is gone, or its time is over. Long jobs ask now and then.
#[derive(Debug, Clone, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Whether to stop. A result is not waited for any more.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How far a pool is. Where jobs wait and none returns, it is stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Jobs that returned so far, whatever came of them.
    pub returned: u64,
    /// Jobs that wait to begin.
    pub waiting: usize,
}

/// A bounded number of threads and their queue. Clones share both. To be used inside a tokio runtime.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    queue: Mutex<Queue>,
    counts: Arc<PoolCounts>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool that `metrics` shows as `name`. Threads are started when there is work.
    pub fn new(name: &'static str, limits: PoolLimits, metrics: &Metrics) -> Self {
        let queue = Mutex::new(Queue::new(limits));
        Self(Arc::new(Inner { queue, counts: metrics.pool(name) }))
    }

    /// Does `job` in its turn, and waits for its result. `bytes` is what it holds in memory at most, from now until it is done;
    /// `limit` is how long it may take once it has begun.
    ///
    /// If the future is dropped, a job that is queued leaves the queue, and one that runs is told to stop.
    ///
    /// # Errors
    /// [`PoolError`]. A job that was told to stop occupies its thread and its bytes until it returns.
    pub async fn run<T, F>(&self, share: &str, bytes: usize, limit: Duration, job: F) -> Result<T, PoolError>
    where
        F: FnOnce(&StopFlag) -> T + Send + 'static,
        T: Send + 'static,
    {
        let stop = StopFlag::default();
        let (begins, begun) = oneshot::channel();
        let (done, result) = oneshot::channel();
        let work: Work = {
            let stop = stop.clone();
            Box::new(move || {
                // Fails if the caller is gone, which does not matter.
                let _ = begins.send(());
                let outcome = catch_unwind(AssertUnwindSafe(|| job(&stop)));
                Box::new(move || drop(done.send(outcome)))
            })
        };
        let mut caller = self.0.enter(share, bytes, work, stop)?;
        begun.await.map_err(|_| PoolError::Ended)?;
        let outcome = match timeout(limit, result).await {
            Ok(outcome) => outcome.map_err(|_| PoolError::Ended)?,
            Err(_) => return Err(PoolError::TimedOut(limit)),
        };
        caller.result = Some(if outcome.is_ok() { "done" } else { "panicked" });
        outcome.map_err(|panic| PoolError::Panicked(panic_message(&*panic).to_owned()))
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let queue = self.0.lock();
        Progress { returned: queue.returned(), waiting: queue.waiting() }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the queue, and shows what became of it.
    fn change<R>(&self, change: impl FnOnce(&mut Queue) -> R) -> R {
        let mut queue = self.lock();
        let result = change(&mut queue);
        self.counts.holds(queue.waiting(), queue.running(), queue.bytes());
        result
    }

    fn enter(
        self: &Arc<Self>,
        share: &str,
        bytes: usize,
        work: Work,
        stop: StopFlag,
    ) -> Result<Caller, PoolError> {
        let entered = self.change(|queue| queue.enter(share, bytes, work));
        let (share, id, needs_thread) = entered.map_err(|full| {
            self.counts.job("refused");
            PoolError::Refused(full)
        })?;
        if needs_thread {
            let inner = Arc::clone(self);
            tokio::task::spawn_blocking(move || inner.work());
        }
        Ok(Caller { pool: Arc::clone(self), share, id, stop, result: None })
    }

    /// What a thread does: one job after the other, until there is none that it may begin.
    fn work(&self) {
        while let Some((share, Job { bytes, work, .. })) = self.change(Queue::next) {
            let deliver = work();
            self.change(|queue| queue.done(&share, bytes));
            // What the caller asks for next finds the room that this job had.
            deliver();
        }
    }
}

/// Whoever waits for a job.
struct Caller {
    pool: Arc<Inner>,
    share: Arc<str>,
    id: u64,
    stop: StopFlag,
    /// How that is counted; `None` until there is one.
    result: Option<&'static str>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.pool.counts.job(self.result.unwrap_or("stopped"));
        if self.result.is_some() {
            return;
        }
        self.stop.set();
        // The job is dropped after the lock was given back: it may be large.
        let _left = self.pool.change(|queue| queue.leave(&self.share, self.id));
    }
}

#[cfg(test)]
mod tests;
