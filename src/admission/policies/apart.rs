//! [`Apart`]: work that takes the processor's time, away from the threads that admissions run on.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::telemetry::panic_message;

/// So much is worked on at once. Late work counts for as long as it goes on: it piles up nowhere, and leaves the threads that
/// admissions of repositories not yet in memory need.
const AT_ONCE: usize = 2;

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfinished {
    /// It was not done by the deadline, or the process ends.
    Late,
    /// It panicked, which is a defect; what it said.
    Panicked(String),
}

/// Threads for work, a few at once.
#[derive(Debug, Clone)]
pub struct Apart(Arc<Semaphore>);

impl Default for Apart {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Apart {
    /// Does `work` on a thread of its own as soon as there is room, and waits for it until `deadline`. Work that is late goes
    /// on, for nobody; what has found no room by then is not begun.
    ///
    /// # Errors
    /// [`Unfinished`]: whoever asked is answered all the same.
    pub async fn work<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unfinished> {
        let Ok(Ok(room)) = timeout_at(deadline, Arc::clone(&self.0).acquire_owned()).await else {
            return Err(Unfinished::Late);
        };
        let work = move || {
            let _room = room;
            work()
        };
        match timeout_at(deadline, tokio::task::spawn_blocking(work)).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => match error.try_into_panic() {
                Ok(panic) => Err(Unfinished::Panicked(panic_message(&*panic).to_owned())),
                // The runtime shuts down.
                Err(_) => Err(Unfinished::Late),
            },
            Err(_) => Err(Unfinished::Late),
        }
    }
}

/// What a future comes to, or the message of its panic.
pub async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Unfinished> {
    let caught = AssertUnwindSafe(future).catch_unwind().await;
    caught.map_err(|panic| Unfinished::Panicked(panic_message(&*panic).to_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_and_so_is_being_late() {
        let soon = Instant::now() + Duration::from_secs(60);
        let apart = Apart::default();
        assert_eq!(apart.work(soon, || 7).await, Ok(7));
        let panicked = apart.work(soon, || panic!("index {} of nothing", 3)).await;
        assert_eq!(panicked, Err::<(), _>(Unfinished::Panicked("index 3 of nothing".to_owned())));
        let (ends, ended) = mpsc::channel::<()>();
        let late = apart.work(Instant::now(), move || ended.recv().is_ok()).await;
        assert_eq!(late, Err(Unfinished::Late));
        drop(ends);
    }

    #[test]
    fn late_work_takes_up_room_and_what_finds_none_in_time_is_never_begun() {
        // On the only thread that there is, everything that is begun is done in its turn.
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let apart = Apart::default();
            let (ends, ended) = mpsc::channel::<()>();
            let first = apart.work(Instant::now(), move || ended.recv().is_ok()).await;
            assert_eq!(first, Err(Unfinished::Late));
            assert_eq!(apart.work(Instant::now(), || true).await, Err(Unfinished::Late));
            let is_begun = Arc::new(AtomicBool::new(false));
            let begun = Arc::clone(&is_begun);
            let third = apart.work(Instant::now(), move || begun.store(true, Ordering::SeqCst)).await;
            assert_eq!(third, Err(Unfinished::Late));
            drop(ends);
            assert_eq!(apart.work(Instant::now() + Duration::from_secs(60), || 7).await, Ok(7));
            assert!(!is_begun.load(Ordering::SeqCst));
        });
    }
}
