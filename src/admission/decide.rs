//! [`Admission`]: from the bytes of a review to the bytes of its answer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, timeout_at};

use super::changes::Changes;
use super::exempting::by_exemption;
use super::judge::{Circumstances, Denial, Resolve, View};
use super::line::DecisionLine;
use super::object::Node;
use super::observer::{Decided, Observer};
use super::patch::Patch;
use super::reading::{Reading, is_large};
use super::record::Record;
use super::response::{Answered, Response, Status};
use super::review::{About, Operation, Request, Unreadable};
use super::sites::{Site, WorkloadKind};
use super::subject::Subject;
use super::text;
use super::verdict::{Decision, Hook, Judged, Verdict};
use crate::clock::{SharedClock, SystemClock};
use crate::limits::{self, Bounds};
use crate::policy::{ImageSite, NamespaceLabels, PolicySnapshot, Reason};
use crate::pool::{Pool, PoolError};
use crate::trust::PodIdentity;

/// Why there is no answer to send.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The body cannot be answered: the caller is at fault.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It is large, and there was no thread to read it.
    #[error(transparent)]
    Busy(PoolError),
    /// The answer cannot be written.
    #[error("the answer cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

/// Answers AdmissionReviews. All that it needs for a warm admission is in memory, and it holds no lock while it waits.
pub struct Admission {
    resolver: Arc<dyn Resolve>,
    policies: watch::Receiver<PolicySnapshot>,
    namespaces: Option<Arc<dyn NamespaceLabels>>,
    observer: Option<Arc<dyn Observer>>,
    reading: Reading,
    bounds: Bounds,
    /// For the images of large objects.
    judging: Semaphore,
    clock: SharedClock,
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}

impl Admission {
    /// An admission by the policies that `policies` shows at the time of each request. Without `namespaces` (no cluster)
    /// nothing is known of any namespace but its name, and every selector counts as matching.
    pub fn new(
        resolver: Arc<dyn Resolve>,
        policies: watch::Receiver<PolicySnapshot>,
        namespaces: Option<Arc<dyn NamespaceLabels>>,
    ) -> Self {
        Self {
            resolver,
            policies,
            namespaces,
            observer: None,
            reading: Reading::new("reviews"),
            bounds: Bounds::default(),
            judging: Semaphore::new(limits::IMAGES_AT_ONCE),
            clock: Arc::new(SystemClock),
        }
    }

    /// The same, and large reviews are read by this pool, which others use too.
    #[must_use]
    pub fn with_pool(self, pool: Pool) -> Self {
        Self { reading: self.reading.with_pool(pool), ..self }
    }

    /// The same, and `observer` is told of every decision.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// The same within these bounds.
    #[must_use]
    pub fn within(self, bounds: Bounds) -> Self {
        let at_once = limits::IMAGES_AT_ONCE.max(2 * bounds.images_per_object);
        Self { bounds, judging: Semaphore::new(at_once), ..self }
    }

    /// What it was set up with.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The same by another clock than the machine's: exemptions end by it.
    #[must_use]
    pub fn with_clock(self, clock: SharedClock) -> Self {
        Self { clock, ..self }
    }

    /// Answers one review by `deadline` at the latest.
    ///
    /// # Errors
    /// [`AnswerError::Unreadable`] for what is no review at all. A review whose object cannot be read is refused.
    pub async fn answer(&self, hook: Hook, body: &Bytes, deadline: Instant) -> Result<Answered, AnswerError> {
        let request = match self.read(body, deadline).await.map_err(AnswerError::Busy)? {
            Ok(request) => request,
            Err(Unreadable::Object { about, message }) => {
                let About { uid, kind, namespace, name, subresource, dry_run } = *about;
                DecisionLine {
                    id: &uid,
                    hook: hook.as_str(),
                    decision: Decision::refusal(hook),
                    reason: Some(Reason::UnsupportedObject.as_str()),
                    operation: None,
                    kind: Some(&kind),
                    namespace: &namespace,
                    name: &name,
                    subresource: Some(&subresource),
                    dry_run,
                    images: None,
                    counts: None,
                    error: Some(&message),
                    message: "unreadable object",
                }
                .write();
                let message = format!("the {kind} cannot be read: {}", text::one_line(&message, 500));
                return Ok(self.refuse(hook, &uid, &kind, Reason::UnsupportedObject, &message)?);
            }
            Err(unreadable) => return Err(unreadable.into()),
        };
        Ok(self.respond(hook, &request, deadline).await?)
    }

