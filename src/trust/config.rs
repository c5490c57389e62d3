//! [`ResolverConfig`]: how a resolver is set up.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

use crate::limits::{Bounds, UNKNOWN_AT_ONCE, UNKNOWN_REPOSITORIES};

/// How a resolver is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolverConfig {
    /// Tolerance for clocks when expiry is judged (`--clock-skew`).
    pub clock_skew: SignedDuration,
    /// Where verified metadata is kept (`--cache-dir`).
    pub cache_dir: Option<PathBuf>,
    /// Whether a tree that notary or docker left in `cache_dir` is read: for `verify` and `inspect`, never for `serve`.
    pub seed: bool,
    /// What may be kept in memory.
    pub bounds: Bounds,
    /// Repositories that never verified, looked up or waiting.
    pub max_unknown: usize,
    /// How many of those that never verified are looked up at once on one trust server.
    pub unknown_at_once: usize,
    /// How many repositories are refreshed in the background at once.
    pub background_at_once: usize,
    /// How long one request may take, its retries included.
    pub request_timeout: Duration,
    /// How long one refresh may take.
    pub refresh_timeout: Duration,
    /// How long an admission that has usable data waits for fresher.
    pub patience: Duration,
}

impl Default for ResolverConfig {
    fn default() -> Self {
        Self {
            clock_skew: SignedDuration::from_secs(60),
            cache_dir: None,
            seed: false,
            bounds: Bounds::default(),
            max_unknown: UNKNOWN_REPOSITORIES,
            unknown_at_once: UNKNOWN_AT_ONCE,
            background_at_once: 64,
            request_timeout: Duration::from_secs(5),
            refresh_timeout: Duration::from_secs(60),
            patience: Duration::from_secs(1),
        }
    }
}
