//! [`StatusWriter`]: says in each policy's status whether it compiled.
//!
//! Every replica compiles the same objects to the same status, and writes it only where it is not there yet; so the
//! last writer changes nothing. Only `Ready` is tagseal's here: conditions of other managers are left alone, because what
//! a server-side apply does not name it does not own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

use super::policies::{Published, resource};
use super::trouble::chain;
use super::watched::Watched;
use crate::api::TrustPolicyStatus;
use crate::clock::SharedClock;
use crate::policy::{CompiledPolicy, PolicyError, PolicyId, Reason};

/// The field manager of what tagseal writes.
const MANAGER: &str = "tagseal";
/// The longest message of a condition, in characters (the API server's own limit is 32,768).
const MAX_MESSAGE: usize = 4096;
/// The pause before statuses that could not be written are tried again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest that one write takes (design §11, deadlines: a request).
const WRITE: Duration = Duration::from_secs(5);

/// Writes `Ready` into the status of policies.
#[derive(Clone)]
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

/// A status that is to be written.
#[derive(Debug, Clone)]
struct Due {
    object: Arc<Watched>,
    readiness: Readiness,
}

/// What was written last, and into which version of the object: until the watch shows a newer one, it is not written again.
type Written = BTreeMap<PolicyId, (Option<String>, Readiness)>;

/// Why a status was not written.
enum Refused {
    /// The object is gone: there is nothing to say any more.
    Gone,
    /// This one was refused; another one may pass.
    Answer(String),
    /// The API server does not answer.
    NoAnswer(String),
}

impl StatusWriter {
    pub(super) fn new(client: Client, clock: SharedClock) -> Self {
        Self { client, clock }
    }

    /// Writes the statuses of what is published, the newest alone, until nothing more is. What could not be written is
    /// tried again.
    pub(super) async fn run(self, mut published: watch::Receiver<Option<Published>>) {
        let mut written = Written::new();
        while published.changed().await.is_ok() {
            let newest = published.borrow_and_update().clone();
            let mut due = newest.map(|newest| due(&newest, &mut written)).unwrap_or_default();
            let mut pause = FIRST_PAUSE;
            loop {
                due = self.write(due, &mut written).await;
                if due.is_empty() || timeout(pause, changed(&mut published)).await.is_ok() {
                    break;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Writes these, and returns those that are to be tried again.
    async fn write(&self, due: Vec<Due>, written: &mut Written) -> Vec<Due> {
        let mut failed = Vec::new();
        let mut first = None;
        let mut is_there = true;
        for one in due {
            if !is_there {
                failed.push(one);
                continue;
            }
            match self.apply(&one).await {
                Ok(()) => {
                    let version = one.object.resource_version.clone();
                    written.insert(one.object.id.clone(), (version, one.readiness));
                }
                Err(Refused::Gone) => {}
                Err(Refused::Answer(error)) => {
                    first.get_or_insert((one.object.id.clone(), error));
                    failed.push(one);
                }
                Err(Refused::NoAnswer(error)) => {
                    first.get_or_insert((one.object.id.clone(), error));
                    failed.push(one);
                    is_there = false;
                }
            }
        }
        if let Some((policy, error)) = first {
            tracing::warn!(%policy, error, unwritten = failed.len(), "statuses cannot be written; decisions do not depend on them");
        }
        failed
    }

    async fn apply(&self, due: &Due) -> Result<(), Refused> {
        let Watched { id, kind, generation, status, .. } = &*due.object;
        let before = status.conditions.iter().find(|condition| condition.type_ == TrustPolicyStatus::READY);
        let since = before.filter(|before| before.status == due.readiness.status);
        let ready = Condition {
            type_: TrustPolicyStatus::READY.to_owned(),
            status: due.readiness.status.to_owned(),
            reason: due.readiness.reason.to_owned(),
            message: due.readiness.message.clone(),
            last_transition_time: since
                .map_or_else(|| Time(self.clock.now()), |before| before.last_transition_time.clone()),
            observed_generation: *generation,
        };
        let status = TrustPolicyStatus {
            conditions: vec![ready],
            observed_generation: *generation,
            repositories: None,
        };
        let resource: ApiResource = resource(*kind);
        let api: Api<DynamicObject> = match &id.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let patch = json!({"apiVersion": resource.api_version, "kind": resource.kind, "status": status});
        let (params, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(patch));
        match timeout(WRITE, api.patch_status(&id.name, &params, &patch)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(kube::Error::Api(status))) => Err(match status.code {
                404 => Refused::Gone,
                403 => {
                    let resource = format!("{}/status.{}", resource.plural, resource.group);
                    Refused::Answer(format!(
                        "{}; let tagseal's ServiceAccount patch {resource}",
                        status.message
                    ))
                }
                code => Refused::Answer(format!("{} ({code})", status.message)),
            }),
            Ok(Err(error)) => Err(Refused::NoAnswer(chain(&error))),
            Err(_) => {
                Err(Refused::NoAnswer(format!("the API server did not answer within {} s", WRITE.as_secs())))
            }
        }
    }
}

async fn changed(published: &mut watch::Receiver<Option<Published>>) {
    // Leaves the change to be seen by the next `changed`.
    let before = published.has_changed();
    if matches!(before, Ok(false)) && published.changed().await.is_ok() {
        published.mark_changed();
    }
}

/// What does not stand there yet.
fn due(published: &Published, written: &mut Written) -> Vec<Due> {
    let objects: BTreeMap<_, _> = published.objects.iter().map(|object| (&object.id, object)).collect();
    written.retain(|id, _| objects.contains_key(id));
    let mut due = Vec::new();
    for (policy, errors) in published.set.policies() {
        let Some(object) = objects.get(&**policy.id()) else { continue };
        let readiness = Readiness::of(policy, &errors);
        let was_written = written
            .get(&object.id)
            .is_some_and(|(version, written)| *version == object.resource_version && *written == readiness);
        if !was_written && !readiness.stands_in(object) {
            due.push(Due { object: Arc::clone(object), readiness });
        }
    }
    due
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

    fn stands_in(&self, object: &Watched) -> bool {
        let is_ready = |condition: &&Condition| condition.type_ == TrustPolicyStatus::READY;
        object.status.observed_generation == object.generation
            && object.status.conditions.iter().find(is_ready).is_some_and(|condition| {
                condition.observed_generation == object.generation
                    && condition.status == self.status
                    && condition.reason == self.reason
                    && condition.message == self.message
            })
    }
}

fn cut(message: &str) -> String {
    match message.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message.to_owned(),
    }
}
