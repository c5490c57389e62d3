//! [`ReferenceError`]: why a string is not an image reference.

use super::TagError;
use crate::digest::DigestError;

/// Why a string is not an [`super::ImageReference`]. Bounded in size, whatever the string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// No characters at all.
    #[error("the image is empty")]
    Empty,
    /// More bytes than a reference can have.
    #[error("the image has {len} bytes; no reference has more than {max}")]
    TooLong {
        /// Bytes.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Whitespace, a control character, or one that is not ASCII.
    #[error("the image has {character:?} at byte {offset}: only printable ASCII is allowed")]
    Character {
        /// The first such character.
        character: char,
        /// Where, in bytes from the start.
        offset: usize,
    },
    /// It begins like a URL.
    #[error("an image has no scheme: leave out what stands before and with ://")]
    Scheme,
    /// The ID of an image on the node, which names nothing that could be signed.
    #[error(
        "the image is an image ID, not a name: write registry/repository:tag or registry/repository@sha256:…"
    )]
    ImageId,
    /// A tag or digest without a name before it.
    #[error("the image has no name before its tag or digest")]
    NoName,
    /// The registry is no host.
    #[error("{0:?} is not a registry host")]
    Registry(String),
    /// The registry's port is none.
    #[error("the registry {0:?} has no port between 1 and 65535 after its colon")]
    Port(String),
    /// Nothing, or nothing between two slashes.
    #[error("the repository {0:?} has an empty part")]
    EmptyPart(String),
    /// Upper case is for registries and tags.
    #[error("the repository {0:?} has upper-case letters: repositories are lower case")]
    UpperCase(String),
    /// Anything else that repositories do not have.
    #[error(
        "the repository {0:?} may have lower-case letters and digits, joined by '.', '_', '__' or dashes, between its slashes"
    )]
    Repository(String),
    /// Longer than any registry takes.
    #[error("the repository has {0} characters; it may have 255")]
    RepositoryTooLong(usize),
    /// The tag.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// The digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
}
