//! Image names: [`ImageReference`], [`Tag`] and [`ImagePattern`].

mod glob;
mod pattern;
mod reference;
mod registry;
mod rewrite;
mod tag;

pub use glob::Glob;
pub use pattern::{ImagePattern, PatternError, Segment};
pub use reference::{ImageReference, ReferenceError};
pub use rewrite::{Rewrite, RewriteError};
pub use tag::{Tag, TagError};
