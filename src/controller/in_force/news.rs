//! [`News`]: what the leader says of each object that protection rests on: a line in the log and an Event, at each change.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ObjectReference;

use super::Enforcement;
use super::judge::{Lapse, LapseReason};
use super::sights::Sight;
use crate::controller::events::{Events, Notice};

/// What to do where something is missing.
const REMEDY: &str = "install the chart's own again: helm upgrade with the values of before \
                                 (--reuse-values), or the manifests that were applied";

/// What to do about a lapse.
pub(super) fn remedy(reason: LapseReason) -> &'static str {
    match reason {
        LapseReason::NotReadable => "let tagseal's ServiceAccount read it",
        LapseReason::WebhookFailsOpen => {
            "while that is meant, for a pilot, nothing; otherwise set the chart's webhook.failurePolicy to Fail"
        }
        _ => REMEDY,
    }
}

/// What was said last of each object that was not in force.
#[derive(Debug, Default, Clone)]
pub(super) struct News(BTreeMap<String, Vec<Lapse>>);

impl News {
    /// Says what is new.
    pub(super) fn tell(&mut self, sights: &[Sight], enforcement: &Enforcement, events: &Events) {
        for sight in sights {
            let what = sight.what();
            let lapses = enforcement.lapses.iter().filter(|(of, _)| *of == what);
            let lapses: Vec<Lapse> = lapses.map(|(_, lapse)| lapse.clone()).collect();
            match (self.0.get(&what), lapses.is_empty()) {
                (None, true) => {}
                (Some(_), true) => {
                    tracing::info!(object = what, "{what} is in force again");
                    self.0.remove(&what);
                    let note = format!("{what} is in force again");
                    post(events, sight, false, "InForce", note);
                }
                (Some(before), false) if *before == lapses => {}
                (_, false) => {
                    let found: Vec<_> = lapses.iter().map(|lapse| lapse.found.as_str()).collect();
                    let found = found.join("; ");
                    let reason = lapses.first().map_or(LapseReason::NotReadable, |lapse| lapse.reason);
                    let note = format!("{what} is not in force: {found}; {}", remedy(reason));
                    tracing::warn!(object = what, %reason, "{note}");
                    post(events, sight, true, reason.as_str(), note);
                    self.0.insert(what, lapses);
                }
            }
        }
    }
}

fn post(events: &Events, sight: &Sight, is_warning: bool, reason: &str, note: String) {
    let about = ObjectReference {
        api_version: Some(sight.resource.api_version.clone()),
        kind: Some(sight.resource.kind.clone()),
        name: Some(sight.name.clone()),
        uid: sight.uid.clone(),
        ..ObjectReference::default()
    };
    events.post(Notice { about, is_warning, reason: reason.to_owned(), action: "Watch", note });
}
