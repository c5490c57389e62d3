//! [`Events`]: Kubernetes Events, posted by a task of their own and bounded in number.

use k8s_openapi::api::core::v1::ObjectReference;
use tokio::sync::mpsc;

/// So many Events wait to be posted; more are dropped and counted.
const WAITING: usize = 256;

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
pub struct Events(mpsc::Sender<Notice>);

impl Events {
    /// The queue's two ends.
    pub fn channel() -> (Self, mpsc::Receiver<Notice>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// A queue that nobody reads: for what runs without a cluster.
    pub fn nowhere() -> Self {
        Self::channel().0
    }

    /// Queues a notice. `false`: there is no room, or nobody to post it.
    pub fn post(&self, notice: Notice) -> bool {
        self.0.try_send(notice).is_ok()
    }
}
