//! [`StatusWriter`]: says in each policy's status whether it compiled.
//!
//! Every replica compiles the same objects to the same status, and writes it only where it is not there yet; so the
//! last writer changes nothing.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::policies::resource;
use crate::api::TrustPolicyStatus;
use crate::clock::SharedClock;
use crate::policy::{CompiledPolicy, PolicyError, PolicyId, PolicyKind, PolicySet, Reason};

/// The field manager of what tagseal writes.
const MANAGER: &str = "tagseal";

/// The longest message of a condition (the API server's own limit is 32,768).
const MAX_MESSAGE: usize = 4096;

/// Writes `Ready` into the status of policies.
pub(super) struct StatusWriter {
    client: Client,
    clock: SharedClock,
}

/// What a policy's `Ready` should say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Readiness {
    status: &'static str,
    reason: &'static str,
    message: String,
}

/// A policy's object as it was watched, by its identity.
pub(super) type Objects = BTreeMap<PolicyId, Value>;

impl StatusWriter {
    pub(super) fn new(client: Client, clock: SharedClock) -> Self {
        Self { client, clock }
    }

    /// Writes what is not there yet. A failure is logged; the next change of a policy tries again.
    pub(super) async fn write(&self, set: &PolicySet, objects: &Objects) {
        for (policy, errors) in set.policies() {
            let Some(object) = objects.get(policy.id().as_ref()) else { continue };
            let Some(status) = self.due(policy, &errors, object) else { continue };
            if let Err(error) = self.apply(policy.id(), &status).await {
                tracing::warn!(policy = %policy.id(), %error, "status cannot be written; may tagseal's ServiceAccount patch it?");
            }
        }
    }

    /// The status to write, unless it stands there already.
    fn due(
        &self,
        policy: &CompiledPolicy,
        errors: &[PolicyError],
        object: &Value,
    ) -> Option<TrustPolicyStatus> {
        let wanted = Readiness::of(policy, errors);
        let generation = object.pointer("/metadata/generation").and_then(Value::as_i64);
        // What cannot be read is written anew.
        let current: TrustPolicyStatus = object
            .get("status")
            .and_then(|status| serde_json::from_value(status.clone()).ok())
            .unwrap_or_default();
        let before = current.conditions.iter().find(|condition| condition.type_ == TrustPolicyStatus::READY);
        if current.observed_generation == generation && before.is_some_and(|before| wanted.is(before)) {
            return None;
        }
        let since = before.filter(|before| before.status == wanted.status);
        let since =
            since.map_or_else(|| Time(self.clock.now()), |before| before.last_transition_time.clone());
        let ready = Condition {
            type_: TrustPolicyStatus::READY.to_owned(),
            status: wanted.status.to_owned(),
            reason: wanted.reason.to_owned(),
            message: wanted.message,
            last_transition_time: since,
            observed_generation: generation,
        };
        Some(TrustPolicyStatus {
            conditions: vec![ready],
            observed_generation: generation,
            repositories: None,
        })
    }

    async fn apply(&self, policy: &PolicyId, status: &TrustPolicyStatus) -> kube::Result<()> {
        let kind = if policy.namespace.is_some() { PolicyKind::Namespaced } else { PolicyKind::Cluster };
        let resource: ApiResource = resource(kind);
        let api: Api<DynamicObject> = match &policy.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let patch = json!({ "apiVersion": resource.api_version, "kind": resource.kind, "status": status });
        let params = PatchParams::apply(MANAGER).force();
        api.patch_status(&policy.name, &params, &Patch::Apply(patch)).await.map(drop)
    }
}

impl Readiness {
    fn of(policy: &CompiledPolicy, errors: &[PolicyError]) -> Self {
        if errors.is_empty() {
            let message = match policy.warnings() {
                [] => "the policy compiled".to_owned(),
                warnings => cut(&warnings.join("; ")),
            };
            return Self { status: "True", reason: "Compiled", message };
        }
        let message = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Self { status: "False", reason: Reason::InvalidPolicy.as_str(), message: cut(&message) }
    }

    fn is(&self, condition: &Condition) -> bool {
        condition.status == self.status
            && condition.reason == self.reason
            && condition.message == self.message
    }
}

fn cut(message: &str) -> String {
    match message.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message.to_owned(),
    }
}
