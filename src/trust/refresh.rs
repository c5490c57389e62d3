//! A refresh: the record, credentials, the update, and its commit.

use std::sync::Arc;

use super::attempt::Attempt;
use super::cell::Cell;
use super::commit::commit;
use super::connection::{Connection, credentials_of, no_credentials, server_for, with_remark};
use super::core::Core;
use super::driver::Downloads;
use super::in_flight::RefreshRequest;
use super::incomplete::{Incomplete, RefreshError};
use super::load::{self, AtHand};
use super::plan::{Fetched, Plan};
use crate::limits::RACES;
use crate::policy::Reason;
use crate::resolution::Refusal;
use crate::tuf::Gun;

/// Refreshes a repository and serves what came.
pub(super) async fn run(core: &Core, cell: &Arc<Cell>, request: &RefreshRequest) -> Result<(), Incomplete> {
    load::load(core, cell).await?;
    cell.usage.want(&request.roles);
    for _ in 0..RACES {
        let plan = Plan {
            requester: &request.key.requester,
            wanted: Some(cell.usage.wanted()),
            needed: &request.roles,
            fall_back: false,
        };
        let fetched = fetch(core, cell, &plan).await?;
        if commit(core, cell, &plan, fetched, request.key.pin).await? {
            return Ok(());
        }
    }
    Err(too_many_races(&cell.key.gun).into())
}

/// Fetches and verifies, with each of the credentials in turn.
pub(super) async fn fetch(core: &Core, cell: &Arc<Cell>, plan: &Plan<'_>) -> Result<Fetched, Incomplete> {
    let fetched = fetch_now(core, cell, plan).await;
    // What fails under a record that was reset meanwhile says nothing about what is there now.
    if cell.is_replaced() { Err(Incomplete::Replaced) } else { fetched }
}

async fn fetch_now(core: &Core, cell: &Arc<Cell>, plan: &Plan<'_>) -> Result<Fetched, Incomplete> {
    let sent = core.moment();
    let recorded = load::record(core, cell).await?;
    let known = cell.contents().pinned().filter(|served| served.vouched.is_some()).cloned();
    let is_known = cell.is_known_to(plan.requester);
    let _place = match is_known {
        true => None,
        false => core.unknown.place(&cell.state_key.server).await,
    };
    let at_hand = match known {
        Some(_) => AtHand::default(),
        None => load::at_hand(core, cell).await,
    };
    let mut refused = None;
    let server = server_for(cell, plan.requester);
    let credentials = credentials_of(core, cell, plan.requester).await?;
    for access in credentials.accesses {
        let connection = Connection::new(core, cell, &server, plan.requester, &access, is_known);
        let (recorded, known, at_hand) = (&recorded, known.clone(), &at_hand);
        let attempt = Attempt { core, cell, plan, connection, recorded, known, at_hand };
        match attempt.run().await {
            Ok((updated, pinned_root, Downloads { causes, place: _place, .. })) => {
                let (recorded, known) = (Arc::clone(recorded), attempt.known);
                return Ok(Fetched { updated, sent, recorded, known, access, pinned_root, causes, _place });
            }
            Err(error) if error.about_access => refused = Some(error),
            Err(error) => return Err(Incomplete::Failed(error)),
        }
    }
    let error = refused.unwrap_or_else(|| no_credentials(cell, "there are none to try").into());
    let refusal = with_remark(error.refusal, cell, &credentials.remark);
    Err(Incomplete::Failed(RefreshError { refusal, is_passing: credentials.is_incomplete, ..error }))
}

/// Others pinned, or reset the repository, again and again while we fetched.
pub(super) fn too_many_races(gun: &Gun) -> Refusal {
    Refusal::unavailable(
        Reason::StateUnavailable,
        format!(
            "{gun}: the first-use pin was changed, or the repository reset, again and again by others; try again"
        ),
    )
}
