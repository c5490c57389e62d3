//! [`Resets`]: a `TrustedRepository` was deleted, which is the explicit, audited way to start anew with a repository
//! (design §2).

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use tokio::sync::mpsc;

use super::super::events::{Events, Notice};
use super::super::leader::Leadership;
use super::Inventory;
use super::held::Held;
use crate::api;
use crate::telemetry::Metrics;

/// What happens when an object is gone.
pub(super) struct Resets {
    pub(super) inventory: Arc<dyn Inventory>,
    pub(super) leadership: Leadership,
    pub(super) events: Events,
    pub(super) metrics: Metrics,
}

impl Resets {
    /// Sees to each object that is gone, until nobody watches any more. Beside the watch, because a repository is dropped
    /// only when a commit that is under way has ended.
    pub(super) async fn run(self, mut gone: mpsc::UnboundedReceiver<Arc<Held>>) {
        while let Some(held) = gone.recv().await {
            self.tell(&held).await;
        }
    }

    /// Drops memory and disk of the repository, and tells it. Who deleted the object stands in the API server's audit log.
    async fn tell(&self, gone: &Held) {
        self.metrics.repository_reset();
        let name = &*gone.name;
        let Some(key) = gone.key() else {
            tracing::warn!(
                trusted_repository = name,
                "a TrustedRepository was deleted that was not believed"
            );
            return;
        };
        tracing::warn!(
            trusted_repository = name, gun = %key.gun, server = key.server, anchors = %key.anchors.hex(),
            "trust in the repository was reset: its TrustedRepository was deleted"
        );
        self.inventory.forget(key).await;
        if self.leadership.is_leader() {
            self.events.post(notice(gone, &key.gun.to_string(), &key.server));
        }
    }
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
             every replica; the next pod that asks for it starts anew"
        ),
    }
}
