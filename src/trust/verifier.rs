//! [`Verifier`]: parses and verifies what strangers signed, away from the threads that answer, within bounds of memory and
//! time. Whoever finds no room waits for it, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::per_server::{Places, SharedPlaces};
use crate::limits::{
    LARGE_UPDATES, LARGE_UPDATES_OF_SERVER, PARSED_BYTES, PARSED_PER_BYTE, VERIFICATION_BYTES,
    VERIFICATION_JOBS, VERIFICATION_SECONDS,
};
use crate::policy::Reason;
use crate::pool::{Part, Pool, PoolError, PoolLimits, Progress, StopFlag};
use crate::records::RepositoryKey;
use crate::resolution::Refusal;
use crate::telemetry::Metrics;
use crate::tuf::Stop;

/// What a job of a few small files takes: it is never less.
const LEAST: usize = 64 << 10;

/// Room is counted in these units, because a semaphore counts to 2^32.
const UNIT: usize = 1 << 10;

/// Parses and verifies, within bounds.
#[derive(Debug)]
pub(super) struct Verifier {
    pool: Pool,
    /// Room for jobs, in units of [`UNIT`] bytes.
    room: Arc<Semaphore>,
    /// Jobs that wait for room.
    waiting: AtomicUsize,
    /// Places for updates that hold much.
    large: SharedPlaces,
}

/// Stops work on metadata when it is dropped: nobody waits for it any more.
#[derive(Debug)]
pub(super) struct StopOnDrop(pub(super) Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Counts a job while it waits for room.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Verifier {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let limits = PoolLimits::default();
        // Bytes are bounded by the room, which is waited for: the pool would refuse.
        let unbounded = |part: Part| Part { jobs: VERIFICATION_JOBS, bytes: usize::MAX, ..part };
        let (all, share) = (unbounded(limits.all), unbounded(limits.share));
        Self {
            pool: Pool::new("verification", PoolLimits { all, share }, metrics),
            room: Arc::new(Semaphore::new(VERIFICATION_BYTES / UNIT)),
            waiting: AtomicUsize::new(0),
            large: SharedPlaces::new(LARGE_UPDATES, LARGE_UPDATES_OF_SERVER),
        }
    }

    /// Does `job` on a thread of the pool, in its repository's turn. `bytes` is the size of the files that it reads. Whoever
    /// calls holds a [`StopOnDrop`] of what the job ends by.
    ///
    /// # Errors
    /// [`PoolError`].
    pub(super) async fn run<T: Send + 'static>(
        &self,
        key: &RepositoryKey,
        bytes: usize,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let parsed = bytes.saturating_mul(PARSED_PER_BYTE).min(PARSED_BYTES);
        let bytes = bytes.saturating_add(parsed).clamp(LEAST, VERIFICATION_BYTES);
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX);
        let room = self.room_for(units).await?;
        let share = format!("{} {}", key.server, key.gun);
        let limit = Duration::from_secs(VERIFICATION_SECONDS);
        // The job holds the room until it returns, whether its caller still waits or not.
        let job = move |_: &StopFlag| {
            let _room = room;
            job()
        };
        self.pool.run(&share, bytes, limit, job).await
    }

    async fn room_for(&self, units: u32) -> Result<OwnedSemaphorePermit, PoolError> {
        let _waits = Waits::new(&self.waiting);
        // Never closed, so there always is room in the end.
        Arc::clone(&self.room).acquire_many_owned(units).await.map_err(|_| PoolError::Ended)
    }

    /// How far it is. A job that waits for room waits for jobs to return, as one in the queue does.
    pub(super) fn progress(&self) -> Progress {
        let Progress { returned, waiting } = self.pool.progress();
        Progress { returned, waiting: waiting + self.waiting.load(Ordering::Relaxed) }
    }

    /// Waits for a place for what holds much: an update, or an older file.
    pub(super) async fn large_place(&self, server: &str) -> Option<Places> {
        self.large.place(server).await
    }
}

/// The refusal of what could not be verified: nothing was learned of it.
pub(super) fn unverified(error: &PoolError, key: &RepositoryKey) -> Refusal {
    let (gun, server) = (&key.gun, &key.server);
    let what = format!("{gun} at {server}: its trust data could not be verified: {error}");
    let message = match error {
        PoolError::TimedOut(_) => format!("{what}; its publisher has signed more than can be read in time"),
        PoolError::Refused(_) | PoolError::Panicked(_) | PoolError::Ended => format!("{what}; try again"),
    };
    Refusal::unavailable(Reason::DeadlineExceeded, message)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::digest::Digest;
    use crate::tuf::Gun;

    fn key(gun: &str) -> RepositoryKey {
        let server = "https://notary.example.com/".to_owned();
        RepositoryKey { server, gun: Gun::new(gun).unwrap(), anchors: Digest::of(b"") }
    }

    #[tokio::test]
    async fn a_job_that_nobody_waits_for_keeps_its_room_until_it_returns_and_others_wait() {
        let verifier = Verifier::new(&Metrics::default());
        let (one, other) = (key("r.io/one"), key("r.io/other"));
        let (release, released) = mpsc::channel::<()>();
        let (begins, begun) = tokio::sync::oneshot::channel();
        let job = move || {
            begins.send(()).unwrap();
            let _ = released.recv();
        };
        let first = Box::pin(verifier.run(&one, VERIFICATION_BYTES, job));
        let unfinished = futures::future::select(first, begun).await;
        assert!(matches!(unfinished, futures::future::Either::Right(_)));
        // Its caller leaves.
        drop(unfinished);
        assert_eq!(verifier.room.available_permits(), 0);
        let mut second = Box::pin(verifier.run(&other, VERIFICATION_BYTES, || 7));
        assert!(futures::poll!(second.as_mut()).is_pending());
        assert_eq!(verifier.progress(), Progress { returned: 0, waiting: 1 });
        drop(release);
        assert_eq!(second.await, Ok(7));
        assert_eq!(verifier.progress(), Progress { returned: 2, waiting: 0 });
    }

    #[tokio::test]
    async fn jobs_that_wait_for_threads_that_do_not_return_are_seen_to_wait() {
        let verifier = Verifier::new(&Metrics::default());
        let one = key("r.io/one");
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(std::sync::Mutex::new(released));
        let stuck = || {
            let released = Arc::clone(&released);
            move || released.lock().unwrap().recv().is_err()
        };
        // More than its repository may have threads.
        let threads = PoolLimits::default().share.threads;
        let mut jobs: Vec<_> = (0..=threads).map(|_| Box::pin(verifier.run(&one, 0, stuck()))).collect();
        for job in &mut jobs {
            assert!(futures::poll!(job.as_mut()).is_pending());
        }
        while verifier.progress().waiting > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(verifier.progress(), Progress { returned: 0, waiting: 1 });
        drop(release);
        assert!(futures::future::join_all(jobs).await.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn who_gives_up_waiting_for_room_waits_no_more() {
        let verifier = Verifier::new(&Metrics::default());
        let one = key("r.io/one");
        let _all = Arc::clone(&verifier.room).acquire_many_owned(1).await.unwrap();
        let mut job = Box::pin(verifier.run(&one, VERIFICATION_BYTES, || ()));
        assert!(futures::poll!(job.as_mut()).is_pending());
        assert_eq!(verifier.progress().waiting, 1);
        drop(job);
        assert_eq!(verifier.progress().waiting, 0);
    }
}
