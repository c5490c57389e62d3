//! Every bound on what strangers may send or cause: one table, with the reason of each line (docs/limits.md is written
//! from it). A bound that an admin may need to change names its option; the value here is the default.

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The constant's name.
    pub name: &'static str,
    /// Whom it bounds: who sends or causes the thing.
    pub whose: &'static str,
    /// What is bounded, with its unit.
    pub what: &'static str,
    /// The bound, as a person writes it.
    pub value: &'static str,
    /// The option of `tagseal serve` that sets it; empty where there is none.
    pub option: &'static str,
    /// Why it is this, and what happens beyond it.
    pub reason: &'static str,
}

/// Defines a constant for each line, and [`TABLE`] of all of them.
macro_rules! limits {
    ($($name:ident: $type:ty = $value:expr, $whose:literal, $what:literal, $option:literal, $reason:literal;)+) => {
        $(#[doc = concat!($what, ". ", $reason)] pub const $name: $type = $value;)+

        /// All bounds, in the order of the document.
        pub const TABLE: &[Limit] = &[$(Limit {
            name: stringify!($name),
            whose: $whose,
            what: $what,
            value: stringify!($value),
            option: $option,
            reason: $reason,
        },)+];
    };
}

limits! {
    METADATA_FILE: u64 = 16 << 20, "publisher, trust server", "bytes of one metadata file", "",
        "A targets file of 40,000 tags has 8 MiB. A larger file is InvalidMetadata.";
    TIMESTAMP_FILE: u64 = 1 << 20, "publisher, trust server", "bytes of one timestamp file", "",
        "It lists one file and its signatures. A larger one is InvalidMetadata.";
    POOL_THREADS: usize = 4, "everybody", "threads that parse and verify what strangers send, at least; one for each core beyond", "",
        "They are not the threads that answer, and the system divides the time among all of them.";
    POOL_JOBS: usize = 256, "everybody", "jobs that wait for these threads", "",
        "What they hold is bounded below. A job beyond is refused, and its request with it.";
    POOL_BYTES: usize = 96 << 20, "everybody", "bytes of memory of all jobs that wait or run", "",
        "With requests in flight and answers it stays below the 256 MiB that are left for such work. A job beyond is refused.";
    POOL_SHARE_JOBS: usize = 64, "one namespace, one trust server", "jobs that wait for these threads", "",
        "A quarter of all. A job beyond is refused; others go on.";
    POOL_SHARE_BYTES: usize = 48 << 20, "one namespace, one trust server", "bytes of memory of its jobs that wait or run", "",
        "Half of all: the largest honest metadata file fits, with what its parser makes of it. A share also has half of the threads at most.";
}
