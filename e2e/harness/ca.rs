//! The suite's certificate authority.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// An authority that nobody knows but who is given its certificate.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A serving certificate and its key.
pub struct Serving {
    pub certificate: rcgen::Certificate,
    pub key: KeyPair,
}

impl Authority {
    /// A new one.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Its certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for servers on loopback, tagseal's Service among them, and those that only a [`Tunnel`] leads to.
    ///
    /// [`Tunnel`]: super::tunnel::Tunnel
    pub fn issue(&self) -> Serving {
        self.issue_for(&["127.0.0.1", "localhost", "tagseal.tagseal-system.svc", "notary.test", "auth.test"])
    }

    /// A certificate for these hosts, by which clients may show themselves too.
    pub fn issue_for(&self, hosts: &[&str]) -> Serving {
        let names: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.extended_key_usages =
            vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth, rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Serving { certificate, key }
    }
}

impl Authority {
    /// A certificate for a client.
    pub fn issue_for_client(&self, name: &str) -> Serving {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Serving { certificate, key }
    }
}

impl Serving {
    /// Writes `NAME.crt` and `NAME.key` to `dir`.
    pub fn write(&self, dir: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (dir.join(format!("{name}.crt")), dir.join(format!("{name}.key")));
        fs::write(&certificate, self.certificate.pem()).expect("the certificate's file");
        fs::write(&key, self.key.serialize_pem()).expect("the key's file");
        (certificate, key)
    }
}
