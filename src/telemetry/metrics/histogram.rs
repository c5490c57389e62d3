//! [`Histogram`]: durations in buckets. The library's own takes a lock for each observation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// So many nanoseconds are a second.
const NANOS: f64 = 1e9;

/// `N` buckets, and the one above them all.
#[derive(Debug)]
pub(super) struct Histogram<const N: usize> {
    /// The buckets' upper bounds, in seconds and in nanoseconds.
    bounds: [(f64, u64); N],
    counts: [AtomicU64; N],
    above: AtomicU64,
    /// In nanoseconds: enough for five centuries.
    sum: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    /// `bounds` are in seconds, and rise.
    pub(super) fn new(bounds: [f64; N]) -> Self {
        Self {
            bounds: bounds.map(|bound| (bound, nanos(Duration::from_secs_f64(bound)))),
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            above: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    pub(super) fn observe(&self, took: Duration) {
        let took = nanos(took);
        let bucket = self.bounds.iter().zip(&self.counts).find(|((_, bound), _)| took <= *bound);
        bucket.map_or(&self.above, |(_, count)| count).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(took, Ordering::Relaxed);
    }

    /// The sum in seconds, how many there are, and how many of them in each bucket, the last one being that above all.
    pub(super) fn values(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let within = self.bounds.iter().zip(&self.counts).map(|((bound, _), count)| (*bound, load(count)));
        let buckets: Vec<_> = within.chain([(f64::INFINITY, load(&self.above))]).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        #[expect(clippy::cast_precision_loss, reason = "nobody minds a nanosecond in a month")]
        let sum = load(&self.sum) as f64 / NANOS;
        (sum, count, buckets)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
