//! External keys in a trust directory: `private/<ID>.external.json`.

use std::path::PathBuf;

use super::access::{check_private_dir, entries, read_key};
use super::{StoredKey, TrustDir, TrustDirError};
use crate::publish::external::{ExternalKey, SUFFIX, id_of};
use crate::publish::key_file::MAX_KEY_FILE_BYTES;
use crate::tuf::KeyId;

impl TrustDir {
    /// The external key of this canonical ID.
    ///
    /// # Errors
    /// [`TrustDirError`] where its file is there and cannot be used.
    pub fn external(&self, id: &KeyId) -> Result<Option<ExternalKey>, TrustDirError> {
        let path = self.external_path(id);
        if !self.check_private()? {
            return Ok(None);
        }
        let Some(text) = read_key(&path, self.owner, MAX_KEY_FILE_BYTES)? else { return Ok(None) };
        let key = ExternalKey::parse(&text).map_err(|why| TrustDirError::new(&path, why))?;
        match key.id() == *id {
            true => Ok(Some(key)),
            false => Err(TrustDirError::new(
                &path,
                format!("is named after another key than its own, {}", key.id()),
            )),
        }
    }

    /// All external keys.
    pub(super) fn externals(&self) -> Result<Vec<StoredKey>, TrustDirError> {
        let private = self.private();
        if !self.check_private()? {
            return Ok(Vec::new());
        }
        check_private_dir(&private, self.owner)?;
        let mut keys = Vec::new();
        for entry in entries(&private)?.into_iter().filter(|entry| !entry.is_link && !entry.is_dir) {
            if let Some(id) = id_of(&entry.path)
                && let Some(key) = self.external(&id)?
            {
                let header = key.header().clone();
                keys.push(StoredKey { id, header, path: entry.path, external: Some(key) });
            }
        }
        Ok(keys)
    }

    /// Writes an external key's file (0600), atomically.
    ///
    /// # Errors
    /// [`TrustDirError`].
    pub fn add_external(&self, key: &ExternalKey) -> Result<PathBuf, TrustDirError> {
        self.disk.make_dirs(&self.private())?;
        self.check_private()?;
        let path = self.external_path(&key.id());
        self.disk.write_atomically(&path, key.to_text().as_bytes())?;
        Ok(path)
    }

    fn external_path(&self, id: &KeyId) -> PathBuf {
        self.private().join(format!("{id}{SUFFIX}"))
    }
}
