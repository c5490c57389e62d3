//! [`Events`]: Kubernetes Events, posted by a task of their own and bounded in number.
//!
//! kube's Recorder is not used: it makes a request of each repetition, keeps the first note where the second says something
//! else, and goes on patching an Event that the API server has let expire.

mod ledger;
mod post;
mod shares;

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::ledger::{Errand, Ledger, Taken};
use self::post::Poster;
use super::quiet::Quiet;
use crate::clock::SharedClock;
use crate::telemetry::Metrics;

/// So many Events wait to be posted; more are dropped and counted.
const WAITING: usize = 256;
/// How often it is looked which Events were repeated.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Something to tell in an Event.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The object that it is about. Its namespace is the Event's; without one, `default`.
    pub about: ObjectReference,
    /// Whether it is a warning.
    pub is_warning: bool,
    /// CamelCase; one of design §6 where there is one.
    pub reason: String,
    /// What tagseal did, CamelCase: `Admit`, `Verify`, `Reset`, …
    pub action: &'static str,
    /// For people; at most 1024 bytes are posted.
    pub note: String,
}

/// Where notices are dropped off. Clones share one queue; it never waits.
#[derive(Debug, Clone)]
pub struct Events {
    queue: mpsc::Sender<Notice>,
    metrics: Metrics,
}

impl Events {
    /// The queue's two ends.
    pub fn channel() -> (Self, mpsc::Receiver<Notice>) {
        let (queue, notices) = mpsc::channel(WAITING);
        (Self { queue, metrics: Metrics::default() }, notices)
    }

    /// The same; what finds no room is counted.
    #[must_use]
    pub fn counted_by(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// A queue that nobody reads: for what runs without a cluster.
    pub fn nowhere() -> Self {
        Self::channel().0
    }

    /// Queues a notice. `false`: there is no room, or nobody to post it.
    pub fn post(&self, notice: Notice) -> bool {
        let posted = self.queue.try_send(notice);
        if let Err(mpsc::error::TrySendError::Full(_)) = posted {
            self.metrics.event("suppressed");
        }
        posted.is_ok()
    }
}

/// Posts what is in the queue.
pub struct EventWriter {
    poster: Poster,
    ledger: Ledger,
    clock: SharedClock,
    metrics: Metrics,
    trouble: Quiet,
}

impl EventWriter {
    /// A writer of Events by `instance`, which tells the replicas apart.
    pub fn new(client: Client, instance: &str, clock: SharedClock, metrics: Metrics) -> Self {
        Self {
            poster: Poster::new(client, instance),
            ledger: Ledger::default(),
            clock,
            metrics,
            trouble: Quiet::default(),
        }
    }

    /// Posts for as long as anybody can queue a notice. What cannot be posted is let go: nothing depends on it. Another writer
    /// can go on with `notices` where this one ends.
    pub async fn run(mut self, notices: &mut mpsc::Receiver<Notice>) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                notice = notices.recv() => match notice {
                    Some(notice) => self.take(notice).await,
                    // Nobody is left to say anything; a part of the process must not end.
                    None => std::future::pending().await,
                },
                _ = ticks.tick() => self.look().await,
            }
        }
    }

    async fn take(&mut self, notice: Notice) {
        match self.ledger.take(notice, Instant::now(), self.clock.now()) {
            Taken::Known => {}
            Taken::TooMany => self.metrics.event("suppressed"),
            Taken::New(errand) => self.send(*errand).await,
        }
    }

    async fn look(&mut self) {
        while let Some(errand) = self.ledger.repeated(Instant::now()) {
            self.send(errand).await;
        }
    }

    async fn send(&mut self, errand: Errand) {
        match self.poster.send(&errand).await {
            Ok(()) => {
                self.metrics.event("posted");
                if self.trouble.ends() {
                    tracing::info!("Events can be posted again");
                }
            }
            Err(error) => {
                // The next one of its kind is a new Event.
                self.ledger.forget(&errand);
                self.metrics.event("failed");
                if self.trouble.tells(self.clock.now()) {
                    let about = errand.notice.about.kind.as_deref().unwrap_or_default();
                    tracing::warn!(%error, about, reason = errand.notice.reason, "an Event cannot be posted; decisions do not depend on it");
                }
            }
        }
    }
}
