//! [`ExemptionStatuses`]: writes whether an exemption is in force, and how often it was used.
//!
//! The leader alone writes the conditions. How often an exemption was used each replica adds by itself, on condition that
//! the object is still the one whose count it read, so that no replica's count is lost and none is added twice.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::super::apply::{Refused, WRITE, apply_status};
use super::super::events::{Events, Notice};
use super::super::leader::Leadership;
use super::super::pace::Pace;
use super::super::policies::Published;
use super::WatchedExemption;
use super::news::news;
use super::says::says;
use super::uses::{ExemptionUses, Use};
use crate::api::{TrustExemption, TrustExemptionStatus};
use crate::clock::SharedClock;
use crate::policy::{CompiledExemption, PolicyId};

/// How often it is looked whether an exemption began, is about to end, or ended.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How often one replica writes how often one exemption was used.
const USES: Pace = Pace::new(1, Duration::from_secs(60));
/// What could not be written is tried again after so many looks.
const RETRY_AFTER: u32 = 5;
/// The field manager of the count, which is not the leader's to take back.
const COUNTER: &str = "tagseal-uses";

/// Writes the statuses of the exemptions that a [`PolicyWatch`](super::super::PolicyWatch) publishes. No decision depends
/// on it: it may end, and a clone begin anew.
#[derive(Clone)]
pub struct ExemptionStatuses {
    pub(in crate::controller) client: Client,
    pub(in crate::controller) clock: SharedClock,
    pub(in crate::controller) leadership: Leadership,
    pub(in crate::controller) events: Events,
    pub(in crate::controller) published: watch::Receiver<Option<Published>>,
    pub(in crate::controller) uses: ExemptionUses,
}

impl fmt::Debug for ExemptionStatuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExemptionStatuses")
    }
}

/// What was written last: it stands until the watch shows a newer version of the object.
struct Written {
    version: Option<String>,
    status: TrustExemptionStatus,
}

#[derive(Default)]
struct Memory {
    written: BTreeMap<String, Written>,
    paces: BTreeMap<String, Pace>,
    /// Looks that are left before a write is tried again.
    pause: u32,
}

impl ExemptionStatuses {
    /// Writes until nothing is published any more.
    pub async fn run(mut self) {
        let mut memory = Memory::default();
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = self.published.changed() => if changed.is_err() { return },
                () = self.leadership.changed() => memory = Memory::default(),
                _ = ticks.tick() => {}
            }
            let Some(newest) = self.published.borrow_and_update().clone() else { continue };
            if memory.pause > 0 {
                memory.pause -= 1;
                continue;
            }
            let conditions = self.write_conditions(&newest, &mut memory).await;
            let counts = self.write_uses(&newest, &mut memory).await;
            if let Err(error) = conditions.and(counts) {
                tracing::warn!(%error, "statuses of exemptions cannot be written; decisions do not depend on them");
                memory.pause = RETRY_AFTER;
            }
        }
    }

    async fn write_conditions(&self, newest: &Published, memory: &mut Memory) -> Result<(), Refused> {
        let objects: BTreeMap<_, _> =
            newest.exemptions.iter().map(|object| (object.name.as_str(), object)).collect();
        memory.written.retain(|name, _| objects.contains_key(name.as_str()));
        memory.paces.retain(|name, _| objects.contains_key(name.as_str()));
        let mut failed = Ok(());
        for (exemption, unknown) in newest.set.exemptions() {
            let Some(object) = objects.get(exemption.name()) else { continue };
            let Some((status, notice)) = self.due(object, exemption, &unknown, memory) else { continue };
            if !self.leadership.is_leader() {
                break;
            }
            let resource = ApiResource::erase::<TrustExemption>(&());
            match apply_status(&self.client, &resource, None, &object.name, &status).await {
                Ok(()) => {
                    notice.map(|notice| self.events.post(notice));
                }
                Err(Refused::Gone) => {}
                Err(refused @ Refused::NoAnswer(_)) => return Err(refused),
                // Another one may pass.
                Err(refused) => {
                    failed = Err(refused);
                    continue;
                }
            }
            let version = object.resource_version.clone();
            memory.written.insert(object.name.clone(), Written { version, status });
        }
        failed
    }

    /// The status that is to be written, if it does not stand there yet, and what is told with it.
    fn due(
        &self,
        object: &WatchedExemption,
        exemption: &CompiledExemption,
        unknown: &[&PolicyId],
        memory: &Memory,
    ) -> Option<(TrustExemptionStatus, Option<Notice>)> {
        let written = memory.written.get(&object.name);
        let written = written.filter(|written| written.version == object.resource_version);
        let standing = written.map_or(&object.status, |written| &written.status);
        let (now, generation) = (self.clock.now(), object.generation);
        let wanted = says(exemption, unknown, now);
        let stands = standing.observed_generation == generation
            && wanted.iter().all(|says| says.stands_in(&standing.conditions, generation));
        if stands {
            return None;
        }
        let conditions = wanted.iter().map(|says| says.condition(&standing.conditions, generation, now));
        let status = TrustExemptionStatus {
            conditions: conditions.collect(),
            observed_generation: generation,
            ..TrustExemptionStatus::default()
        };
        let notice = news(object, exemption, standing, &status);
        Some((status, notice))
    }

    async fn write_uses(&self, newest: &Published, memory: &mut Memory) -> Result<(), Refused> {
        for (name, pending) in self.uses.pending() {
            let Some(object) = newest.exemptions.iter().find(|object| object.name == name) else {
                self.uses.forget(&name);
                continue;
            };
            let pace = memory.paces.entry(name.clone()).or_insert(USES);
            if !pace.lets(Instant::now()) {
                continue;
            }
            match self.add(object, pending).await {
                Ok(true) => {
                    pace.takes(Instant::now());
                    self.uses.wrote(&name, pending);
                }
                // Somebody else wrote: the watch will show what.
                Ok(false) => {}
                Err(Refused::Gone) => self.uses.forget(&name),
                Err(refused) => return Err(refused),
            }
        }
        Ok(())
    }

    /// Adds to the count that `object` has; `false` where it is not the newest any more.
    async fn add(&self, object: &Arc<WatchedExemption>, pending: Use) -> Result<bool, Refused> {
        let api: Api<DynamicObject> =
            Api::all_with(self.client.clone(), &ApiResource::erase::<TrustExemption>(&()));
        let used = object.status.used.unwrap_or_default().saturating_add(pending.images);
        let last = object.status.last_used.as_ref().map_or(pending.last, |last| last.0.max(pending.last));
        let patch = json!({
            "metadata": {"resourceVersion": object.resource_version},
            "status": {"used": used, "lastUsed": Time(last)},
        });
        let params = PatchParams { field_manager: Some(COUNTER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(patch);
        let written = timeout(WRITE, api.patch_status(&object.name, &params, &patch)).await;
        match written {
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(false),
            written => Refused::of(written, "trustexemptions/status.tagseal.dev").map(|()| true),
        }
    }
}
