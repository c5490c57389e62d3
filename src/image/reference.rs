//! [`ImageReference`]: an image name as a pod spec has it, normalised before anything looks at it.

use crate::digest::Digest;

/// A tag: `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

/// Why a string is not a [`Tag`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a tag")]
pub struct TagError(pub String);

impl Tag {
    /// The tag's characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A normalised image reference (design §2 "Images and patterns").
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageReference {
    original: String,
    name: String,
    registry_len: usize,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

/// Why a string is not an [`ImageReference`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Placeholder.
    #[error("empty image reference")]
    Empty,
}

impl ImageReference {
    /// Parses and normalises. A missing tag becomes `latest` unless there is a digest.
    ///
    /// # Errors
    /// [`ReferenceError`] that names what is wrong with the string.
    pub fn parse(original: &str) -> Result<Self, ReferenceError> {
        let _ = original;
        todo!()
    }

    /// The string as the pod spec has it.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// Normalised `registry/repository`: what patterns look at and what becomes the GUN.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Normalised registry host, with its port if that is not 443.
    pub fn registry(&self) -> &str {
        &self.name[..self.registry_len]
    }

    /// Repository path without the registry.
    pub fn repository(&self) -> &str {
        &self.name[self.registry_len + 1..]
    }

    /// The tag; `latest` where neither a tag nor a digest was given.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, if the reference carries one.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }
}
