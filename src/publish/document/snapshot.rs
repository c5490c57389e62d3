//! [`Snapshot`]: which files are current, where its key is a local one.

use jiff::Timestamp;

use super::{Document, DocumentError};
use crate::tuf::RoleName;
use crate::tuf::canonical::Value;
use crate::tuf::upload::listing;

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
        self.0.object_mut("meta")?.insert(role.as_str().to_owned(), listing(bytes));
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

    /// The version after its own and after `floor`, for three years.
    pub(in crate::publish) fn renew_after(
        &mut self,
        floor: u64,
        now: Timestamp,
    ) -> Result<(), DocumentError> {
        self.0.renew(floor, now, DAYS)
    }
}
