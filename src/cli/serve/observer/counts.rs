//! Decisions by reason and policy.

use crate::admission::Decided;
use crate::telemetry::Metrics;

/// Counts one decision.
pub(super) fn count(metrics: &Metrics, decided: &Decided<'_>) {
    let _ = (metrics, decided);
}
