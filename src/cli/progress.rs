//! How far a command is: a bar on a terminal, and nothing anywhere else.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar in the last line of the terminal, until it is dropped. It has no colours.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar on standard error, where that is a terminal that can redraw a line.
    pub fn new(what: &'static str) -> Self {
        let term = std::env::var("TERM").unwrap_or_default();
        let target = match shows(std::io::stderr().is_terminal(), &term) {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let style = ProgressStyle::with_template("{msg} {pos}/{len} [{bar:32}]");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(0), target).with_style(style).with_message(what);
        Self { bar }
    }

    /// Shows how many are done, and of how many.
    pub fn at(&self, done: usize, of: usize) {
        self.bar.set_length(u64::try_from(of).unwrap_or(u64::MAX));
        self.bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn shows(is_terminal: bool, term: &str) -> bool {
    is_terminal && !matches!(term, "" | "dumb")
}

#[cfg(test)]
mod tests {
    use super::shows;

    #[test]
    fn a_bar_is_for_terminals_that_can_redraw_a_line() {
        assert!(shows(true, "xterm-256color"));
        assert!(!shows(false, "xterm-256color"));
        assert!(!shows(true, "dumb"));
        assert!(!shows(true, ""));
    }
}
