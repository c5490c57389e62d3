//! Image names: [`ImageReference`], [`Tag`] and [`ImagePattern`].

mod pattern;
mod reference;

pub use pattern::{ImagePattern, PatternError};
pub use reference::{ImageReference, ReferenceError, Tag, TagError};
