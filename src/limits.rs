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
}
