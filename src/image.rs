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
pub use registry::{DOCKER_HUB, DOCKER_HUB_HOSTS, HostError, is_docker_hub, normalise as normalise_registry};
pub use rewrite::{Rewrite, RewriteError};
pub use tag::{Tag, TagError};
