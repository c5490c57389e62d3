//! Whether the pull secrets that a policy counts on can be read: what its author is told, and its status says.
//!
//! Rights may be granted in all namespaces at once or in each by itself, and the API server is asked which tagseal has.

use std::sync::Arc;

use super::{
    CompiledPolicy, CredentialsSource, LiveError, LiveObjects, NamespaceLabels, NamespaceView, Selector,
};

/// So many of the namespaces that a policy selects are asked about.
const ASKED: usize = 20;
/// So many that lack a right are named.
const NAMED: usize = 3;

/// The chart's value that grants the rights. Stands before names, because long warnings are cut.
const REMEDY: &str = "the chart's value pullSecrets.access grants it";

impl CompiledPolicy {
    /// Whether it works with the pull secrets of pods.
    pub fn uses_pull_secrets(&self) -> bool {
        self.requirement.as_ref().is_some_and(|it| it.credentials == CredentialsSource::ImagePullSecrets)
    }
}

/// Where the pull secrets of a policy are, and who knows what tagseal may read there.
#[derive(Debug, Clone, Copy)]
pub struct PullRights<'a> {
    /// Whom to ask.
    pub objects: &'a dyn LiveObjects,
    /// The cluster's namespaces.
    pub namespaces: &'a dyn NamespaceLabels,
    /// Those that the webhooks ask about.
    pub covered: &'a Selector,
}

impl PullRights<'_> {
    /// What is to be said about a policy: that tagseal may not read the pull secrets that it counts on, and where. `None`:
    /// it may, or the policy counts on none.
    ///
    /// # Errors
    /// [`LiveError`] when the API server does not say.
    pub async fn remark(&self, policy: &CompiledPolicy) -> Result<Option<String>, LiveError> {
        if !policy.uses_pull_secrets() {
            return Ok(None);
        }
        if let Some(namespace) = &policy.id().namespace {
            let lacks = self.objects.lacks(Some(namespace)).await?;
            return Ok(lacks.map(|right| told(&right, &format!("in the namespace {namespace}"))));
        }
        let Some(right) = self.objects.lacks(None).await? else { return Ok(None) };
        let selected = self.selected(policy);
        if selected.is_empty() {
            let place = "in all namespaces, and none that the policy selects is there yet";
            return Ok(Some(told(&right, place)));
        }
        let mut lacking = Vec::new();
        for namespace in selected.iter().take(ASKED) {
            if self.objects.lacks(Some(namespace)).await?.is_some() {
                lacking.push(namespace.as_str());
            }
        }
        Ok((!lacking.is_empty()).then(|| told(&right, &listed(&lacking))))
    }

    /// The namespaces whose pods the policy is about.
    fn selected(&self, policy: &CompiledPolicy) -> Vec<String> {
        let mut names = self.namespaces.names();
        names.retain(|name| {
            self.namespaces.cached(name).is_some_and(|labels| {
                self.covered.selects(name, &labels)
                    && policy.scope.covers(&NamespaceView::new(name.as_str(), Arc::clone(&labels)))
            })
        });
        names
    }
}

fn told(right: &str, place: &str) -> String {
    format!(
        "spec.notary.credentials.imagePullSecrets: tagseal may not {right} ({REMEDY}) {place}: what the policy matches \
         there is Unauthorized"
    )
}

fn listed(namespaces: &[&str]) -> String {
    let plural = if namespaces.len() == 1 { "" } else { "s" };
    let named = namespaces.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = namespaces.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and at least {more} more that it selects") } else { String::new() };
    format!("in the namespace{plural} {named}{more}")
}
