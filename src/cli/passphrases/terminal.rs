//! Passphrases that somebody types.

use std::io::IsTerminal as _;

use super::{MIN_CHARACTERS, Question, TRIES};
use crate::publish::passphrase::{Passphrase, PassphraseError};

/// Somebody at a terminal.
pub trait Terminal: Send + Sync {
    /// Asks, and reads a line without echoing it.
    ///
    /// # Errors
    /// When nothing can be read.
    fn ask(&self, prompt: &str) -> std::io::Result<String>;

    /// Tells something.
    fn tell(&self, text: &str);
}

/// The process's own terminal.
#[derive(Debug)]
pub struct Tty;

impl Tty {
    /// The terminal, where standard input is one.
    pub fn of_process() -> Option<Self> {
        std::io::stdin().is_terminal().then_some(Self)
    }
}

impl Terminal for Tty {
    fn ask(&self, prompt: &str) -> std::io::Result<String> {
        rpassword::prompt_password(prompt)
    }

    fn tell(&self, text: &str) {
        crate::cli::output::tell(text);
    }
}

/// The passphrase of a key that exists.
pub(super) fn passphrase(
    terminal: &dyn Terminal,
    question: &Question<'_>,
) -> Result<Passphrase, PassphraseError> {
    if question.attempt > TRIES {
        let message = format!("{}: the passphrase was wrong {TRIES} times", question.key);
        return Err(PassphraseError { message, is_final: true });
    }
    if question.attempt > 1 {
        terminal.tell("That is not the passphrase. Please try again.");
    }
    ask(terminal, &format!("Enter passphrase for {}: ", question.key))
}

/// A passphrase for a new key: typed twice, and of some length.
pub(super) fn new_passphrase(
    terminal: &dyn Terminal,
    question: &Question<'_>,
) -> Result<Passphrase, PassphraseError> {
    if question.role == "root" {
        terminal.tell(
            "A new root key is about to be made. Who has it decides who may sign, and nothing replaces it when it is lost:\n\
             choose a long passphrase, keep it in a password manager, and back the key up (tagseal trust key backup).",
        );
    }
    for _ in 0..TRIES {
        let first = ask(terminal, &format!("Enter passphrase for {}: ", question.key))?;
        if String::from_utf8_lossy(first.expose()).chars().count() < MIN_CHARACTERS {
            terminal.tell(&format!(
                "That is too short: at least {MIN_CHARACTERS} characters. A password manager makes good ones."
            ));
            continue;
        }
        let second = ask(terminal, &format!("Repeat passphrase for {}: ", question.key))?;
        if first.expose() == second.expose() {
            return Ok(first);
        }
        terminal.tell("These two are not the same. Please try again.");
    }
    let message = format!("no passphrase was chosen for {}", question.key);
    Err(PassphraseError { message, is_final: true })
}

fn ask(terminal: &dyn Terminal, prompt: &str) -> Result<Passphrase, PassphraseError> {
    terminal.ask(prompt).map(Passphrase::new).map_err(|error| PassphraseError {
        message: format!("no passphrase could be read from the terminal ({error})"),
        is_final: true,
    })
}
