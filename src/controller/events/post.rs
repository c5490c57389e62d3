//! [`Poster`]: an Event of `events.k8s.io/v1`, created once and patched when it was repeated.

use std::time::Duration;

use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::time::timeout;

use super::ledger::Errand;
use crate::controller::apply::MANAGER;
use crate::controller::names::is_object_name;
use crate::controller::trouble::chain;

/// Who reports.
const CONTROLLER: &str = "tagseal";
/// Where Events about objects without a namespace go: the API server takes them nowhere else.
const CLUSTER_WIDE: &str = "default";
/// The longest that one takes.
const WRITE: Duration = Duration::from_secs(5);
/// The API server's own limits, in bytes.
const NOTE: usize = 1024;
const WORD: usize = 128;
/// So long a name leaves room for what comes after it.
const NAME: usize = 200;

pub(super) struct Poster {
    client: Client,
    instance: String,
}

impl Poster {
    pub(super) fn new(client: Client, instance: &str) -> Self {
        Self { client, instance: cut(instance, WORD) }
    }

    pub(super) async fn send(&self, errand: &Errand) -> Result<(), String> {
        let namespace = errand.notice.about.namespace.as_deref().unwrap_or(CLUSTER_WIDE);
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let sending = async {
            if errand.count == 1 {
                let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
                return api.create(&params, &self.event(errand, namespace)).await;
            }
            let series = EventSeries { count: errand.count, last_observed_time: MicroTime(errand.last) };
            let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
            api.patch(&name(errand), &params, &Patch::Merge(json!({"series": series}))).await
        };
        match timeout(WRITE, sending).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => Err(format!(
                "{}; let tagseal's ServiceAccount create and patch events.events.k8s.io",
                status.message
            )),
            Ok(Err(kube::Error::Api(status))) => Err(format!("{} ({})", status.message, status.code)),
            Ok(Err(error)) => Err(chain(&error)),
            Err(_) => Err(format!("the API server did not answer within {} s", WRITE.as_secs())),
        }
    }

    fn event(&self, errand: &Errand, namespace: &str) -> Event {
        let notice = &errand.notice;
        let metadata = ObjectMeta {
            name: Some(name(errand)),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        };
        Event {
            metadata,
            event_time: Some(MicroTime(errand.first)),
            type_: Some(if notice.is_warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(cut(&notice.reason, WORD)),
            action: Some(cut(notice.action, WORD)),
            note: Some(cut(&notice.note, NOTE)),
            regarding: Some(notice.about.clone()),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..Event::default()
        }
    }
}

/// After the object, as Events are named, and after the moment.
fn name(errand: &Errand) -> String {
    let object = errand.notice.about.name.as_deref();
    let object = object.filter(|name| name.len() <= NAME && is_object_name(name)).unwrap_or(CONTROLLER);
    format!("{object}.{:x}", errand.first.as_nanosecond().wrapping_add(i128::from(errand.number)))
}

/// At most `limit` bytes.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limit.saturating_sub('…'.len_utf8()));
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_is_cut_at_a_character_within_the_limit() {
        assert_eq!(cut("short", NOTE), "short");
        for text in ["x".repeat(1025), "ä".repeat(600), format!("x{}", "€".repeat(500))] {
            let cut = cut(&text, NOTE);
            assert!((NOTE - 6..=NOTE).contains(&cut.len()), "{}", cut.len());
            assert!(cut.ends_with('…'));
        }
    }
}
