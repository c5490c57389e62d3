//! Client certificates from files: those that options name, and those that docker has for a host.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use url::Url;
use zeroize::Zeroizing;

use super::authorities::host_folder;
use super::repository::read;
use super::trust::check_private;
use crate::notary::{ClientCertificate, ClientCertificateError};

/// Reads a certificate and its key.
///
/// # Errors
/// When one cannot be used: which file, why, and what helps.
pub fn from_files(certificate: &Path, key: &Path) -> anyhow::Result<ClientCertificate> {
    let chain = read(certificate)?;
    let secret = Zeroizing::new(read(key)?);
    check_private(key)?;
    ClientCertificate::from_pem(&chain, &secret).map_err(|error| {
        let (certificate, key) = (certificate.display(), key.display());
        match &error {
            ClientCertificateError::Encrypted => anyhow!(
                "the client key {key}: {error}: write it so with `openssl pkey -in {key} -out FILE`, and `chmod 600 FILE`"
            ),
            ClientCertificateError::Mismatch => anyhow!("the client key {key}: {error} in {certificate}"),
            error if error.is_of_certificate() => anyhow!("the client certificate {certificate}: {error}"),
            error => anyhow!("the client key {key}: {error}"),
        }
    })
}

/// What docker has for a server: the first of `HOST[:PORT]/NAME.cert` in a folder, with its `NAME.key`.
///
/// # Errors
/// When one of the two lacks the other, as docker has it, or cannot be used.
pub fn of_host(folder: &Path, server: &Url) -> anyhow::Result<Option<ClientCertificate>> {
    let Some(folder) = host_folder(folder, server) else { return Ok(None) };
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(None) };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let is = |path: &Path, extension: &str| path.extension() == Some(OsStr::new(extension));
    for key in files.iter().filter(|path| is(path, "key")) {
        let certificate = key.with_extension("cert");
        if !files.contains(&certificate) {
            bail!("the client key {} has no certificate beside it: {}", key.display(), certificate.display());
        }
    }
    let mut found = None;
    for certificate in files.iter().filter(|path| is(path, "cert")) {
        let key = certificate.with_extension("key");
        if !files.contains(&key) {
            bail!(
                "the client certificate {} has no key beside it: {}. The certificate of an authority ends in .crt",
                certificate.display(),
                key.display()
            );
        }
        if found.is_none() {
            found = Some(from_files(certificate, &key)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// `client.cert` and `client.key` in docker's layout.
    struct Layout {
        folder: tempfile::TempDir,
    }

    impl Layout {
        fn of(files: &[(&str, &str)]) -> Self {
            let layout = Self { folder: tempfile::tempdir().unwrap() };
            fs::create_dir(layout.host()).unwrap();
            for (name, text) in files {
                let path = layout.host().join(name);
                fs::write(&path, text).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            }
            layout
        }

        fn host(&self) -> PathBuf {
            self.folder.path().join("notary.test:4443")
        }

        fn read(&self) -> Result<Option<ClientCertificate>, String> {
            let server = "https://notary.test:4443/trust".parse().unwrap();
            of_host(self.folder.path(), &server).map_err(|error| error.to_string())
        }

        /// The error without the folder's name.
        fn error(&self) -> String {
            self.read().unwrap_err().replace(&format!("{}/", self.host().display()), "")
        }
    }

    /// A certificate and its key.
    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["client".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn a_certificate_stands_beside_its_key_whatever_their_name() {
        let (certificate, key) = pair();
        let layout =
            Layout::of(&[("ca.crt", "an authority"), ("robot.cert", &certificate), ("robot.key", &key)]);
        assert!(layout.read().unwrap().is_some());
        assert!(Layout::of(&[("ca.crt", "an authority")]).read().unwrap().is_none());
        let elsewhere = "https://notary.test".parse().unwrap();
        assert!(of_host(layout.folder.path(), &elsewhere).unwrap().is_none());
    }

    #[test]
    fn half_of_a_pair_is_told_by_the_file_that_lacks() {
        let (certificate, key) = pair();
        assert_eq!(
            Layout::of(&[("client.cert", &certificate)]).error(),
            "the client certificate client.cert has no key beside it: client.key. The certificate of an authority ends in .crt"
        );
        assert_eq!(
            Layout::of(&[("client.key", &key)]).error(),
            "the client key client.key has no certificate beside it: client.cert"
        );
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_the_reason() {
        let ((certificate, key), (_, other)) = (pair(), pair());
        let error = |certificate: &str, key: &str| {
            Layout::of(&[("client.cert", certificate), ("client.key", key)]).error()
        };
        assert_eq!(
            error(&certificate, &other),
            "the client key client.key: the private key is not that of the certificate in client.cert"
        );
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let older =
            "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n";
        let layout = Layout::of(&[("client.cert", &certificate), ("client.key", encrypted)]);
        let path = layout.host().join("client.key");
        assert_eq!(
            layout.read().unwrap_err(),
            format!(
                "the client key {0}: the private key is encrypted, and is needed without a passphrase: write it so with \
                 `openssl pkey -in {0} -out FILE`, and `chmod 600 FILE`",
                path.display()
            )
        );
        assert!(error(&certificate, older).contains("the private key is encrypted"));
        assert_eq!(
            error("", &key),
            "the client certificate client.cert: it has no certificate (-----BEGIN CERTIFICATE-----)"
        );
        assert_eq!(
            error(&certificate, &certificate),
            "the client key client.key: it has no private key (-----BEGIN PRIVATE KEY-----)"
        );
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_with_the_command_that_helps() {
        let (certificate, key) = pair();
        let layout = Layout::of(&[("client.cert", &certificate), ("client.key", &key)]);
        let path = layout.host().join("client.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let expected =
            format!("others may read the private key {0}: run `chmod 600 {0}` first", path.display());
        assert_eq!(layout.read().unwrap_err(), expected);
    }
}
