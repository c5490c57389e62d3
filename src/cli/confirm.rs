//! A question that is answered by yes or no.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::bail;

use super::output::ask;

/// Asks on the terminal, unless `yes` was said already.
///
/// # Errors
/// Without a terminal, where nobody can be asked.
pub fn confirm(question: &str, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        bail!("{question} There is no terminal to confirm this on: say --yes");
    }
    ask(&format!("{question} [y/N]"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
