//! [`PolicyReview`]: the endpoint that judges the policies themselves, so that a bad one is refused at `kubectl apply`.
//!
//! It runs the same compile as the watch does. It fails open (`failurePolicy: Ignore`): what slips through is
//! InvalidPolicy in its status and denies what it could match. So it may be strict about the policy itself, and refuses
//! nothing for what may still come: an object that is not there yet is a warning. A deletion it never refuses.

mod among;
mod answer;
mod apart;
mod coverage;
mod exemption;
mod objects;
mod request;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout, timeout_at};

use self::answer::Opinion;
use self::apart::{Apart, Unfinished, caught};
use self::coverage::Uncovered;
use self::objects::{Promised, Shown};
use self::request::{Change, Object, Request};
use super::decide::AnswerError;
use super::reading::{LATE, Reading, is_large};
use super::response::Answered;
use crate::clock::{SharedClock, SystemClock};
use crate::policy::{
    CompileContext, CompiledPolicy, LiveObjects, NamespaceLabels, PolicyError, PolicySet, PolicySnapshot,
    PullRights, ReferencedObjects, Running, RunningImages, Selector, UnknownFields, compile,
};
use crate::pool::Pool;

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
    /// Those that the webhooks ask about: their `namespaceSelector`.
    pub covered: Arc<Selector>,
}

