//! What is known before memory has seen it: a restart during a flood of invented names costs the known repositories
//! nothing (design §4 "Cache": unknown repositories cannot starve known ones).

use std::sync::Arc;

use super::cell::Cell;
use super::core::Core;
use super::table::Full;
use crate::policy::Demand;
use crate::store::CacheKey;

/// The cell of a repository for which there is no room among those that never verified: one that disk or trust state
/// has needs none there.
pub(super) async fn cell(core: &Core, demand: &Demand) -> Result<Arc<Cell>, Full> {
    let key = CacheKey::of(demand);
    let is_on_disk = core.disk.as_ref().is_some_and(|disk| disk.knows(&key));
    if !is_on_disk {
        let _turn = core.asking_state.acquire().await;
        let recorded = core.state.load(&key.state_key()).await;
        if !matches!(recorded, Ok(Some(_))) {
            return Err(Full::Unknown);
        }
    }
    core.repositories.cell_of_known(demand, core.clock.now())
}
