//! [`PolicyReview`]: the endpoint that judges the policies themselves, so that a bad one is refused at `kubectl apply`.
//!
//! It runs the same compile as the watch does. It fails open (`failurePolicy: Ignore`): what slips through is
//! InvalidPolicy in its status and denies what it could match. So it may be strict about the policy itself, and refuses
//! nothing for what may still come: an object that is not there yet is a warning. A deletion it never refuses.

mod answer;
mod coverage;
mod objects;
mod request;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use self::answer::Opinion;
use self::coverage::Uncovered;
use self::objects::{Promised, Shown};
use self::request::{Change, Object, Request};
use super::decide::AnswerError;
use super::response::Answered;
use crate::policy::{
    CompileContext, CompiledPolicy, LiveObjects, NamespaceLabels, PolicyError, PolicySet, PolicySnapshot,
    ReferencedObjects, Running, RunningImages, UnknownFields, compile,
};

/// How long a policy is not refused for what another one that was applied just before it would mend: until the watch has
/// brought that one here.
const CATCH_UP: Duration = Duration::from_secs(1);
/// How long reading what a policy refers to may take, for a warning's sake.
const READ: Duration = Duration::from_secs(2);
/// The same for what runs.
const LIST: Duration = Duration::from_secs(2);
/// So many policies that a change would break are named.
const NAMED: usize = 3;

/// What the cluster is asked for warnings.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// What policies refer to.
    pub objects: Arc<dyn LiveObjects>,
    /// What runs.
    pub running: Arc<dyn RunningImages>,
    /// Which namespaces a selector means.
    pub namespaces: Arc<dyn NamespaceLabels>,
}

/// Answers AdmissionReviews of policies.
pub struct PolicyReview {
    policies: watch::Receiver<PolicySnapshot>,
    system_namespace: String,
    surroundings: Option<Surroundings>,
}

impl fmt::Debug for PolicyReview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyReview").finish_non_exhaustive()
    }
}

impl PolicyReview {
    /// Judges a policy among those that `policies` shows. `system_namespace` is tagseal's own. Without `surroundings` (no
    /// cluster) nothing is said of what a policy refers to, and of what runs.
    pub fn new(
        policies: watch::Receiver<PolicySnapshot>,
        system_namespace: String,
        surroundings: Option<Surroundings>,
    ) -> Self {
        Self { policies, system_namespace, surroundings }
    }

    /// Answers one review by `deadline` at the latest.
    ///
    /// # Errors
    /// [`AnswerError::Unreadable`] for what is no review at all.
    pub async fn answer(&self, body: &[u8], deadline: Instant) -> Result<Answered, AnswerError> {
        let request = Request::read(body)?;
        let opinion = match request.change() {
            Change::Nothing => Opinion::unasked(),
            Change::Unreadable(error) => Opinion::unreadable(&error),
            Change::Stranger(kind) => Opinion::stranger(&kind),
            Change::Written { new, old } => self.written(&new, old.as_ref(), deadline).await,
            Change::Removed(old) => self.removed(old.as_ref(), deadline).await,
        };
        Ok(opinion.answer(&request)?)
    }

    async fn written(&self, new: &Object, old: Option<&Object>, deadline: Instant) -> Opinion {
        let policy = Arc::new(self.compile(new, &Promised));
        let mut warnings = policy.warnings().to_vec();
        let errors = self.errors(&policy, deadline).await;
        if !errors.is_empty() {
            return Opinion::refused(errors, warnings);
        }
        let old = old.map(|old| Arc::new(self.compile(old, &Promised)));
        // A policy that could not be used verified nothing: to mend it uncovers nothing.
        let narrowed = old.filter(|old| old.errors().is_empty() && !policy.has_scope_of(old));
        let (unmet, uncovered) = tokio::join!(
            self.unmet(new, &policy, deadline),
            self.uncovered(narrowed.as_ref(), |set| set.with(Arc::clone(&policy)), deadline)
        );
        warnings.extend(unmet);
        warnings.extend(self.broken(|set| set.with(Arc::clone(&policy))));
        warnings.extend(uncovered);
        Opinion::passed(warnings)
    }

    async fn removed(&self, old: Option<&Object>, deadline: Instant) -> Opinion {
        let Some(old) = old.map(|old| Arc::new(self.compile(old, &Promised))) else {
            return Opinion::passed(Vec::new());
        };
        let uncovered = self.uncovered(Some(&old), |set| set.without(old.id()), deadline).await;
        let mut warnings = self.broken(|set| set.without(old.id()));
        warnings.extend(uncovered);
        Opinion::passed(warnings)
    }

    fn compile(&self, object: &Object, objects: &dyn ReferencedObjects) -> CompiledPolicy {
        let context = CompileContext {
            system_namespace: &self.system_namespace,
            objects,
            // The API server has pruned what its definition does not know: a field that is left is a newer one's.
            unknown_fields: UnknownFields::Warn,
        };
        compile(object.kind, &object.raw, &context)
    }

