//! One command for several repositories: each is done, whatever becomes of the others.

use std::process::ExitCode;

use super::failure::is_refusal;
use super::outcome::{Outcome, print_all};
use crate::cli::exit_code;
use crate::cli::output::{Format, failure, tell};
use crate::cli::repository::Repository;

/// Collects what became of each repository.
pub(super) struct Several {
    format: Format,
    done: Vec<Outcome>,
    refused: usize,
    failed: usize,
}

impl Several {
    pub(super) fn new(format: Format) -> Self {
        Self { format, done: Vec::new(), refused: 0, failed: 0 }
    }

    /// One repository is done, or is not and why.
    pub(super) fn add(&mut self, repository: &Repository, outcome: anyhow::Result<Outcome>) {
        match outcome {
            Ok(outcome) => {
                self.refused += usize::from(outcome.is_without_effect());
                self.done.push(outcome);
            }
            Err(error) => {
                match is_refusal(&error) {
                    true => self.refused += 1,
                    false => self.failed += 1,
                }
                tell(&failure(&error.context(repository.gun().to_string())));
            }
        }
    }

    /// Prints what was done.
    ///
    /// # Errors
    /// Those of the JSON writer.
    pub(super) fn finish(self) -> anyhow::Result<ExitCode> {
        print_all(&self.done, self.format)?;
        Ok(exit_code(self.refused > 0, self.failed > 0))
    }
}
