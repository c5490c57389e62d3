//! [`ImageRegistry`]: a small OCI registry, in memory: enough to push, pull and tamper with sample images.
//!
//! It checks what a registry checks on a push (digests, references to blobs) and, like every registry, nothing of who signed.

mod answer;
mod contents;
mod handler;
mod image;
mod route;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use bytes::Bytes;

use self::contents::Contents;
pub use self::image::{CONFIG, LAYER, MANIFEST, SampleImage};
use crate::digest::Digest;

/// The largest blob or manifest, in bytes. Sample images have a few kilobytes.
pub const MAX_BODY: usize = 16 << 20;

/// A registry. Cheap to clone; all clones are one registry.
#[derive(Debug, Clone, Default)]
pub struct ImageRegistry(Arc<Mutex<Contents>>);

impl ImageRegistry {
    /// Its routes, for a listener or an in-process test.
    pub fn router(&self) -> Router {
        Router::new()
            .fallback(handler::answer)
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self.clone())
    }

    /// Puts an image there, under a tag. Whoever may push may do that, whatever the tag named before.
    pub fn push(&self, name: &str, tag: &str, image: &SampleImage) {
        let mut contents = self.contents();
        contents.add_blob(name, image.config().clone());
        contents.add_blob(name, image.layer().clone());
        contents.add_manifest(name, Some(tag), MANIFEST.to_owned(), image.manifest().clone());
    }

    /// The digest that a tag names now.
    pub fn tag(&self, name: &str, tag: &str) -> Option<Digest> {
        self.contents().tag(name, tag)
    }

    /// Damages a stored blob: it is served under its old digest, with one byte of another value. Whether there is such a blob.
    pub fn corrupt(&self, name: &str, digest: Digest) -> bool {
        self.contents().corrupt(name, digest)
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        // What it guards is replaced entry by entry: a panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn blob(&self, name: &str, digest: Digest) -> Option<Bytes> {
        self.contents().blob(name, digest)
    }
}
