//! How commands print: aligned columns for people, JSON for programs.

use std::io::Write as _;

use anyhow::Context as _;

use crate::foreign::{lines, one_line};

/// How a reading command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns.
    #[default]
    Text,
    /// Stable JSON, documented in `docs/`.
    Json,
}

/// Prints `text` and a line feed. A reader that went away ends the output, not the command.
///
/// Lines are the caller's: a name from outside is [`Foreign`](crate::foreign::Foreign) in them. What is not printable becomes its
/// escape all the same, but for the colours of `print_styled`.
pub fn print(text: &str) {
    write_line(&lines(text));
}

/// Writes a result that programs read, or that is a file's content, to standard output, byte for byte.
///
/// # Errors
/// When it cannot be written: then the result is not there.
pub fn write_exactly(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")
}

/// Prints text in which nothing is from outside.
pub fn print_styled(text: &str) {
    write_line(text);
}

/// Shows text in which nothing is from outside in the place of the terminal's last line.
pub fn rewrite(text: &str) {
    let mut out = std::io::stdout().lock();
    // A terminal that went away ends the output, not the command.
    let _ = write!(out, "\r\u{1b}[2K{text}").and_then(|()| out.flush());
}

/// Tells `text` and a line feed on standard error.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", lines(text));
}

/// Asks on standard error, and leaves the cursor behind the question.
pub fn ask(question: &str) {
    let mut out = std::io::stderr().lock();
    let _ = write!(out, "{} ", lines(question)).and_then(|()| out.flush());
}

/// An error and its causes, each on one line but where it has lines of its own: those are indented, so that none passes for another
/// message.
pub fn failure(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for (number, line) in format!("tagseal: {error:#}").split('\n').enumerate() {
        let begins = if number == 0 { "" } else { "\n" };
        let indent = if number == 0 || line.is_empty() || line.starts_with("  ") { "" } else { "  " };
        told.extend([begins, indent, line]);
    }
    lines(&told).into_owned()
}

fn write_line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints `value` as indented JSON.
///
/// # Errors
/// When `value` has no JSON form, or standard output cannot be written.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    // As it is: programs read it.
    write_exactly(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Rows in aligned columns under a heading; the last column is not padded. Each row is one line, whatever its cells hold.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let one_line = |cell: &String| one_line(cell, usize::MAX).into_owned();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(one_line).collect()).collect();
    let cells = |row: usize| -> Vec<&str> {
        match row {
            0 => heading.to_vec(),
            n => rows[n - 1].iter().map(String::as_str).collect(),
        }
    };
    let width = |column: usize| {
        (0..=rows.len())
            .filter_map(|row| cells(row).get(column).map(|cell| cell.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |row: usize| {
        let mut line = String::new();
        for (cell, width) in cells(row).iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}   ", width = *width));
        }
        line.trim_end().to_owned()
    };
    (0..=rows.len()).map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_align_and_lines_do_not_trail() {
        let rows = vec![vec!["1.4".into(), "sha256:aa".into()], vec!["nightly".into(), "sha256:b".into()]];
        assert_eq!(
            table(&["TAG", "DIGEST"], &rows),
            "TAG       DIGEST\n1.4       sha256:aa\nnightly   sha256:b"
        );
    }
}
