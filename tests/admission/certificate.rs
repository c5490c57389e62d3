//! Serving certificates in files, as a Secret's volume has them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::CryptoProvider;
use tagseal::webhook::{CertificateError, CertificateFiles, ServingCertificate};
use tempfile::TempDir;

use crate::support::{days, t};

/// When the tests happen.
pub fn now() -> Timestamp {
    t("2026-11-21T12:00:00Z")
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
    pub der: Vec<u8>,
}

/// A certificate for `name`, valid ten days around [`now`].
pub fn pair(name: &str) -> Pair {
    pair_valid(&[name], now() - days(5), now() + days(5))
}

pub fn pair_valid(names: &[&str], from: Timestamp, until: Timestamp) -> Pair {
    let at =
        |time: Timestamp| (UNIX_EPOCH + Duration::from_secs(u64::try_from(time.as_second()).unwrap())).into();
    let key = KeyPair::generate().unwrap();
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    (params.not_before, params.not_after) = (at(from), at(until));
    let certificate = params.self_signed(&key).unwrap();
    Pair { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec() }
}

/// A folder laid out as kubelet does: files that are links through `..data`, which is itself a link and is swapped.
pub struct Volume {
    folder: TempDir,
    generation: u32,
}

impl Volume {
    pub fn new(pair: &Pair) -> Self {
        let mut volume = Self { folder: TempDir::new().unwrap(), generation: 0 };
        volume.swap(pair);
        for file in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{file}"), volume.path(file)).unwrap();
        }
        volume
    }

    /// Puts another pair in its place, in one step.
    pub fn swap(&mut self, pair: &Pair) {
        self.generation += 1;
        let data = format!("..generation_{}", self.generation);
        fs::create_dir(self.path(&data)).unwrap();
        fs::write(self.path(&data).join("tls.crt"), &pair.certificate).unwrap();
        fs::write(self.path(&data).join("tls.key"), &pair.key).unwrap();
        symlink(&data, self.path("..data_tmp")).unwrap();
        fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn files(&self) -> CertificateFiles {
        CertificateFiles { certificate: self.path("tls.crt"), key: self.path("tls.key") }
    }

    pub fn load(&self) -> Result<ServingCertificate, CertificateError> {
        ServingCertificate::load(self.files(), provider(), now())
    }
}

pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
