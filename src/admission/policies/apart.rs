//! [`apart`]: work that takes the processor's time, away from the threads that admissions run on.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use tokio::time::{Instant, timeout_at};

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfinished {
    /// It was not done by the deadline, or the process ends.
    Late,
    /// It panicked, which is a defect; what it said.
    Panicked(String),
}

/// Does `work` on a thread of its own, and waits for it until `deadline`. Work that is late goes on, for nobody.
///
/// # Errors
/// [`Unfinished`]: whoever asked is answered all the same.
pub async fn apart<T: Send + 'static>(
    deadline: Instant,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unfinished> {
    match timeout_at(deadline, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => match error.try_into_panic() {
            Ok(panic) => Err(Unfinished::Panicked(message(&*panic))),
            // The runtime shuts down.
            Err(_) => Err(Unfinished::Late),
        },
        Err(_) => Err(Unfinished::Late),
    }
}

/// What a future comes to, or the message of its panic.
pub async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Unfinished> {
    let caught = AssertUnwindSafe(future).catch_unwind().await;
    caught.map_err(|panic| Unfinished::Panicked(message(&*panic)))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    panic.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_and_so_is_being_late() {
        let soon = Instant::now() + Duration::from_secs(60);
        assert_eq!(apart(soon, || 7).await, Ok(7));
        let panicked = apart(soon, || panic!("index {} of nothing", 3)).await;
        assert_eq!(panicked, Err::<(), _>(Unfinished::Panicked("index 3 of nothing".to_owned())));
        let (ends, ended) = std::sync::mpsc::channel::<()>();
        let late = apart(Instant::now(), move || ended.recv().is_ok()).await;
        assert_eq!(late, Err(Unfinished::Late));
        drop(ends);
    }
}
