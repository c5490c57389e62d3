//! [`View`]: one state of the policies, seen from one namespace. A request is judged by one view (P8).

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::verdict::{Denial, ImageVerdict, Outcome};
use super::{Case, Circumstances, Resolve, judge};
use crate::policy::{
    Exemptions, ImageSite, Labels, Mutation, NamespaceLabels, NamespaceView, PolicySet, PolicySnapshot,
    Reason,
};

/// The policies as one namespace sees them, or why nothing can be said of any image in it.
#[derive(Debug)]
pub struct View {
    state: Result<(Arc<PolicySet>, NamespaceView), Denial>,
}

impl View {
    /// A view whose parts are known.
    pub fn new(policies: Arc<PolicySet>, namespace: NamespaceView) -> Self {
        Self { state: Ok((policies, namespace)) }
    }

    /// Takes the policies as they are now. A namespace that is not in memory is read, by `deadline` at the latest: it
    /// is never taken for one without labels (A19). What cannot be read denies. `namespaces` is `None` where there is no
    /// cluster to ask.
    pub async fn of(
        policies: PolicySnapshot,
        namespaces: Option<&dyn NamespaceLabels>,
        namespace: &str,
        deadline: Instant,
    ) -> Self {
        let PolicySnapshot::Synced(policies) = policies else {
            let message = "the policies are not loaded yet; try again in a moment";
            return Self { state: Err(Denial::unavailable(None, Reason::NotSynced, message)) };
        };
        let Some(namespaces) = namespaces else {
            return Self::new(policies, NamespaceView::unlabelled(namespace));
        };
        let labels = labels(namespaces, namespace, deadline).await;
        Self { state: labels.map(|labels| (policies, NamespaceView::new(namespace, labels))) }
    }

    /// Where the policies have the digest of `image` written; `None` where none matches it, or it cannot be read.
    pub fn mutation(&self, image: &str) -> Option<Mutation> {
        let (policies, namespace) = self.state.as_ref().ok()?;
        policies.matched(namespace, image).ok()?.chosen.selection.mutation()
    }

    /// What the policies say of `image`, a string as a pod spec has it.
    pub async fn judge_image(
        &self,
        resolver: &dyn Resolve,
        image: &str,
        circumstances: Circumstances<'_>,
    ) -> ImageVerdict {
        let (policies, namespace) = match &self.state {
            Ok(state) => state,
            Err(denial) => return ImageVerdict::of(image, Outcome::Denied(vec![denial.clone()])),
        };
        let matched = match policies.matched(namespace, image) {
            Ok(matched) => matched,
            Err(error) => return unreadable(policies, namespace, image, &error.to_string()),
        };
        let case = Case::new(policies, matched, circumstances);
        let verdict = judge(resolver, &case, circumstances).await;
        case.conclude(policies, verdict)
    }

    /// The exemptions in force for `image` at `site`; none where it cannot be read.
    pub fn exemptions(&self, image: &str, site: ImageSite, now: Timestamp) -> Exemptions {
        let Ok((policies, namespace)) = &self.state else { return Vec::new() };
        let matched = policies.matched(namespace, image).ok();
        matched.map(|matched| matched.in_force(site, now)).unwrap_or_default()
    }

    /// Whether there are exemptions that hold at some sites of a pod and not at others.
    pub fn tells_sites_apart(&self) -> bool {
        self.state.as_ref().is_ok_and(|(policies, _)| policies.tells_sites_apart())
    }
}

/// From memory; where they are not there, live. What the caller is told when that fails is NotSynced: which policies
/// hold is not known yet.
async fn labels(
    namespaces: &dyn NamespaceLabels,
    namespace: &str,
    deadline: Instant,
) -> Result<Arc<Labels>, Denial> {
    if let Some(labels) = namespaces.cached(namespace) {
        return Ok(labels);
    }
    match timeout_at(deadline, namespaces.read(namespace)).await {
        Ok(Ok(labels)) => Ok(labels),
        Ok(Err(error)) => Err(Denial::unavailable(
            None,
            Reason::NotSynced,
            format!("which policies hold is not known: {error}; try again"),
        )),
        Err(_) => Err(Denial::unavailable(
            None,
            Reason::DeadlineExceeded,
            format!(
                "the labels of namespace {namespace} could not be read before the admission's deadline; try again"
            ),
        )),
    }
}

/// An image that cannot be read could be anything: refused where any Deny policy covers the namespace, else it follows
/// `--unmatched-images` (design §11).
fn unreadable(policies: &PolicySet, namespace: &NamespaceView, image: &str, error: &str) -> ImageVerdict {
    let denial = Denial::untrusted(None, Reason::InvalidReference, error);
    if policies.denies_in(namespace) {
        return ImageVerdict::of(image, Outcome::Denied(vec![denial]));
    }
    let mut verdict = ImageVerdict::of(image, Outcome::Unmatched);
    verdict.follow(policies.unmatched(), |_| denial);
    verdict
}
