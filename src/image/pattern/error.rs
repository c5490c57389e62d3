//! [`PatternError`]: why a string is not an image pattern, and what to write instead.

use super::super::{ReferenceError, TagError};
use crate::image::registry;

/// Why a string is not an [`super::ImagePattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// More bytes than a pattern may have.
    #[error("the pattern has {len} bytes; it may have {max}")]
    TooLong {
        /// Bytes.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Whitespace, a control character, or one that is not ASCII.
    #[error("the pattern has {0:?}: only printable ASCII is allowed")]
    Character(char),
    /// Patterns are about names and tags.
    #[error("a pattern has no digest: leave out what stands after and with the @")]
    Digest,
    /// It does not name its registry.
    #[error("a pattern names its registry: write {suggestion} (or ** for every image)")]
    NoRegistry {
        /// What was probably meant.
        suggestion: String,
    },
    /// A star in the registry.
    #[error("the registry {0:?} may have no *: name it, or write ** for every image")]
    RegistryGlob(String),
    /// The registry is no host.
    #[error("{0:?} is not a registry host")]
    Registry(String),
    /// `**` stands for whole segments.
    #[error("in {0:?}, ** stands for whole segments and cannot be part of one: write *")]
    DoubleStar(String),
    /// A segment with a star has something that repositories do not have.
    #[error("the segment {0:?} may have lower-case letters, digits, '.', '_', '-' and *")]
    Segment(String),
    /// A tag with a star has something that tags do not have.
    #[error("the tag {0:?} may have letters, digits, '.', '_', '-' and *, 128 in all")]
    Tag(String),
    /// A segment without a star is no part of a repository.
    #[error(transparent)]
    Repository(#[from] ReferenceError),
    /// A tag without a star is no tag.
    #[error(transparent)]
    LiteralTag(#[from] TagError),
}

impl PatternError {
    /// The error for a pattern that begins with no registry.
    pub(super) fn without_registry(pattern: &str) -> Self {
        let suggestion = match pattern.split_once('/') {
            None if registry::is_registry(pattern) => format!("{pattern}/**"),
            None => format!("{}/library/{pattern}", registry::DOCKER_HUB),
            Some(_) => format!("{}/{pattern}", registry::DOCKER_HUB),
        };
        Self::NoRegistry { suggestion }
    }
}
