//! [`PinSource`]: where the PIN comes from. None is ever tried by default: a wrong one burns a retry.

use std::io::Read as _;

use anyhow::{Context as _, bail};
use cryptoki::types::AuthPin;

use crate::uri::Uri;

const VARIABLE: &str = "TAGSEAL_PKCS11_PIN";
/// No token has a longer one.
const MAX_BYTES: u64 = 255;

/// Where the PIN comes from, beside the URI, the environment and the terminal.
pub struct PinSource {
    /// A file descriptor.
    pub fd: Option<u32>,
}

impl PinSource {
    /// The PIN of a token.
    ///
    /// # Errors
    /// When nobody says it.
    pub fn pin(&self, uri: &Uri, token: &str) -> anyhow::Result<AuthPin> {
        let pin = if let Some(path) = &uri.pin_source {
            first_line(path).with_context(|| format!("cannot read the PIN from {}", path.display()))?
        } else if let Some(fd) = self.fd {
            let pin = first_line(std::path::Path::new(&format!("/dev/fd/{fd}")))
                .with_context(|| format!("cannot read the PIN from file descriptor {fd}"))?;
            if pin.is_empty() {
                // Each signature is by a process of its own, and the first has emptied a pipe.
                bail!(
                    "file descriptor {fd} has no PIN, or an earlier signature has read it: nothing was tried. For several \
                     signatures set {VARIABLE}, or name a file with pin-source in the URI"
                );
            }
            pin
        } else if let Some(pin) = std::env::var_os(VARIABLE) {
            pin.into_string().ok().with_context(|| format!("{VARIABLE} is not UTF-8"))?
        } else {
            rpassword::prompt_password(format!("PIN of the token {token}: ")).ok().with_context(|| {
                format!("the PIN of the token {token} is not known: set {VARIABLE}, give --pin-fd, or run this on a terminal")
            })?
        };
        if pin.is_empty() {
            bail!("the PIN of the token {token} is empty: nothing was tried");
        }
        Ok(AuthPin::new(pin.into_boxed_str()))
    }
}

fn first_line(path: &std::path::Path) -> anyhow::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