    /// What is wrong with the policy, by itself and among the others. What only the others could mend is waited for: they
    /// may have been applied a moment ago, and be on their way here.
    async fn errors(&self, policy: &Arc<CompiledPolicy>, deadline: Instant) -> Vec<PolicyError> {
        let mut policies = self.policies.clone();
        let found = errors_in(&policies.borrow_and_update(), policy);
        if found.is_empty() || !policy.errors().is_empty() {
            return found;
        }
        let mended = policies.wait_for(|snapshot| errors_in(snapshot, policy).is_empty());
        match within(CATCH_UP, deadline, mended).await {
            Some(Ok(_)) => Vec::new(),
            _ => found,
        }
    }

    /// What is wrong with the objects that the policy refers to: it denies until that is mended, which may be in the same
    /// breath.
    async fn unmet(&self, new: &Object, policy: &CompiledPolicy, deadline: Instant) -> Vec<String> {
        let Some(surroundings) = &self.surroundings else { return Vec::new() };
        let reads = policy.references().iter().map(|object| async move {
            let read = within(READ, deadline, surroundings.objects.read(object)).await;
            Some((object.clone(), read?))
        });
        let shown = Shown(join_all(reads).await.into_iter().flatten().collect());
        let until = match policy.actions().deny {
            true => "until that is mended, the policy denies what it matches (InvalidPolicy)",
            false => "until that is mended, the policy finds InvalidPolicy in what it matches",
        };
        let compiled = self.compile(new, &shown);
        compiled.errors().iter().map(|error| format!("{error}; {until}")).collect()
    }

    /// Other policies that would work no more after the change: those that name a server which none else names.
    fn broken(&self, change: impl Fn(&PolicySet) -> PolicySet) -> Vec<String> {
        let PolicySnapshot::Synced(before) = self.policies.borrow().clone() else { return Vec::new() };
        let after = change(&before);
        let works =
            |(policy, errors): (&Arc<CompiledPolicy>, Vec<_>)| errors.is_empty().then(|| policy.id().clone());
        let worked: BTreeSet<_> = before.policies().filter_map(works).collect();
        let broken =
            after.policies().filter(|(policy, errors)| worked.contains(policy.id()) && !errors.is_empty());
        let mut told: Vec<_> = broken
            .map(|(policy, errors)| {
                let errors = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                format!("{} becomes InvalidPolicy: {errors}", policy.id())
            })
            .collect();
        if told.len() > NAMED {
            let more = told.len() - NAMED;
            told.truncate(NAMED);
            told.push(format!("{more} more policies become InvalidPolicy"));
        }
        told
    }

    /// What runs that `old` covered and nothing covers after the change.
    async fn uncovered(
        &self,
        old: Option<&Arc<CompiledPolicy>>,
        change: impl Fn(&PolicySet) -> PolicySet,
        deadline: Instant,
    ) -> Vec<String> {
        let old = old.filter(|old| old.actions().deny);
        let (Some(old), Some(surroundings)) = (old, &self.surroundings) else { return Vec::new() };
        let mut running = Running::default();
        let namespace = old.id().namespace.as_deref();
        let listed = within(LIST, deadline, surroundings.running.list(namespace, &mut running)).await;
        let trouble = match listed {
            Some(Ok(())) => None,
            Some(Err(error)) => Some(error.message),
            None => Some(format!("that took longer than {} s", LIST.as_secs())),
        };
        if let Some(error) = &trouble {
            tracing::warn!(policy = %old.id(), error, "not all running images could be listed, to warn of those that a change leaves uncovered");
        }
        // Read now and not before: what was applied just before has had this time to arrive.
        let PolicySnapshot::Synced(set) = self.policies.borrow().clone() else { return Vec::new() };
        let (old, after) = (Arc::clone(old), change(&set));
        let (labels, system_namespace) =
            (Arc::clone(&surroundings.namespaces), self.system_namespace.clone());
        let is_all = trouble.is_none() && !running.is_cut();
        // On a thread of its own: thousands of images take milliseconds, which admissions are not to wait for.
        let compared = tokio::task::spawn_blocking(move || {
            let uncovered = Uncovered::of(&running, &old, &after, &*labels, &system_namespace);
            if uncovered.count() > 0 {
                let images = uncovered.count();
                tracing::info!(policy = %old.id(), images, "a change leaves running images uncovered");
            }
            uncovered.warnings(is_all)
        });
        match compared.await {
            Ok(warnings) => warnings,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime shuts down.
                Err(_) => Vec::new(),
            },
        }
    }
}

/// What is wrong with the policy among those of a snapshot; before there is one, by itself.
fn errors_in(snapshot: &PolicySnapshot, policy: &Arc<CompiledPolicy>) -> Vec<PolicyError> {
    match snapshot {
        PolicySnapshot::Synced(set) => set.with(Arc::clone(policy)).errors_of(policy.id()),
        PolicySnapshot::NotSynced => policy.errors().to_vec(),
    }
}

/// What `future` comes to, in this time and before the deadline.
async fn within<T>(time: Duration, deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    timeout_at(deadline, timeout(time, future)).await.ok()?.ok()
}
