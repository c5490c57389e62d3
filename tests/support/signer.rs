//! A signer of Notary v1 repositories, independent of the code under test: its own canonical JSON, key IDs and signatures.

mod canonical;
mod certificate;
mod files;
mod key;
mod publish;
mod repository;
mod rsa;

pub use canonical::canonical;
pub use certificate::{CertificateSpec, TestCa};
pub use files::ServedFiles;
pub use key::{Signature, SignatureForm, TestKey};
pub use repository::TestRepository;

use sha2::{Digest as _, Sha256};
use tagseal::digest::Digest;

/// The digest of an imagined image: the sha256 of its name.
pub fn image_digest(name: &str) -> Digest {
    Digest::from_bytes(sha256(name.as_bytes()))
}

pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

pub(crate) fn hex(data: &[u8]) -> String {
    data.iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn base64(data: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(data)
}
