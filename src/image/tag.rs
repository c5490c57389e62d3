//! [`Tag`]: what an image name ends with after its `:`.

use std::fmt;

/// A tag: `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}` (distribution's reference grammar).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

/// Why a string is not a [`Tag`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Nothing stands after the `:`.
    #[error("the tag is empty: write one after the colon, or leave the colon out")]
    Empty,
    /// Longer than [`Tag::MAX_LEN`].
    #[error("the tag has {0} characters; it may have 128")]
    TooLong(usize),
    /// A character that tags do not have.
    #[error(
        "the tag {0:?} may have letters, digits, '_', '.' and '-' only, and begin with neither '.' nor '-'"
    )]
    Character(String),
}

impl Tag {
    /// The longest tag.
    pub const MAX_LEN: usize = 128;

    /// Parses a tag.
    ///
    /// # Errors
    /// [`TagError`] otherwise.
    pub fn parse(tag: &str) -> Result<Self, TagError> {
        if tag.is_empty() {
            return Err(TagError::Empty);
        }
        if tag.len() > Self::MAX_LEN {
            return Err(TagError::TooLong(tag.chars().count()));
        }
        if tag.starts_with(['.', '-']) || !tag.bytes().all(is_tag_byte) {
            return Err(TagError::Character(tag.to_owned()));
        }
        Ok(Self(tag.to_owned()))
    }

    /// `latest`, which a name without tag and digest stands for.
    pub(super) fn latest() -> Self {
        Self("latest".to_owned())
    }

    /// The tag's characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether tags may have this byte.
pub(super) fn is_tag_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
