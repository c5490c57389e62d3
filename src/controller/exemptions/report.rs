//! [`ExemptionReport`]: what the log says of exemptions. Each thing once, when it changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::policy::{CompiledExemption, PolicySet};

/// What was told so far.
#[derive(Debug, Default)]
pub(in crate::controller) struct ExemptionReport {
    told: BTreeMap<String, Arc<CompiledExemption>>,
}

impl ExemptionReport {
    /// Says how the exemptions of this set differ from those of the one before.
    pub(in crate::controller) fn tell(&mut self, set: &PolicySet) {
        let mut before = std::mem::take(&mut self.told);
        for (exemption, _) in set.exemptions() {
            let name = exemption.name();
            let is_told = before.remove(name).is_some_and(|told| Arc::ptr_eq(&told, exemption));
            if !is_told {
                tell_one(exemption);
            }
            self.told.insert(name.to_owned(), Arc::clone(exemption));
        }
        for exemption in before.keys() {
            tracing::info!(exemption, "exemption removed: its images are judged again");
        }
    }
}

fn tell_one(exemption: &CompiledExemption) {
    let name = exemption.name();
    for error in exemption.errors() {
        let (field, error) = (&error.field, &error.message);
        tracing::warn!(exemption = name, field, error, "invalid exemption: it exempts nothing");
    }
    if let Some(terms) = exemption.exemption() {
        let until = terms.until.map(|until| until.to_string());
        tracing::info!(exemption = name, until, stated_reason = terms.reason, "exemption added or changed");
    }
}
