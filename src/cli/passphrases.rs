//! [`PassphraseSources`]: where passphrases come from: a file descriptor, the environment, the terminal; in this order.
//!
//! What is typed is never echoed, a new passphrase is typed twice and has to be of some length. One from a descriptor or a
//! variable is tried once: it will not be another the next time.

mod source;
mod terminal;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail};

pub use self::source::{FdSource, variables};
pub use self::terminal::{Terminal, Tty};
use super::output::tell;
use crate::foreign::Foreign;
use crate::publish::external::ExternalKey;
use crate::publish::key::PrivateKey;
use crate::publish::key_file::{KeyFile, KeyFileError};
use crate::publish::passphrase::{Ask, Passphrase, PassphraseError, Passphrases};
use crate::tuf::KeyId;

/// How often a passphrase is asked for (docker's and notary's number).
const TRIES: u32 = 3;
/// The fewest characters of a new passphrase that is typed (notary's number).
const MIN_CHARACTERS: usize = 8;

/// How a variable of the environment is read.
type Environment = Box<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// Where passphrases come from.
pub struct PassphraseSources {
    fds: Vec<FdSource>,
    environment: Environment,
    terminal: Option<Box<dyn Terminal>>,
    /// What to do where nobody can be asked, if variables are not looked at.
    advice: Option<&'static str>,
    /// What was said of a key: it is used for several repositories, and asked for once.
    said: Mutex<HashMap<KeyId, Passphrase>>,
}

/// What a passphrase is asked for: an [`Ask`], or a key in a file, whose ID nobody knows before it is opened.
struct Question<'a> {
    role: &'a str,
    key: String,
    key_id: Option<KeyId>,
    is_new: bool,
    attempt: u32,
}

impl PassphraseSources {
    /// These descriptors, the process's environment, and its terminal where standard input is one.
    pub fn of_process(fds: &[FdSource]) -> Self {
        let environment = |name: &str| std::env::var_os(name);
        Self::new(fds, Box::new(environment), Tty::of_process().map(|tty| Box::new(tty) as _))
    }

    /// For a new passphrase of a key that exists: variables are not looked at, they hold the old one.
    pub fn for_new(fds: &[FdSource]) -> Self {
        let terminal = Tty::of_process().map(|tty| Box::new(tty) as _);
        let sources = Self::new(fds, Box::new(|_: &str| None), terminal);
        Self { advice: Some("use --new-passphrase-fd"), ..sources }
    }

    /// These sources.
    pub fn new(fds: &[FdSource], environment: Environment, terminal: Option<Box<dyn Terminal>>) -> Self {
        Self { fds: fds.to_vec(), environment, terminal, advice: None, said: Mutex::default() }
    }

    /// Opens a key file that is not in the trust directory, asking as often as it helps.
    ///
    /// # Errors
    /// When it is no key, or nobody knows its passphrase.
    pub fn open(&self, file: &KeyFile, role: &str, path: &Path) -> anyhow::Result<PrivateKey> {
        let question = |attempt| Question {
            role,
            key: format!("the key in {}", path.display()),
            key_id: None,
            is_new: false,
            attempt,
        };
        self.open_with(file, &path.display().to_string(), question)
    }

    /// Opens a key of the trust directory, asking as often as it helps.
    ///
    /// # Errors
    /// When nobody knows its passphrase.
    pub fn open_stored(&self, file: &KeyFile, id: KeyId) -> anyhow::Result<PrivateKey> {
        let role = file.header().role.as_deref().unwrap_or_default();
        let gun = file.header().gun.as_ref();
        let question = |attempt| Question::of(&Ask { role, key_id: id, gun, is_new: false, attempt });
        self.open_with(file, &id.to_string(), question)
    }