/// Answers AdmissionReviews of policies.
pub struct PolicyReview {
    policies: watch::Receiver<PolicySnapshot>,
    system_namespace: Arc<str>,
    surroundings: Option<Surroundings>,
    apart: Apart,
    reading: Reading,
    /// Of large reviews, one at a time.
    large: Semaphore,
    clock: SharedClock,
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
        Self {
            policies,
            system_namespace: system_namespace.into(),
            surroundings,
            apart: Apart::default(),
            reading: Reading::new("policies"),
            large: Semaphore::new(1),
            clock: Arc::new(SystemClock),
        }
    }

    /// The same by another clock than the machine's: exemptions end by it.
    #[must_use]
    pub fn with_clock(self, clock: SharedClock) -> Self {
        Self { clock, ..self }
    }

    /// The same, and large reviews are read by this pool, which others use too.
    #[must_use]
    pub fn with_pool(self, pool: Pool) -> Self {
        Self { reading: self.reading.with_pool(pool), ..self }
    }

    /// Answers one review by `deadline` at the latest.
    ///
    /// # Errors
    /// [`AnswerError::Unreadable`] for what is no review at all; [`AnswerError::Busy`] for a large one that had no turn.
    pub async fn answer(&self, body: &Bytes, deadline: Instant) -> Result<Answered, AnswerError> {
        if !is_large(body) {
            return self.decide(Request::read_with_change(body)?, deadline).await;
        }
        // A large policy takes many times its size in memory until the answer is there, so they take turns.
        let turn = timeout_at(deadline, self.large.acquire()).await;
        let _turn = turn.map_err(|_| AnswerError::Busy(LATE))?;
        let read = |body: &Bytes| Request::read_with_change(body);
        let read = self.reading.read(body, deadline, read).await.map_err(AnswerError::Busy)?;
        self.decide(read?, deadline).await
    }

    async fn decide(
        &self,
        (request, change): (Request<'_>, Change),
        deadline: Instant,
    ) -> Result<Answered, AnswerError> {
        let opinion = match change {
            Change::Nothing => Opinion::unasked(),
            Change::Unreadable(error) => Opinion::unreadable(&error),
            Change::Stranger(kind) => Opinion::stranger(&kind),
            Change::Written { new, old } => self.written(new, old, deadline).await,
            Change::Exemption(new) => self.exemption(new, deadline).await,
            Change::Removed(old) => self.removed(old, deadline).await,
        };
        Ok(opinion.answer(&request)?)
    }

    async fn written(&self, new: Object, old: Option<Object>, deadline: Instant) -> Opinion {
        let new = Arc::new(new);
        let (policy, errors) = match self.judged(&new, deadline).await {
            Ok(judged) => judged,
            Err(Unfinished::Late) => return Opinion::late(),
            Err(Unfinished::Panicked(panic)) => {
                tracing::error!(panic, "judging a policy panicked");
                return Opinion::failed();
            }
        };
        let mut warnings = policy.warnings().to_vec();
        if !errors.is_empty() {
            return Opinion::refused(errors, warnings);
        }
        let change = {
            let policy = Arc::clone(&policy);
            move |set: &PolicySet| set.with(Arc::clone(&policy))
        };
        let uncovered = async {
            let Some(old) = old else { return Ok(Vec::new()) };
            let old = self.compiled(Arc::new(old), Promised, deadline).await?;
            // A policy that could not be used verified nothing: to mend it uncovers nothing.
            if !old.errors().is_empty() || policy.has_scope_of(&old) {
                return Ok(Vec::new());
            }
            self.uncovered(old, change.clone(), deadline).await
        };
        let (unmet, unreadable, broken, uncovered) = tokio::join!(
            told(self.unmet(&new, &policy, deadline)),
            told(self.unreadable(&policy, deadline)),
            told(self.broken(change.clone(), deadline)),
            told(uncovered),
        );
        warnings.extend([unmet, unreadable, broken, uncovered].into_iter().flatten());
        Opinion::passed(warnings)
    }

    async fn removed(&self, old: Option<Object>, deadline: Instant) -> Opinion {
        let warnings = async {
            let Some(old) = old else { return Ok(Vec::new()) };
            let old = self.compiled(Arc::new(old), Promised, deadline).await?;
            let id = Arc::clone(old.id());
            let change = move |set: &PolicySet| set.without(&id);
            let (broken, uncovered) = tokio::join!(
                told(self.broken(change.clone(), deadline)),
                told(self.uncovered(old, change, deadline)),
            );
            Ok([broken, uncovered].concat())
        };
        Opinion::passed(told(warnings).await)
    }

    /// The policy, and what is wrong with it by itself and among the others. What only the others could mend is waited for.
    async fn judged(
        &self,
        new: &Arc<Object>,
        deadline: Instant,
    ) -> Result<(Arc<CompiledPolicy>, Vec<PolicyError>), Unfinished> {
        let policy = self.compiled(Arc::clone(new), Promised, deadline).await?;
        let judge = {
            let policy = Arc::clone(&policy);
            move |snapshot: &PolicySnapshot| errors_in(snapshot, &policy)
        };
        let patience = if policy.errors().is_empty() { CATCH_UP } else { Duration::ZERO };
        let errors = among::errors(&self.apart, self.policies.clone(), judge, patience, deadline).await;
        let errors = match errors {
            // The others could not mend what is wrong with it by itself.
            Err(Unfinished::Late) if !policy.errors().is_empty() => policy.errors().to_vec(),
            errors => errors?,
        };
        Ok((policy, errors))
    }

    /// Compiles a policy: thousands of patterns and keys are not an admission's to wait for.
    async fn compiled(
        &self,
        object: Arc<Object>,
        objects: impl ReferencedObjects + Send + 'static,
        deadline: Instant,
    ) -> Result<Arc<CompiledPolicy>, Unfinished> {
        let system_namespace = Arc::clone(&self.system_namespace);
        let work = move || {
            let context = CompileContext {
                system_namespace: &system_namespace,
                objects: &objects,
                // The API server has pruned what its definition does not know: a field that is left is a newer one's.
                unknown_fields: UnknownFields::Warn,
            };
            Arc::new(compile(object.kind, &object.raw, &context))
        };
        self.apart.work(deadline, work).await
    }

    /// What is wrong with the objects that the policy refers to: it denies until that is mended, which may be in the same
    /// breath.
    async fn unmet(
        &self,
        new: &Arc<Object>,
        policy: &CompiledPolicy,
        deadline: Instant,
    ) -> Result<Vec<String>, Unfinished> {
        let Some(surroundings) = &self.surroundings else { return Ok(Vec::new()) };
        if policy.references().is_empty() {
            return Ok(Vec::new());
        }
        let reads = policy.references().iter().map(|object| async move {
            let read = within(READ, deadline, surroundings.objects.read(object)).await;
            Some((object.clone(), read?))
        });
        let shown = Shown(join_all(reads).await.into_iter().flatten().collect());
        let until = match policy.actions().deny {
            true => "until that is mended, the policy denies what it matches (InvalidPolicy)",
            false => "until that is mended, the policy finds InvalidPolicy in what it matches",
        };
        let compiled = self.compiled(Arc::clone(new), shown, deadline).await?;
        Ok(compiled.errors().iter().map(|error| format!("{error}; {until}")).collect())
    }

    /// That tagseal may not read the pull secrets that the policy counts on.
    async fn unreadable(
        &self,
        policy: &CompiledPolicy,
        deadline: Instant,
    ) -> Result<Vec<String>, Unfinished> {
        let Some(Surroundings { objects, namespaces, covered, .. }) = &self.surroundings else {
            return Ok(Vec::new());
        };
        let rights = PullRights { objects: &**objects, namespaces: &**namespaces, covered };
        let remark = within(READ, deadline, rights.remark(policy)).await;
        // What the cluster does not say in time is no warning.
        Ok(remark.and_then(Result::ok).flatten().into_iter().collect())
    }

    /// Other policies that would work no more after the change: those that name a server which none else names.
    async fn broken(
        &self,
        change: impl Fn(&PolicySet) -> PolicySet + Send + 'static,
        deadline: Instant,
    ) -> Result<Vec<String>, Unfinished> {
        let PolicySnapshot::Synced(before) = self.policies.borrow().clone() else { return Ok(Vec::new()) };
        self.apart.work(deadline, move || broken_by(&before, &change(&before))).await
    }

    /// What runs that `old` covered and nothing covers after the change.
    async fn uncovered(
        &self,
        old: Arc<CompiledPolicy>,
        change: impl Fn(&PolicySet) -> PolicySet + Send + 'static,
        deadline: Instant,
    ) -> Result<Vec<String>, Unfinished> {
        let surroundings = self.surroundings.as_ref().filter(|_| old.actions().deny);
        let Some(surroundings) = surroundings else { return Ok(Vec::new()) };
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
        let PolicySnapshot::Synced(set) = self.policies.borrow().clone() else { return Ok(Vec::new()) };
        let (labels, covered) = (Arc::clone(&surroundings.namespaces), Arc::clone(&surroundings.covered));
        let is_all = trouble.is_none() && !running.is_cut();
        let compare = move || {
            let uncovered = Uncovered::of(&running, &old, &change(&set), &*labels, &covered);
            if uncovered.count() > 0 {
                let images = uncovered.count();
                tracing::info!(policy = %old.id(), images, "a change leaves running images uncovered");
            }
            uncovered.warnings(is_all)
        };
        self.apart.work(deadline, compare).await
    }
}

/// What is to be said beside the decision, which does not depend on it: it stays unsaid where there is no time, and where
/// saying it fails.
async fn told(words: impl Future<Output = Result<Vec<String>, Unfinished>>) -> Vec<String> {
    match caught(words).await.unwrap_or_else(Err) {
        Ok(words) => words,
        Err(Unfinished::Late) => Vec::new(),
        Err(Unfinished::Panicked(panic)) => {
            tracing::error!(panic, "looking at what a policy's change means panicked");
            vec!["what this change means was not found out: that failed, which is a defect, and tagseal's log says more".to_owned()]
        }
    }
}

/// What becomes of policies that worked in `before` and work no more in `after`.
fn broken_by(before: &PolicySet, after: &PolicySet) -> Vec<String> {
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
