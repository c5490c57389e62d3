//! [`Resets`]: a `TrustedRepository` was deleted, which is the explicit, audited way to start anew with a repository
//! (design §2).

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::ObjectReference;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::events::{Events, Notice};
use super::super::leader::Leadership;
use super::Inventory;
use super::held::Held;
use crate::api;
use crate::telemetry::Metrics;

/// A lease that is not given up is taken over within this.
const HANDOVER: Duration = Duration::from_secs(20);
/// How often it is looked who leads.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What happens when an object is gone.
pub(super) struct Resets {
    pub(super) inventory: Arc<dyn Inventory>,
    pub(super) leadership: Leadership,
    pub(super) events: Events,
    pub(super) metrics: Metrics,
}

impl Resets {
    /// Sees to each object that is gone, until nobody watches any more. Beside the watch and beside each other, because a
    /// repository's disk is cleared only when a commit that is under way has ended.
    pub(super) async fn run(self, mut gone: mpsc::UnboundedReceiver<Arc<Held>>) {
        let mut told = FuturesUnordered::new();
        loop {
            tokio::select! {
                held = gone.recv() => match held {
                    Some(held) => told.push(self.reset(held)),
                    None => break,
                },
                Some(()) = told.next() => {}
            }
        }
        told.collect::<()>().await;
    }

    /// Drops memory of the repository at once and then its disk, and tells it. Who deleted the object stands in the API
    /// server's audit log.
    fn reset(&self, gone: Arc<Held>) -> impl Future<Output = ()> {
        self.metrics.repository_reset();
        let name = &*gone.name;
        match gone.about() {
            Some(key) => tracing::warn!(
                trusted_repository = name, gun = %key.gun, server = key.server, anchors = %key.anchors.hex(),
                "trust in the repository was reset: its TrustedRepository was deleted"
            ),
            None => tracing::warn!(
                trusted_repository = name,
                "a TrustedRepository was deleted that is about no repository of its name"
            ),
        }
        let cleared = gone.about().map(|key| self.inventory.forget(key, gone.uid.as_deref()));
        async move {
            let (Some(key), Some(cleared)) = (gone.about(), cleared) else { return };
            cleared.await;
            if leads_soon(self.leadership.clone()).await {
                self.events.post(notice(&gone, &key.gun.to_string(), &key.server));
            }
        }
    }
}

/// Whether this replica leads, or takes over within moments: while leadership changes hands, nobody leads. Who led until then
/// may have told it as well; twice is better than never.
async fn leads_soon(mut leadership: Leadership) -> bool {
    let leads = async {
        while !leadership.is_leader() {
            // A lease that is renewed late is no change.
            let _ = timeout(LOOK_EVERY, leadership.changed()).await;
        }
    };
    timeout(HANDOVER, leads).await.is_ok()
}

fn notice(gone: &Held, repository: &str, server: &str) -> Notice {
    Notice {
        about: ObjectReference {
            api_version: Some(api::API_VERSION.to_owned()),
            kind: Some("TrustedRepository".to_owned()),
            name: Some(gone.name.to_string()),
            uid: gone.uid.as_deref().map(str::to_owned),
            ..ObjectReference::default()
        },
        is_warning: true,
        reason: "Reset".to_owned(),
        action: "Reset",
        note: format!(
            "the object was deleted: floors, first-use pin and cached trust data of {repository} at {server} were dropped on \
             every replica; the next pod that asks for it starts anew, but for the floors that other TrustedRepository objects \
             of {repository} hold under the same keys"
        ),
    }
}
