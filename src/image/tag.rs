//! [`Tag`]: what an image name ends with after its `:`.

use std::fmt;

/// A tag: `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}` (distribution's reference grammar).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag<'a>(&'a str);

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

impl<'a> Tag<'a> {
    /// The longest tag.
    pub const MAX_LEN: usize = 128;

    /// Parses a tag.
    ///
    /// # Errors
    /// [`TagError`] otherwise.
    pub fn parse(tag: &'a str) -> Result<Self, TagError> {
        if tag.is_empty() {
            return Err(TagError::Empty);
        }
        if tag.len() > Self::MAX_LEN {
            return Err(TagError::TooLong(tag.chars().count()));
        }
        if tag.starts_with(['.', '-']) || !tag.bytes().all(is_tag_byte) {
            return Err(TagError::Character(tag.to_owned()));
        }
        Ok(Self(tag))
    }

    /// `latest`, which a name without tag and digest stands for.
    pub(super) const LATEST: Self = Self("latest");

    /// A tag that [`Self::parse`] took before.
    pub(super) fn parsed(tag: &'a str) -> Self {
        Self(tag)
    }

    /// The tag's characters.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// Whether tags may have this byte.
pub(super) fn is_tag_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

impl fmt::Display for Tag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