    /// Reads a review; a large one away from the threads that answer.
    async fn read<'b>(
        &self,
        body: &'b Bytes,
        deadline: Instant,
    ) -> Result<Result<Request<'b>, Unreadable>, PoolError> {
        if !is_large(body) {
            return Ok(Request::read(body));
        }
        let read = |body: &Bytes| Request::read(body).map(Request::into_owned);
        self.reading.read(body, deadline, read).await
    }

    /// Whether the policies are loaded.
    pub fn is_synced(&self) -> bool {
        matches!(*self.policies.borrow(), PolicySnapshot::Synced(_))
    }

    async fn respond(
        &self,
        hook: Hook,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<Answered, serde_json::Error> {
        let uid = request.uid();
        if matches!(request.operation(), Operation::Delete | Operation::Connect) {
            let bytes = Response::allow(uid).into_bytes()?;
            return Ok(Answered { bytes, decision: Decision::Unchanged, reason: None });
        }
        let (kind, object) = match subject(request) {
            Ok(subject) => subject,
            Err(message) => return self.cannot_judge(hook, request, Reason::UnsupportedObject, &message),
        };
        let subject = Subject::of(request, kind, object);
        let pod = object.at(kind.path());
        let mut changes = pod.map(|pod| Changes::of(hook, request, &subject, pod)).unwrap_or_default();
        let judged = match pod {
            Some(pod) => self.judge(request, subject, pod, &mut changes, deadline).await,
            None => Ok(Vec::new()),
        };
        let judged = match judged {
            Ok(judged) => judged,
            Err((reason, message)) => return self.cannot_judge(hook, request, reason, &message),
        };
        let verdict = Verdict::new(hook, subject, judged);
        let answered = conclude(hook, request, &verdict)?;
        if let Some(observer) = &self.observer {
            observer.decided(Decided { hook, request, decision: answered.decision, verdict: &verdict });
        }
        Ok(answered)
    }

    /// Refuses an object that was read and cannot be judged.
    fn cannot_judge(
        &self,
        hook: Hook,
        request: &Request<'_>,
        reason: Reason,
        message: &str,
    ) -> Result<Answered, serde_json::Error> {
        let kind = request.kind_name();
        DecisionLine {
            id: request.uid(),
            hook: hook.as_str(),
            decision: Decision::refusal(hook),
            reason: Some(reason.as_str()),
            operation: None,
            kind: Some(&kind),
            namespace: request.namespace(),
            name: request.object_name(),
            subresource: Some(request.subresource()),
            dry_run: request.is_dry_run(),
            images: None,
            counts: None,
            error: None,
            message,
        }
        .write();
        self.refuse(hook, request.uid(), &kind, reason, message)
    }

    /// Refuses what cannot be judged, as far as `hook` refuses anything.
    fn refuse(
        &self,
        hook: Hook,
        uid: &str,
        kind: &str,
        reason: Reason,
        message: &str,
    ) -> Result<Answered, serde_json::Error> {
        if let Some(observer) = &self.observer {
            observer.unjudged(hook, reason);
        }
        let decision = Decision::refusal(hook);
        let mut response = match hook {
            Hook::Mutate => {
                let mut response = Response::allow(uid);
                response.warnings = vec![text::deferral(&format!("the {kind}"), reason)];
                response
            }
            Hook::Validate => Response::deny(uid, Status::denied(format!("{reason}: {message}"), Vec::new())),
        };
        response.audit_annotations = vec![
            ("id", uid.into()),
            ("decision", decision.as_str().into()),
            ("reason", reason.as_str().into()),
        ];
        Ok(Answered { bytes: response.into_bytes()?, decision, reason: Some(reason) })
    }

    /// Judges each image once (A18), all at the same time, by one state of the policies (P8).
    async fn judge<'n>(
        &self,
        request: &Request<'_>,
        subject: Subject,
        pod: &Node<'_>,
        changes: &'n mut Changes<'_>,
        deadline: Instant,
    ) -> Result<Vec<Judged<'n>>, (Reason, String)> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let snapshot = self.policies.borrow().clone();
        let view = View::of(snapshot, self.namespaces.as_deref(), request.namespace(), deadline).await;
        changes.settle_bare(&view, request);
        let now = self.clock.now();
        let images = by_image(changes.sites());
        let _turn = self.turn(request, images.len(), deadline).await?;
        let groups = by_exemption(&view, images, now);
        let identity = identity(request.namespace(), pod);
        let dry_run = request.is_dry_run();
        let judgements = groups.iter().map(|(image, sites)| {
            let site = sites.first().map_or(ImageSite::Containers, |site| site.list.image_site());
            let circumstances = Circumstances { pod: &identity, deadline, dry_run, site, now };
            view.judge_image(&*self.resolver, image, circumstances)
        });
        let verdicts = join_all(judgements).await;
        let judged = groups.into_iter().zip(verdicts).map(|((_, sites), verdict)| Judged { sites, verdict });
        Ok(changes.settle(&subject, judged.collect()))
    }

    /// Bounds the images of one object, and how many are judged at once. Objects with a few never wait.
    async fn turn(
        &self,
        request: &Request<'_>,
        images: usize,
        deadline: Instant,
    ) -> Result<Option<SemaphorePermit<'_>>, (Reason, String)> {
        if images <= limits::FEW_IMAGES {
            return Ok(None);
        }
        let kind = request.kind_name();
        let most = self.bounds.images_per_object;
        if images > most {
            let message = format!(
                "the {kind} has {images} different images, and tagseal judges {most} of one object at most"
            );
            return Err((Reason::UnsupportedObject, message));
        }
        let permits = u32::try_from(images).unwrap_or(u32::MAX);
        match timeout_at(deadline, self.judging.acquire_many(permits)).await {
            Ok(Ok(turn)) => Ok(Some(turn)),
            _ => {
                let message = format!(
                    "the {kind} has {images} different images, and too many of other objects were being judged \
                     until the admission's deadline; try again"
                );
                Err((Reason::DeadlineExceeded, message))
            }
        }
    }
}

