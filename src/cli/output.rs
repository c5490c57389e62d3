//! How commands print: aligned columns for people, JSON for programs.

use std::io::Write as _;

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
pub fn print(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints `value` as indented JSON.
///
/// # Errors
/// When `value` has no JSON form.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Rows in aligned columns under a heading; the last column is not padded.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
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
