//! [`renew`]: snapshot and timestamp signed anew when they are read, and only when they are expired already.

use bytes::Bytes;
use jiff::Timestamp as Time;

use super::document::{Maker, Making};
use super::roles::verify_snapshot;
use super::{Holdings, NewFile, root};
use crate::tuf::error::TufError;
use crate::tuf::metadata::{Metadata, RoleKeys, Snapshot, Timestamp};
use crate::tuf::role::{Gun, RoleName};
use crate::tuf::verify::{Verified, verify_recorded};
use crate::tuf::work::Work;

/// Why the server has no valid timestamp to answer with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenewError {
    /// Nothing was published.
    #[error("there is no timestamp")]
    NotFound,
    /// The server holds too few of the role's keys.
    #[error("the server holds {found} of the {threshold} keys that it needs")]
    NoKey {
        /// How many it holds.
        found: usize,
        /// How many are needed.
        threshold: u64,
        /// Canonical key IDs of those that it does not hold.
        missing: Vec<String>,
    },
    /// What is stored does not verify (any more).
    #[error(transparent)]
    Stored(TufError),
}

/// What is to be stored before the current timestamp or snapshot is served: nothing, while both are valid; else a new
/// timestamp, and before it a new snapshot where that one is expired (Notary v1, Server rules).
///
/// # Errors
/// [`RenewError`].
pub fn renew(gun: &Gun, holdings: &dyn Holdings, now: Time) -> Result<Vec<NewFile>, RenewError> {
    let timestamp: Verified<Timestamp> = stored(holdings, &RoleName::timestamp())?;
    let role = RoleName::snapshot();
    let snapshot: Verified<Snapshot> = stored(holdings, &role)?;
    let (is_stale, must_sign) = (timestamp.common().expires < now, snapshot.common().expires < now);
    if !is_stale && !must_sign {
        return Ok(Vec::new());
    }
    let current = |role: &RoleName| holdings.current(role).ok_or(RenewError::NotFound);
    let root = root::load_unexpired(gun, current(&RoleName::root())?, now).map_err(RenewError::Stored)?;
    let maker = Maker { root: &root.root, holdings, now };
    if must_sign {
        let changed = [(&root.root.name, &root.bytes)].into();
        let snapshot = maker.snapshot(&changed)?;
        let timestamp = maker.timestamp(&snapshot.bytes)?;
        return Ok(vec![snapshot, timestamp]);
    }
    let bytes: Bytes = current(&role)?.bytes;
    verify_snapshot(&root, &role, &bytes, now).map_err(RenewError::Stored)?;
    Ok(vec![maker.timestamp(&bytes)?])
}

/// The current file, as the server recorded it.
fn stored<T: Metadata>(holdings: &dyn Holdings, role: &RoleName) -> Result<Verified<T>, RenewError> {
    let nobody = RoleKeys { keys: [].into(), threshold: 1 };
    let stored = holdings.current(role).ok_or(RenewError::NotFound)?;
    verify_recorded(role, stored.sha256, &stored.bytes, &nobody, &Work::unstopped())
        .map_err(RenewError::Stored)
}

impl From<Making> for RenewError {
    fn from(making: Making) -> Self {
        match making {
            Making::NoKey { found, threshold, missing } => Self::NoKey { found, threshold, missing },
            Making::Stored(error) => Self::Stored(error),
        }
    }
}
