//! [`Events`]: Kubernetes Events, posted by a task of their own and bounded in number.
//!
//! kube's Recorder is not used: it makes a request of each repetition, keeps the first note where the second says something
//! else, and goes on patching an Event that the API server has let expire.

mod ledger;
mod post;
mod shares;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::ledger::{Errand, Ledger, Taken};
use self::post::Poster;
use super::repeated::RepeatedError;
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
    desk: Desk,
    errors: RepeatedError,
}

/// Where notices are taken in while an Event is sent: whatever the API server takes to answer, the queue is emptied, so that
/// what finds room in it is for the ledger to say, which gives each namespace its share.
struct Desk {
    ledger: Ledger,
    /// New Events that were not sent yet.
    new: VecDeque<Errand>,
    /// It is time to look which Events were repeated.
    is_due: bool,
    clock: SharedClock,
    metrics: Metrics,
}

impl EventWriter {
    /// A writer of Events by `instance`, which tells the replicas apart.
    pub fn new(client: Client, instance: &str, clock: SharedClock, metrics: Metrics) -> Self {
        Self {
            poster: Poster::new(client, instance),
            desk: Desk { ledger: Ledger::default(), new: VecDeque::new(), is_due: false, clock, metrics },
            errors: RepeatedError::default(),
        }
    }

    /// Posts for as long as anybody can queue a notice. What cannot be posted is let go: nothing depends on it. Another writer
    /// can go on with `notices` where this one ends.
    pub async fn run(mut self, notices: &mut mpsc::Receiver<Notice>) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while let Some(errand) = self.desk.next() {
                let sent = tokio::select! {
                    sent = self.poster.send(&errand) => sent,
                    never = self.desk.takes_in(notices) => match never {},
                };
                self.was_sent(&errand, sent);
            }
            tokio::select! {
                notice = received(notices) => self.desk.take(notice),
                _ = ticks.tick() => self.desk.is_due = true,
            }
        }
    }

    fn was_sent(&mut self, errand: &Errand, sent: Result<(), String>) {
        let Desk { ledger, clock, metrics, .. } = &mut self.desk;
        match sent {
            Ok(()) => {
                metrics.event("posted");
                if self.errors.ends().is_some() {
                    tracing::info!("Events can be posted again");
                }
            }
            Err(error) => {
                // The next one of its kind is a new Event.
                ledger.forget(errand);
                metrics.event("failed");
                if self.errors.occurs(&error, clock.now()).is_some() {
                    let about = errand.notice.about.kind.as_deref().unwrap_or_default();
                    tracing::warn!(%error, about, reason = errand.notice.reason, "an Event cannot be posted; decisions do not depend on it");
                }
            }
        }
    }
}

impl Desk {
    async fn takes_in(&mut self, notices: &mut mpsc::Receiver<Notice>) -> Infallible {
        loop {
            let notice = received(notices).await;
            self.take(notice);
        }
    }

    fn take(&mut self, notice: Notice) {
        match self.ledger.take(notice, Instant::now(), self.clock.now()) {
            Taken::Known => {}
            Taken::New(errand) if self.new.len() < WAITING => self.new.push_back(*errand),
            Taken::New(errand) => {
                self.ledger.forget(&errand);
                self.metrics.event("suppressed");
            }
            Taken::TooMany => self.metrics.event("suppressed"),
        }
    }

    /// What is to be sent next. That an Event was repeated comes after the Event.
    fn next(&mut self) -> Option<Errand> {
        if let Some(errand) = self.new.pop_front() {
            return Some(errand);
        }
        let repeated = self.is_due.then(|| self.ledger.repeated(Instant::now())).flatten();
        self.is_due = repeated.is_some();
        repeated
    }
}

/// The next notice. Where nobody is left to say anything there is none, and no end either: a part of the process must not end.
async fn received(notices: &mut mpsc::Receiver<Notice>) -> Notice {
    match notices.recv().await {
        Some(notice) => notice,
        None => std::future::pending().await,
    }
}
