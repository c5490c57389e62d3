//! [`unified`]: two texts as a unified diff, which `patch` and `git apply` take.

use std::time::Duration;

use similar::{Algorithm, TextDiff};

use crate::foreign::{Quoted, one_line};

/// After this long a diff may be longer than it has to be.
const PATIENCE: Duration = Duration::from_secs(5);

/// The diff of a file. Empty where the texts are equal.
pub fn unified(name: &str, before: &str, after: &str) -> String {
    // A name that is not printable could begin a line of its own.
    let is_plain = one_line(name, usize::MAX) == name && !name.contains(['"', '\\']);
    let header = |side: &str| match (is_plain, name.starts_with('/')) {
        (true, true) => format!("{side}{name}"),
        (true, false) => format!("{side}/{}", name.strip_prefix("./").unwrap_or(name)),
        (false, _) => Quoted(&format!("{side}/{name}")).to_string(),
    };
    // Lines end at line feeds alone, as `patch` has them.
    let before: Vec<&str> = before.split_inclusive('\n').collect();
    let after: Vec<&str> = after.split_inclusive('\n').collect();
    let mut config = TextDiff::configure();
    config.algorithm(Algorithm::Patience).timeout(PATIENCE).newline_terminated(true);
    let diff = config.diff_slices(&before, &after);
    diff.unified_diff().header(&header("a"), &header("b")).to_string()
}
