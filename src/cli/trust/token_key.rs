//! Root keys in tokens: a `pkcs11:` URI where a root key is named, and the program that signs with it.

use std::path::Path;

use anyhow::{Context as _, bail};

use super::session::Session;
use crate::cli::passphrases::tell_of_touch;
use crate::publish::external::{ExternalKey, PATIENCE, Program};
use crate::publish::key_file::KeyHeader;
use crate::tuf::{Gun, KeyId};

/// The program that speaks to tokens.
const HELPER: &str = "tagseal-pkcs11";
/// The token in which root keys are made, where nothing else is said.
const CONFIGURED: &str = "TAGSEAL_PKCS11";

/// Whether `text` is a URI of a token.
pub(super) fn is_uri(text: &str) -> bool {
    text.starts_with("pkcs11:")
}

/// The key that the URI names. A root key is made where the token has none.
///
/// # Errors
/// When the token cannot be reached, or the key is not one that can sign.
pub(super) fn take(session: &Session<'_>, uri: &str, role: &str, gun: Option<&Gun>) -> anyhow::Result<KeyId> {
    let program = Program::new(vec![helper()], PATIENCE).context("no program is named")?;
    let describe = || {
        tell_of_touch(role, uri, program.words());
        let header = KeyHeader { role: Some(role.to_owned()), gun: gun.cloned() };
        ExternalKey::describe(program.clone(), uri.to_owned(), Default::default(), header, None)
    };
    let key = match describe() {
        Err(error) if error.reason() == Some("KEY_NOT_FOUND") && role == "root" => {
            program.generate(uri)?;
            describe()?
        }
        described => described?,
    };
    if session.dir.key(&key.id())?.is_some() {
        bail!(
            "the private key {0} is in the trust directory too, and would sign instead: remove it first (`tagseal trust key remove \
             {0}`)",
            key.id()
        );
    }
    session.dir.add_external(&key)?;
    Ok(key.id())
}

/// The root key of a new repository where none is named: one in the token that `TAGSEAL_PKCS11` names, if there is no root key in the
/// trust directory.
///
/// # Errors
/// As [`take`].
pub(super) fn configured(session: &Session<'_>) -> anyhow::Result<Option<KeyId>> {
    let Some(uri) = std::env::var_os(CONFIGURED).filter(|uri| !uri.is_empty()) else { return Ok(None) };
    let uri = uri.into_string().ok().filter(|uri| is_uri(uri));
    let uri = uri.with_context(|| format!("{CONFIGURED} is no pkcs11: URI"))?;
    let has_root = session.dir.keys()?.iter().any(|key| key.header.role.as_deref() == Some("root"));
    if has_root { Ok(None) } else { take(session, &uri, "root", None).map(Some) }
}

/// The program beside this one, or else the one on the PATH.
fn helper() -> String {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(HELPER));
    beside
        .filter(|path| Path::is_file(path))
        .map_or_else(|| HELPER.to_owned(), |path| path.display().to_string())
}
