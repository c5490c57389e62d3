//! Which key a user means: an ID or the beginning of one, a role, a signer's name, a file.

use std::path::Path;

use anyhow::{Context as _, bail};

use super::session::Session;
use super::token_key;
use crate::cli::repository::read;
use crate::clock::{Clock as _, SystemClock};
use crate::publish::key::PublicForm;
use crate::publish::key_file::{KeyFile, KeyHeader};
use crate::publish::trust_dir::{StoredKey, TrustDir};
use crate::tuf::{CertificateChain, Gun, KeyId};

/// The fewest digits of an ID that count: as docker shows it.
const MIN_DIGITS: usize = 7;

/// The key that `text` names: an ID, the beginning of one, or a role or signer's name that one key alone has.
///
/// # Errors
/// When there is none, or several.
pub(super) fn find(dir: &TrustDir, text: &str) -> anyhow::Result<StoredKey> {
    let keys = dir.keys()?;
    let is_id = text.len() >= MIN_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let lower = text.to_ascii_lowercase();
    let by_id = |key: &&StoredKey| is_id && key.id.to_string().starts_with(&lower);
    let by_name = |key: &&StoredKey| key.header.role.as_deref() == Some(text);
    let mut found: Vec<_> = keys.iter().filter(by_id).collect();
    if found.is_empty() {
        found = keys.iter().filter(by_name).collect();
    }
    match found.as_slice() {
        [key] => Ok((*key).clone()),
        [] => bail!(
            "there is no private key {text:?} in {}: `tagseal trust key list` shows those that are",
            dir.path().display()
        ),
        several => bail!(
            "{text:?} is the name of several keys, say which by its ID: {}",
            several.iter().map(|key| key.id.to_string()).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// The key that `text` names, for `role`: one of the trust directory, or a file or a token's, which goes into
/// it first.
///
/// # Errors
/// When it is neither.
pub(super) fn choose(
    session: &Session<'_>,
    text: &str,
    role: &str,
    gun: Option<&Gun>,
) -> anyhow::Result<KeyId> {
    if token_key::is_uri(text) {
        return token_key::take(session, text, role, gun);
    }
    let path = Path::new(text);
    if !path.is_file() {
        return Ok(find(&session.dir, text)?.id);
    }
    let file = KeyFile::parse(&read(path)?).with_context(|| path.display().to_string())?;
    let key = session.passphrases.open(&file, role, path)?;
    let header = KeyHeader { role: Some(role.to_owned()), gun: gun.cloned() };
    let sealed = super::key::seal(&session.passphrases, &key, header)?;
    session.dir.add_key(&key.id(), &sealed)?;
    Ok(key.id())
}

/// The root key that was named, if one was.
///
/// # Errors
/// As [`choose`].
pub(super) fn root_key(session: &Session<'_>, named: Option<&str>) -> anyhow::Result<Option<KeyId>> {
    named.map(|key| choose(session, key, "root", None)).transpose()
}

/// Looks at the certificates that stand beside a private key: as with those of a delegation, one that is not valid is not taken.
///
/// # Errors
/// When one has expired, begins in the future, or is none.
pub(super) fn check_certificates(text: &str, path: &Path) -> anyhow::Result<()> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let blocks = text.split(BEGIN).skip(1).filter_map(|rest| rest.split(END).next());
    let certificates: String = blocks.map(|block| format!("{BEGIN}{block}{END}\n")).collect();
    if certificates.is_empty() {
        return Ok(());
    }
    let checked =
        CertificateChain::from_pem(&certificates).and_then(|chain| chain.check_validity(SystemClock.now()));
    checked.with_context(|| path.display().to_string())
}

/// The public keys in these files.
///
/// # Errors
/// When one has none.
pub(super) fn public_keys<P: AsRef<Path>>(files: &[P]) -> anyhow::Result<Vec<PublicForm>> {
    let key = |path: &P| {
        let path = path.as_ref();
        let text = read(path)?;
        if text.contains("PRIVATE KEY-----") && text.contains("-----BEGIN CERTIFICATE-----") {
            bail!(
                "{0} holds a private key beside a certificate: give the certificate alone, as `openssl x509 -in {0} -out NAME.crt` \
                 writes it",
                path.display()
            );
        }
        if text.contains("PRIVATE KEY-----") {
            bail!(
                "{} is a private key: give the public one (`tagseal trust key generate` writes NAME.pub beside it)",
                path.display()
            );
        }
        let form = PublicForm::from_pem(&text).with_context(|| {
            format!("{} is neither a public key nor a certificate that can sign", path.display())
        })?;
        if let Some(certificate) = form.key()?.certificate() {
            certificate.check_validity(SystemClock.now()).with_context(|| path.display().to_string())?;
        }
        Ok(form)
    };
    files.iter().map(key).collect()
}
