//! Passphrases that nobody types: [`FdSource`], and the variables of docker and notary.

use std::fmt;
use std::io::Read as _;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::publish::passphrase::{Passphrase, PassphraseError};

/// The longest passphrase that is read from a descriptor, in bytes.
const MAX_LEN: u64 = 4096;

/// `[ROLE=]N`: a file descriptor whose first line is a passphrase. It can be read once, so what it said is kept.
#[derive(Clone)]
pub struct FdSource {
    role: Option<String>,
    fd: u32,
    said: Arc<Mutex<Option<Passphrase>>>,
}

impl FdSource {
    /// The passphrase.
    ///
    /// # Errors
    /// When the descriptor cannot be read, or has none.
    pub(super) fn read(&self) -> Result<Passphrase, PassphraseError> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(passphrase) = &*said {
            return Ok(passphrase.clone());
        }
        let failed = |what: String| PassphraseError {
            message: format!("--passphrase-fd {self}: {what}"),
            is_final: true,
        };
        let mut text = Zeroizing::new(String::new());
        std::fs::File::open(format!("/dev/fd/{}", self.fd))
            .and_then(|file| file.take(MAX_LEN).read_to_string(&mut text))
            .map_err(|error| failed(format!("the descriptor cannot be read ({error})")))?;
        let line = text.lines().next().filter(|line| !line.is_empty());
        let line =
            line.ok_or_else(|| failed("there is no passphrase in it: its first line is taken".to_owned()))?;
        Ok(said.insert(Passphrase::new(line.to_owned())).clone())
    }

    /// How well it fits a key of this role: 0 not at all, 1 for all keys, 2 for its kind, 3 for this very role.
    fn fit(&self, role: &str) -> u8 {
        match self.role.as_deref() {
            None => 1,
            Some(named) if named == role => 3,
            Some("repository") if matches!(role, "targets" | "snapshot") => 2,
            Some("delegation") if !matches!(role, "root" | "targets" | "snapshot") => 2,
            Some(_) => 0,
        }
    }
}

/// The descriptors for a key of this role, the best fitting first.
pub(super) fn descriptors<'a>(fds: &'a [FdSource], role: &str) -> Vec<&'a FdSource> {
    let mut fitting: Vec<_> = fds.iter().filter(|fd| fd.fit(role) > 0).collect();
    fitting.sort_by_key(|fd| std::cmp::Reverse(fd.fit(role)));
    fitting
}

/// The variables of the environment that may hold the passphrase of a key of this role: docker's, then notary's.
/// Docker's for the repository is also the one for signers' keys.
pub fn variables(role: &str) -> &'static [&'static str] {
    match role {
        "root" => &["DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "NOTARY_ROOT_PASSPHRASE"],
        "targets" => &["DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "NOTARY_TARGETS_PASSPHRASE"],
        "snapshot" => &["DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "NOTARY_SNAPSHOT_PASSPHRASE"],
        _ => &["DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "NOTARY_DELEGATION_PASSPHRASE"],
    }
}

impl FromStr for FdSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (role, number) = match text.split_once('=') {
            Some(("", _)) => return Err("expected N, or ROLE=N".to_owned()),
            Some((role, number)) => (Some(role.to_owned()), number),
            None => (None, text),
        };
        let fd = number
            .parse()
            .map_err(|_| "expected the number of a file descriptor: N, or ROLE=N".to_owned())?;
        Ok(Self { role, fd, said: Arc::default() })
    }
}

impl fmt::Display for FdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.role {
            Some(role) => write!(f, "{role}={}", self.fd),
            None => write!(f, "{}", self.fd),
        }
    }
}

impl fmt::Debug for FdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FdSource({self})")
    }
}
