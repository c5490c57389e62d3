//! When the process is asked to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Resolves on SIGINT, SIGTERM or SIGHUP. The handlers are in place when this returns, so that no signal is missed.
pub(super) fn requested() -> impl Future<Output = ()> {
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    async move {
        let waits = signals.into_iter().flatten().map(|signal| Box::pin(received(signal)));
        let waits: Vec<_> = waits.collect();
        match waits.is_empty() {
            true => std::future::pending().await,
            false => {
                futures::future::select_all(waits).await;
            }
        }
    }
}

async fn received(mut signal: Signal) {
    signal.recv().await;
}
