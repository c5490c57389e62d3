//! Judges an exemption as it is applied: one that cannot be read is refused, because it would exempt nothing.

use serde_json::Value;
use tokio::time::Instant;

use super::PolicyReview;
use super::answer::Opinion;
use super::apart::Unfinished;
use crate::policy::{CompiledExemption, PolicyId, PolicySnapshot, compile_exemption};

impl PolicyReview {
    pub(super) async fn exemption(&self, new: Value, deadline: Instant) -> Opinion {
        let exemption = match self.apart.work(deadline, move || compile_exemption(&new)).await {
            Ok(exemption) => exemption,
            Err(Unfinished::Late) => return Opinion::late(),
            Err(Unfinished::Panicked(panic)) => {
                tracing::error!(panic, "judging an exemption panicked");
                return Opinion::failed();
            }
        };
        match exemption.errors() {
            [] => Opinion::passed(self.exemption_warnings(&exemption)),
            errors => Opinion::refused(errors.to_vec(), Vec::new()),
        }
    }

    /// What makes the exemption exempt nothing although it can be read. It may be what is wanted (one that is over stands in
    /// Git), or be mended by what is applied next.
    fn exemption_warnings(&self, exemption: &CompiledExemption) -> Vec<String> {
        let Some(terms) = exemption.exemption() else { return Vec::new() };
        let mut warnings = Vec::new();
        if let Some(until) = terms.until.filter(|_| !terms.is_active(self.clock.now())) {
            warnings.push(format!(
                "spec.until: {until} is past, so this exempts nothing: set a later time, or delete the exemption"
            ));
        }
        let PolicySnapshot::Synced(set) = self.policies.borrow().clone() else { return warnings };
        let is_known = |id: &&PolicyId| set.policies().any(|(policy, _)| **policy.id() == **id);
        let unknown = terms.policies.iter().flatten().filter(|id| !is_known(id));
        warnings.extend(
            unknown.map(|id| {
                format!("spec.policies: there is no {id}; until there is, nothing is exempt from it")
            }),
        );
        warnings
    }
}
