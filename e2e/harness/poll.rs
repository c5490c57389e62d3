//! Waiting for a condition, never for a time.

use std::thread::sleep;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(50);

/// Asks `condition` until it answers `Ok`; fails the test with its last `Err` when `limit` has passed.
#[track_caller]
pub fn eventually<T>(what: &str, limit: Duration, condition: impl FnMut() -> Result<T, String>) -> T {
    eventually_each(INTERVAL, what, limit, condition)
}

/// The same, asked less often: what takes a minute is not to keep a core busy.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "real processes are waited for in real time")]
pub fn eventually_each<T>(
    interval: Duration,
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    loop {
        match condition() {
            Ok(value) => return value,
            Err(error) if start.elapsed() > limit => panic!("{what}: not within {limit:?}: {error}"),
            Err(_) => sleep(interval),
        }
    }
}
