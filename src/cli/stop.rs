//! When the process is asked to end.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How often SIGINT, SIGTERM or SIGHUP asked the process to end. What takes time to start listens first: as the first
/// process of a container, one without handlers is never ended by a signal.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<u32>);

impl Stop {
    /// Counts from now on.
    pub(super) fn listens() -> Self {
        let (count, counted) = watch::channel(0);
        for signal in signals() {
            let count = count.clone();
            tokio::spawn(async move {
                let mut signal = signal;
                while signal.recv().await.is_some() {
                    count.send_modify(|count| *count += 1);
                }
            });
        }
        Self(counted)
    }

    /// Resolves when it was asked once.
    pub(super) async fn requested(mut self) {
        self.at_least(1).await;
    }

    /// Resolves when nobody wants to wait any longer: asked once while there is nothing to finish, twice while it serves.
    pub(super) async fn at_once(mut self, serves: &AtomicBool) {
        self.at_least(1).await;
        if serves.load(Ordering::Acquire) {
            self.at_least(2).await;
        }
    }

    async fn at_least(&mut self, times: u32) {
        if self.0.wait_for(|&count| count >= times).await.is_err() {
            // There is nobody to count: no handler could be set.
            std::future::pending().await
        }
    }
}

/// Resolves on SIGINT, SIGTERM or SIGHUP. The handlers are in place when this returns, so that no signal is missed.
pub(super) fn requested() -> impl Future<Output = ()> {
    let signals = signals();
    async move {
        let waits: Vec<_> = signals.into_iter().map(|signal| Box::pin(received(signal))).collect();
        match waits.is_empty() {
            true => std::future::pending().await,
            false => {
                futures::future::select_all(waits).await;
            }
        }
    }
}

fn signals() -> Vec<Signal> {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    kinds.into_iter().map(signal).filter_map(Result::ok).collect()
}

async fn received(mut signal: Signal) {
    signal.recv().await;
}