    fn open_with<'a>(
        &self,
        file: &KeyFile,
        what: &str,
        question: impl Fn(u32) -> Question<'a>,
    ) -> anyhow::Result<PrivateKey> {
        if !file.is_encrypted() {
            return file.open(None).with_context(|| what.to_owned());
        }
        for attempt in 1..=TRIES {
            let passphrase = self.answer(&question(attempt))?;
            match file.open(Some(&passphrase)) {
                Err(KeyFileError::WrongPassphrase) => {}
                outcome => return outcome.with_context(|| what.to_owned()),
            }
        }
        bail!("{what}: the passphrase was wrong {TRIES} times")
    }

    fn answer(&self, question: &Question<'_>) -> Result<Passphrase, PassphraseError> {
        if let Some(passphrase) = self.said_before(question) {
            return Ok(passphrase);
        }
        let (at_hand, names) = self.without_asking(question)?;
        let passphrase = match (at_hand, &self.terminal) {
            (Some(passphrase), _) => passphrase,
            (None, _) if !names.is_empty() => {
                return Err(question.wrong(&names, &self.hint(question, &names)));
            }
            (None, Some(terminal)) if question.is_new => terminal::new_passphrase(&**terminal, question)?,
            (None, Some(terminal)) => terminal::passphrase(&**terminal, question)?,
            (None, None) => return Err(question.nobody(self.advice)),
        };
        if let Some(id) = question.key_id {
            self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(id, passphrase.clone());
        }
        Ok(passphrase)
    }

    /// What was said of this key before, unless it turned out to be wrong.
    fn said_before(&self, question: &Question<'_>) -> Option<Passphrase> {
        let id = question.key_id?;
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match question.attempt {
            0 | 1 => said.get(&id).cloned(),
            _ => {
                said.remove(&id);
                None
            }
        }
    }

    /// What a descriptor or a variable says at this attempt, and the names of all that say something.
    fn without_asking(
        &self,
        question: &Question<'_>,
    ) -> Result<(Option<Passphrase>, Vec<String>), PassphraseError> {
        let fds = source::descriptors(&self.fds, question.role);
        let mut names: Vec<String> = fds.iter().map(|fd| format!("--passphrase-fd {fd}")).collect();
        // Who names a descriptor means it: variables are not looked at then.
        let nth = (question.attempt.max(1) - 1) as usize;
        if let Some(fd) = fds.get(nth) {
            return Ok((Some(fd.read()?), names));
        }
        if !names.is_empty() {
            return Ok((None, names));
        }
        let mut values = Vec::new();
        for name in variables(question.role) {
            let Some(value) = (self.environment)(name).filter(|value| !value.is_empty()) else { continue };
            let value = value.into_string().map_err(|_| PassphraseError {
                message: format!("what {name} has is not UTF-8, and no passphrase of {}", question.key),
                is_final: true,
            })?;
            values.push(Passphrase::new(value));
            names.push((*name).to_owned());
        }
        Ok((values.into_iter().nth(nth), names))
    }

    /// What may be wrong with what these variables have.
    fn hint(&self, question: &Question<'_>, names: &[String]) -> String {
        let ends = |name: &&&str| {
            let value = (self.environment)(name).map(OsString::into_encoded_bytes).unwrap_or_default();
            names.iter().any(|named| named == **name) && value.ends_with(b"\n")
        };
        let ending: Vec<&str> = variables(question.role).iter().filter(ends).copied().collect();
        match ending.as_slice() {
            [] => String::new(),
            some => format!("; {} ends in a line feed, which counts: leave it out", some.join(" and ")),
        }
    }
}

impl Passphrases for PassphraseSources {
    fn passphrase(&self, ask: &Ask<'_>) -> Result<Passphrase, PassphraseError> {
        self.answer(&Question::of(ask))
    }

    fn is_asked_elsewhere(&self, key: &ExternalKey) {
        let role = key.header().role.as_deref().unwrap_or("signing");
        tell_of_touch(role, key.plugin_id(), key.program().words());
    }
}

/// Says on a terminal that a program is asked to sign now: a token may wait for a touch and shows that by a light alone.
pub fn tell_of_touch(role: &str, key: &str, program: &[String]) {
    if std::io::stderr().is_terminal() {
        tell(&format!(
            "{} signs with the {role} key {}: touch the key if it blinks",
            Foreign(program.first().map_or("", String::as_str)),
            Foreign(key)
        ));
    }
}

impl<'a> Question<'a> {
    fn of(ask: &Ask<'a>) -> Self {
        let id = ask.key_id.to_string();
        let new = if ask.is_new { "new " } else { "" };
        let gun = ask.gun.map(|gun| format!(" ({gun})")).unwrap_or_default();
        let name = match ask.role {
            "targets" => "repository",
            "" => "signing",
            role => role,
        };
        Self {
            role: ask.role,
            // As docker words it.
            key: format!("{new}{name} key with ID {}{gun}", id.get(..7).unwrap_or(&id)),
            key_id: Some(ask.key_id),
            is_new: ask.is_new,
            attempt: ask.attempt,
        }
    }

    /// What was tried is not the passphrase.
    fn wrong(&self, names: &[String], hint: &str) -> PassphraseError {
        let said = match names {
            [name] => format!("what {name} has is"),
            names => format!("what {} have is", names.join(" and ")),
        };
        PassphraseError {
            message: format!("{said} not the passphrase of {}{hint}", self.key),
            is_final: true,
        }
    }

    /// There is nobody to ask.
    fn nobody(&self, advice: Option<&str>) -> PassphraseError {
        let variables = || format!("set {}, or use --passphrase-fd", variables(self.role).join(" or "));
        let message = format!(
            "a passphrase is needed for {}, and there is no terminal to ask on: {}",
            self.key,
            advice.map_or_else(variables, str::to_owned)
        );
        PassphraseError { message, is_final: true }
    }
}

impl std::fmt::Debug for PassphraseSources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PassphraseSources").field("fds", &self.fds).finish_non_exhaustive()
    }
}
