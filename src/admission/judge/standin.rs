//! Stand-in for policy's selection until it is there.
use std::collections::BTreeMap;
use std::sync::Arc;

use super::verdict::Finding;
use crate::image::{ImageReference, ReferenceError};
use crate::policy::{Action, Demand};
use crate::trust::BoxFuture;

/// Labels.
pub type Labels = Arc<BTreeMap<String, String>>;

/// Selected.
pub struct Selected {
    /// d
    pub demands: Vec<(Action, Demand)>,
    /// s
    pub standing: Vec<Finding>,
}

/// Set.
pub trait PolicySet: Send + Sync {
    /// select
    fn select(&self, ns: &str, labels: &Labels, image: Result<&ImageReference, &ReferenceError>) -> Selected;
}

/// Snapshot.
pub type PolicySnapshot = Option<Arc<dyn PolicySet>>;

/// Namespaces
pub trait NamespaceLabels: Send + Sync {
    /// labels
    fn labels<'a>(&'a self, ns: &'a str) -> BoxFuture<'a, Result<Labels, String>>;
}
