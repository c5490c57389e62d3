//! What is known before memory has seen it: a restart during a flood of invented names costs the known repositories
//! nothing (design §4 "Cache": unknown repositories cannot starve known ones).

use std::sync::Arc;

use super::core::Core;
use super::entries::Full;
use super::entry::Entry;
use super::grant::Accessor;
use crate::policy::Demand;

/// So many look at once whether trust state knows a repository.
pub(super) const AT_ONCE: usize = 16;

impl Core {
    /// The entry of a repository for which there is no room among those that never verified: one that disk or trust state
    /// has needs none there.
    pub(super) async fn known_entry(&self, demand: &Demand) -> Result<Arc<Entry>, Full> {
        let key = self.entries.key(&demand.server, &demand.gun, &demand.anchors);
        let is_on_disk = self.disk.as_ref().is_some_and(|disk| disk.knows(&key));
        if !is_on_disk {
            let _turn = self.asking_state.acquire().await;
            let recorded = self.state.load(&key.state_key()).await;
            if !matches!(recorded, Ok(Some(_))) {
                return Err(Full);
            }
        }
        self.entries.entry_of_known(key, &demand.anchors, self.clock.now())
    }
}

impl Entry {
    /// Whether requests on this accessor's behalf have the known repositories' share: a tenant who was never let in has no
    /// more claim to it than one who invents names.
    pub(super) fn is_known_to(&self, accessor: &Accessor) -> bool {
        self.is_known() && (!accessor.is_tenant() || self.grants.at(&accessor.eyes()).is_some())
    }
}
