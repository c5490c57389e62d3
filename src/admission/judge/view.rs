//! [`View`]: one state of the policies, seen from one namespace. A request is judged by one view (P8).

use tokio::time::{Instant, timeout_at};

use super::standin::{Labels, NamespaceLabels, PolicySet, PolicySnapshot, Selected};
use super::verdict::{Denial, Finding, ImageVerdict, Outcome};
use super::{Circumstances, Resolve, judge};
use crate::image::ImageReference;
use crate::policy::{Action, Reason};

/// The policies as one namespace sees them, or why nothing can be said.
pub struct View {
    namespace: String,
    state: Result<(std::sync::Arc<dyn PolicySet>, Labels), Denial>,
}

impl View {
    /// Takes the policies as they are now. A namespace that is not in memory is read, by `deadline` at the latest: it
    /// is never taken for one without labels (A19).
    pub async fn of(
        policies: PolicySnapshot,
        namespaces: &dyn NamespaceLabels,
        namespace: &str,
        deadline: Instant,
    ) -> Self {
        let state = match policies {
            None => Err(Denial::unavailable(
                None,
                Reason::NotSynced,
                "the policies are not loaded yet; try again in a moment",
            )),
            Some(policies) => match timeout_at(deadline, namespaces.labels(namespace)).await {
                Ok(Ok(labels)) => Ok((policies, labels)),
                Ok(Err(error)) => Err(Denial::unavailable(
                    None,
                    Reason::NotSynced,
                    format!("the labels of namespace {namespace} cannot be read, so its policies are unknown: {error}"),
                )),
                Err(_) => Err(Denial::unavailable(
                    None,
                    Reason::DeadlineExceeded,
                    format!("the labels of namespace {namespace} were not read before the admission's deadline"),
                )),
            },
        };
        Self { namespace: namespace.to_owned(), state }
    }

    /// What the policies say of `image`, a string as a pod spec has it.
    pub async fn judge_image(
        &self,
        resolver: &dyn Resolve,
        image: &str,
        circumstances: Circumstances<'_>,
    ) -> ImageVerdict {
        let (policies, labels) = match &self.state {
            Ok(state) => state,
            Err(denial) => return without_resolution(image, vec![Finding { action: Action::Deny, denial: denial.clone() }]),
        };
        let reference = ImageReference::parse(image);
        let Selected { demands, standing } = policies.select(&self.namespace, labels, reference.as_ref());
        match reference {
            Ok(reference) => judge(resolver, demands, standing, &reference, circumstances).await,
            Err(_) => without_resolution(image, standing),
        }
    }
}

fn without_resolution(image: &str, standing: Vec<Finding>) -> ImageVerdict {
    let policies = standing.iter().filter_map(|finding| finding.denial.policy.clone()).collect();
    let (denials, findings): (Vec<_>, Vec<_>) =
        standing.into_iter().partition(|finding| finding.action == Action::Deny);
    let outcome = if denials.is_empty() {
        Outcome::Unmatched
    } else {
        Outcome::Denied(denials.into_iter().map(|finding| finding.denial).collect())
    };
    ImageVerdict { image: image.to_owned(), outcome, policies, findings, warnings: Vec::new() }
}
