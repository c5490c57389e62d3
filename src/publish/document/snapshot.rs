//! [`Snapshot`]: which files are current, where its key is a local one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256, Sha512};

use super::{Document, DocumentError, number, object, text};
use crate::tuf::RoleName;
use crate::tuf::canonical::Value;

/// Three years.
const DAYS: i32 = 1095;

/// A snapshot that is being edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::publish) struct Snapshot(pub(in crate::publish) Document);

impl Snapshot {
    /// The snapshot of a new repository.
    pub(in crate::publish) fn new() -> Self {
        Self(Document::new("Snapshot", [("meta", Value::Object(Default::default()))]))
    }

    /// Reads a verified file.
    pub(in crate::publish) fn read(bytes: &[u8]) -> Result<Self, DocumentError> {
        Document::read(bytes).map(Self)
    }

    /// Lists the role's file.
    pub(in crate::publish) fn list(&mut self, role: &RoleName, bytes: &[u8]) -> Result<(), DocumentError> {
        let hashes = object([
            ("sha256", text(&STANDARD.encode(Sha256::digest(bytes)))),
            ("sha512", text(&STANDARD.encode(Sha512::digest(bytes)))),
        ]);
        let entry = object([("hashes", hashes), ("length", number(bytes.len() as u64))]);
        self.0.object_mut("meta")?.insert(role.as_str().to_owned(), entry);
        self.0.touch();
        Ok(())
    }

    /// Lists the role and whatever is below it no more.
    pub(in crate::publish) fn remove(&mut self, role: &RoleName) -> Result<(), DocumentError> {
        let below = format!("{role}/");
        let meta = self.0.object_mut("meta")?;
        meta.retain(|name, _| name != role.as_str() && !name.starts_with(&below));
        self.0.touch();
        Ok(())
    }

    /// The next version, for three years.
    pub(in crate::publish) fn renew(&mut self, now: Timestamp) -> Result<(), DocumentError> {
        self.0.renew(0, now, DAYS)
    }
}