/// What the request is about, or why that cannot be judged.
fn subject<'r, 'a>(request: &'r Request<'a>) -> Result<(&'static WorkloadKind, &'r Node<'a>), String> {
    let kind = request.workload_kind().ok_or_else(|| {
        format!(
            "{} is not a kind that tagseal can read; remove it from the webhook's rules",
            request.kind_name()
        )
    })?;
    if request.namespace().is_empty() {
        return Err(format!("the {} has no namespace", request.kind_name()));
    }
    let object = request.object().ok_or_else(|| format!("the request has no {}", request.kind_name()))?;
    Ok((kind, object))
}

/// So many images are compared one by one.
const FEW: usize = 16;

/// The sites of each image, in the order in which the images first appear.
fn by_image<'n>(sites: Vec<Site<'n>>) -> Vec<(&'n str, Vec<Site<'n>>)> {
    let mut groups: Vec<(&str, Vec<Site<'_>>)> = Vec::with_capacity(sites.len());
    let mut later: BTreeMap<&str, usize> = BTreeMap::new();
    for site in sites {
        // Most objects have a few images, and need no map of them.
        let early = groups.iter().take(FEW).position(|(image, _)| *image == site.image);
        let at = early.or_else(|| later.get(site.image).copied());
        match at.and_then(|at| groups.get_mut(at)) {
            Some((_, same)) => same.push(site),
            None => {
                if groups.len() >= FEW {
                    later.insert(site.image, groups.len());
                }
                groups.push((site.image, vec![site]));
            }
        }
    }
    groups
}

/// On whose behalf trust data is read.
fn identity(namespace: &str, pod: &Node<'_>) -> PodIdentity {
    let mut pull_secrets: Vec<_> = pod.pull_secrets().map(str::to_owned).collect();
    pull_secrets.sort_unstable();
    pull_secrets.dedup();
    let service_account = match pod.service_account() {
        "" => "default",
        name => name,
    };
    PodIdentity { namespace: namespace.to_owned(), service_account: service_account.to_owned(), pull_secrets }
}

/// From a verdict to the answer; the one place where a decision is logged.
fn conclude(hook: Hook, request: &Request<'_>, verdict: &Verdict<'_>) -> Result<Answered, serde_json::Error> {
    let seals = Patch::sealing(verdict.kind(), verdict.seals());
    let sealing = hook == Hook::Mutate && !seals.is_empty();
    let decision = verdict.decision(sealing);
    let record = Record::of(verdict, decision);
    let mut response = match decision {
        Decision::Denied => {
            let message = text::denials(&verdict.failures());
            record.log(hook, request, &message);
            Response::deny(request.uid(), Status::denied(message, verdict.causes()))
        }
        _ => {
            record.log(hook, request, "admission decided");
            Response::allow(request.uid())
        }
    };
    if sealing {
        response = response.with_patch(&seals)?;
    }
    response.warnings = verdict.warnings();
    response.audit_annotations = record.annotations(request.uid());
    Ok(Answered { bytes: response.into_bytes()?, decision, reason: verdict.headline().map(Denial::reason) })
}

#[cfg(test)]
mod tests {
    use super::super::sites::SiteList;
    use super::*;

    #[test]
    fn the_sites_of_an_image_come_together_however_many_images_there_are() {
        let images: Vec<String> = (0..3 * FEW).map(|n| format!("r.io/web:{n}")).collect();
        let site = |(index, image): (usize, &'static str)| Site {
            list: SiteList::Containers,
            index,
            name: "web",
            image,
        };
        let images: Vec<&'static str> = images.into_iter().map(|image| &*image.leak()).collect();
        let twice = images.iter().chain(images.iter().rev()).copied();
        let groups = by_image(twice.enumerate().map(site).collect());
        let found: Vec<_> = groups.iter().map(|(image, _)| *image).collect();
        assert_eq!(found, images);
        for (at, (image, sites)) in groups.iter().enumerate() {
            let indexes: Vec<_> = sites.iter().map(|site| site.index).collect();
            assert_eq!(indexes, [at, 6 * FEW - 1 - at], "{image}");
        }
    }
}
