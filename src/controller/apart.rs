//! [`apart`]: work that takes the processor's time, on a thread of its own, which admissions are not to wait for.

/// What `work` comes to; a panic goes on where it is waited for. `None`: the runtime shuts down.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}
