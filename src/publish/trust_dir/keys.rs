//! The keys of a trust directory: `private/<ID>.key`, and the layouts of older versions.

use std::path::{Path, PathBuf};

use super::access::{check_private_dir, entries, read_key};
use super::{StoredKey, TrustDir, TrustDirError};
use crate::publish::key_file::{KeyFile, KeyHeader, MAX_KEY_FILE_BYTES};
use crate::tuf::{Gun, KeyId};

/// Folders of keys nest at most this deep: `tuf_keys`, and a GUN's segments.
const MAX_DEPTH: usize = 64;

/// A key file by what its place and name say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::publish) struct KeyPlace {
    pub(in crate::publish) id: KeyId,
    /// What older versions said by the file's name and folder.
    header: KeyHeader,
}

impl KeyPlace {
    /// Reads a path below `private`: `ID.key`; or, before 0.4, `root_keys/ID[_root].key`, `tuf_keys/GUN/ID[_role].key` and
    /// `tuf_keys/ID.key` (Notary v1, "Layout"). Other names are no keys.
    pub(in crate::publish) fn parse(folders: &[&str], name: &str) -> Option<Self> {
        let stem = name.strip_suffix(".key")?;
        let (id, suffix) = stem.split_at_checked(64)?;
        let id = KeyId::from_hex(id).ok()?;
        let role = match suffix.strip_prefix('_') {
            Some(role) if !role.is_empty() => Some(role.to_owned()),
            _ if suffix.is_empty() => None,
            _ => return None,
        };
        let header = match folders {
            [] => KeyHeader { role, gun: None },
            ["root_keys", ..] => KeyHeader { role: role.or_else(|| Some("root".to_owned())), gun: None },
            ["tuf_keys"] => KeyHeader { role, gun: None },
            ["tuf_keys", gun @ ..] => KeyHeader { role, gun: Gun::new(&gun.join("/")).ok() },
            _ => return None,
        };
        Some(Self { id, header })
    }

    /// The file with what its place says where it does not say so itself.
    pub(in crate::publish) fn complete(&self, file: &KeyFile) -> KeyFile {
        let role = file.header().role.clone().or_else(|| self.header.role.clone());
        let gun = file.header().gun.clone().or_else(|| self.header.gun.clone());
        let header = KeyHeader { role, gun };
        let file = if &header == file.header() { file.clone() } else { file.with_header(header) };
        file.expecting(self.id)
    }
}

impl TrustDir {
    /// The folder of keys.
    pub(in crate::publish) fn private(&self) -> PathBuf {
        self.path.join("private")
    }

    /// All keys, those of older layouts and external ones included; sorted by role, repository and ID. Files that are not named like keys, and
    /// symbolic links, are skipped, as notary does.
    ///
    /// # Errors
    /// [`TrustDirError`] for a key file that cannot be read.
    pub fn keys(&self) -> Result<Vec<StoredKey>, TrustDirError> {
        let mut keys: Vec<StoredKey> = Vec::new();
        for (place, path) in self.key_places()? {
            if keys.iter().any(|known| known.id == place.id) {
                continue;
            }
            if let Some(file) = self.read(&place, &path)? {
                keys.push(StoredKey { id: place.id, header: file.header().clone(), path, external: None });
            }
        }
        for key in self.externals()? {
            if !keys.iter().any(|known| known.id == key.id) {
                keys.push(key);
            }
        }
        keys.sort_by(|a, b| {
            (&a.header.role, &a.header.gun, a.id).cmp(&(&b.header.role, &b.header.gun, b.id))
        });
        Ok(keys)
    }

    /// The key file of this canonical ID. It opens only if it holds that key.
    ///
    /// # Errors
    /// [`TrustDirError`] where it is there and cannot be read.
    pub fn key(&self, id: &KeyId) -> Result<Option<KeyFile>, TrustDirError> {
        let name = format!("{id}.key");
        let private = self.private();
        if !self.check_private()? {
            return Ok(None);
        }
        if let Some(place) = KeyPlace::parse(&[], &name)
            && let Some(file) = self.read(&place, &private.join(&name))?
        {
            return Ok(Some(file));
        }
        let mut places = self.key_places()?.into_iter().filter(|(place, _)| place.id == *id);
        places.next().map_or(Ok(None), |(place, path)| self.read(&place, &path))
    }

    /// Writes a key file (0600), atomically. The same key may be written again.
    ///
    /// # Errors
    /// [`TrustDirError`].
    pub fn add_key(&self, id: &KeyId, file: &KeyFile) -> Result<PathBuf, TrustDirError> {
        let private = self.private();
        self.disk.make_dirs(&private)?;
        self.check_private()?;
        let path = private.join(format!("{id}.key"));
        self.disk.write_atomically(&path, file.pem().as_bytes())?;
        Ok(path)
    }

    /// Removes a key, wherever its file is.
    ///
    /// # Errors
    /// [`TrustDirError`], also when it is not here.
    pub fn remove_key(&self, id: &KeyId) -> Result<(), TrustDirError> {
        let mut found = false;
        for (place, path) in self.key_places()? {
            if place.id == *id {
                self.disk.remove_file(&path)?;
                self.disk.sync_parent(&path)?;
                found = true;
            }
        }
        if let Some(key) = self.externals()?.into_iter().find(|key| key.id == *id) {
            self.disk.remove_file(&key.path)?;
            self.disk.sync_parent(&key.path)?;
            found = true;
        }
        if found { Ok(()) } else { Err(TrustDirError::new(&self.private(), format!("has no key {id}"))) }
    }

    /// All key files, today's layout first.
    fn key_places(&self) -> Result<Vec<(KeyPlace, PathBuf)>, TrustDirError> {
        let mut places = Vec::new();
        if self.check_private()? {
            self.walk(&self.private(), &mut Vec::new(), &mut places)?;
        }
        Ok(places)
    }

    fn walk(
        &self,
        folder: &Path,
        folders: &mut Vec<String>,
        places: &mut Vec<(KeyPlace, PathBuf)>,
    ) -> Result<(), TrustDirError> {
        let (inner, files): (Vec<_>, Vec<_>) =
            entries(folder)?.into_iter().filter(|entry| !entry.is_link).partition(|entry| entry.is_dir);
        let names: Vec<&str> = folders.iter().map(String::as_str).collect();
        for entry in files {
            if let Some(place) = KeyPlace::parse(&names, &entry.name) {
                places.push((place, entry.path));
            }
        }
        for entry in inner {
            let is_of_keys = !folders.is_empty() || matches!(&*entry.name, "root_keys" | "tuf_keys");
            if is_of_keys && folders.len() < MAX_DEPTH {
                check_private_dir(&entry.path, self.owner)?;
                folders.push(entry.name);
                self.walk(&entry.path, folders, places)?;
                folders.pop();
            }
        }
        Ok(())
    }

    fn read(&self, place: &KeyPlace, path: &Path) -> Result<Option<KeyFile>, TrustDirError> {
        let Some(text) = read_key(path, self.owner, MAX_KEY_FILE_BYTES)? else { return Ok(None) };
        let file = KeyFile::parse(&text).map_err(|error| TrustDirError::new(path, error))?;
        Ok(Some(place.complete(&file)))
    }

    /// Whether there is a folder of keys; that it is private is checked.
    pub(super) fn check_private(&self) -> Result<bool, TrustDirError> {
        let private = self.private();
        match std::fs::symlink_metadata(&private) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            _ => check_private_dir(&private, self.owner).map(|()| true),
        }
    }
}
