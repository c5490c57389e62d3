//! How random tests run: with one fixed seed, so that a change alone makes a test fail; with `TAGSEAL_SOAK=SEED`, as in
//! `make soak`, with that seed and with many more cases. The crate's unit tests include this file too.

use proptest::test_runner::{Config, RngSeed};

/// The seed, where none is asked for.
const SEED: u64 = 20_261_130;
/// A soak looks at so many cases of a test at least.
const SOAK_CASES: u32 = 10_000;
/// A soak looks at so many times as many cases of a test whose single case is a whole story.
const SOAK_FACTOR: u32 = 50;

/// For a test with `cases` cases; 10,000 at least in a soak.
pub fn cases(cases: u32) -> Config {
    config(cases, cases.max(SOAK_CASES))
}

/// For a test each of whose cases takes long; 50 times as many in a soak.
pub fn heavy_cases(cases: u32) -> Config {
    config(cases, cases.saturating_mul(SOAK_FACTOR))
}

/// The seed of this run.
pub fn seed() -> u64 {
    soak().unwrap_or(SEED)
}

/// Whether this is a soak: time is no matter, and everything has its whole size.
pub fn is_soak() -> bool {
    soak().is_some()
}

/// The seed of a soak, if this is one.
fn soak() -> Option<u64> {
    let seed = std::env::var("TAGSEAL_SOAK").ok()?;
    Some(seed.parse().expect("TAGSEAL_SOAK is the seed of a soak: a number below 2^64"))
}

/// What proptest's own variables (`PROPTEST_CASES`, `PROPTEST_RNG_SEED`) say has precedence.
fn config(cases: u32, in_a_soak: u32) -> Config {
    let mut config = Config::default();
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(seed());
    }
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = if is_soak() { in_a_soak } else { cases };
    }
    config
}
