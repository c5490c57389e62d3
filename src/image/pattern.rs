//! [`ImagePattern`]: the glob over normalised image names that policies use.

use super::ImageReference;

/// A pattern over `registry/repository[:tag]`, matched segment by segment, anchored at both ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImagePattern(String);

/// Why a string is not an [`ImagePattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(pub String);

impl ImagePattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`PatternError`] that says what is wrong and what to write instead.
    pub fn parse(pattern: &str) -> Result<Self, PatternError> {
        Ok(Self(pattern.to_owned()))
    }

    /// Whether an `include` with this pattern covers `image`.
    pub fn includes(&self, image: &ImageReference) -> bool {
        let _ = image;
        todo!()
    }

    /// Whether an `exclude` with this pattern takes `image` out: a tagged one takes out no digest reference.
    pub fn excludes(&self, image: &ImageReference) -> bool {
        let _ = image;
        todo!()
    }

    /// Whether the pattern matches the image's name and also its tag.
    pub fn covers_tag(&self, image: &ImageReference) -> bool {
        let _ = image;
        todo!()
    }
}
