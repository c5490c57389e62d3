//! [`TufError`]: what can be wrong with trust data, as data.

/// What is wrong with trust data. Every variant carries its facts and compares equal in tests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TufError {
    /// Placeholder.
    #[error("invalid metadata")]
    Invalid,
}
