//! KRM functions: a `ResourceList` in, the same with pins and results out (the KRM functions specification of kustomize and kpt).
//!
//! The list is a text whose bytes stay, as those of every other file. Its items are scanned, judged and pinned as those of a `List`;
//! what is added is the `results`.

mod config;
mod list;
mod results;
#[cfg(test)]
mod tests;

pub use self::config::{ConfigError, FunctionConfig, Mode, Output};
pub use self::list::ResourceList;
pub use self::results::{Outcome, Severity, outcome};
