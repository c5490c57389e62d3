//! Counters and gauges of each pool of threads.

use std::sync::atomic::{AtomicI64, Ordering};

use super::collect::number;
use super::words::Words;

/// The counts of one pool.
#[derive(Debug)]
pub struct PoolCounts {
    jobs: Words<4>,
    waiting: AtomicI64,
    running: AtomicI64,
    bytes: AtomicI64,
}

impl Default for PoolCounts {
    fn default() -> Self {
        Self {
            jobs: Words::new(["done", "panicked", "stopped", "refused"]),
            waiting: AtomicI64::default(),
            running: AtomicI64::default(),
            bytes: AtomicI64::default(),
        }
    }
}

impl PoolCounts {
    /// A job is over; `result` is one of the words in `docs/metrics.md`.
    pub fn job(&self, result: &str) {
        self.jobs.count(result);
    }

    /// What the pool holds now: jobs that wait, jobs that run, bytes of both.
    pub fn holds(&self, waiting: usize, running: usize, bytes: usize) {
        for (gauge, value) in [(&self.waiting, waiting), (&self.running, running), (&self.bytes, bytes)] {
            gauge.store(number(value), Ordering::Relaxed);
        }
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.jobs.values()
    }

    /// Jobs that wait, jobs that run.
    pub(super) fn held(&self) -> [(&'static str, i64); 2] {
        [("waiting", self.waiting.load(Ordering::Relaxed)), ("running", self.running.load(Ordering::Relaxed))]
    }

    pub(super) fn bytes(&self) -> i64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
