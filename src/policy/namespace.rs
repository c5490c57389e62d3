//! [`NamespaceView`]: what policies see of a namespace; [`NamespaceLabels`]: where its labels come from (design §5).

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// The labels of a namespace.
pub type Labels = BTreeMap<String, String>;

/// A namespace as policies see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceView {
    /// Its name.
    pub name: Arc<str>,
    /// Its labels; `None` where nothing can be known about them (files without a cluster): then every selector counts as
    /// matching, so that what is unknown is judged by more policies and never by fewer.
    pub labels: Option<Arc<Labels>>,
}

impl NamespaceView {
    /// A namespace whose labels are known.
    pub fn new(name: impl Into<Arc<str>>, labels: Arc<Labels>) -> Self {
        Self { name: name.into(), labels: Some(labels) }
    }

    /// One of the namespaces whose labels are known, or one of which only the name is.
    pub fn among(known: &BTreeMap<String, Arc<Labels>>, name: &str) -> Self {
        match known.get(name) {
            Some(labels) => Self::new(name, Arc::clone(labels)),
            None => Self::unlabelled(name),
        }
    }

    /// A namespace of which only the name is known.
    pub fn unlabelled(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), labels: None }
    }
}

/// Why a namespace's labels could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("labels of namespace {namespace} could not be read: {message}")]
pub struct LabelsError {
    /// The namespace.
    pub namespace: String,
    /// What went wrong.
    pub message: String,
}

/// What [`NamespaceLabels::read`] returns.
pub type LabelsFuture<'a> = Pin<Box<dyn Future<Output = Result<Arc<Labels>, LabelsError>> + Send + 'a>>;

/// Where labels of namespaces come from; implemented over the watch by the controller.
///
/// A namespace that is not in memory yet is read live, never treated as unlabelled (design §3).
pub trait NamespaceLabels: Send + Sync + fmt::Debug {
    /// The labels, from memory alone. `None`: not known yet, ask [`Self::read`].
    fn cached(&self, namespace: &str) -> Option<Arc<Labels>>;

    /// The names of those in memory, in order. By default none is known.
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    /// The labels, read live.
    fn read<'a>(&'a self, namespace: &'a str) -> LabelsFuture<'a>;
}
