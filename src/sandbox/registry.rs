//! [`ImageRegistry`]: a small OCI registry, in memory: enough to push, pull and tamper with sample images.

/// A registry. Cheap to clone; all clones are one registry.
#[derive(Debug, Clone, Default)]
pub struct ImageRegistry {}

impl ImageRegistry {
    /// Its routes, for a listener or an in-process test.
    pub fn router(&self) -> axum::Router {
        todo!()
    }
}
