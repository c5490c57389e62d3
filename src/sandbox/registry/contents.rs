//! What a registry holds.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::digest::Digest;

/// So many uploads are under way at most; the oldest is forgotten then.
const MAX_UPLOADS: usize = 64;

/// All repositories, and the uploads under way.
#[derive(Debug, Default)]
pub(super) struct Contents {
    repositories: BTreeMap<String, Repository>,
    uploads: BTreeMap<u64, Vec<u8>>,
    next_upload: u64,
}

#[derive(Debug, Default)]
struct Repository {
    manifests: BTreeMap<Digest, Manifest>,
    tags: BTreeMap<String, Digest>,
    /// By the digest that they had when they came.
    blobs: BTreeMap<Digest, Bytes>,
}

/// A manifest as it was pushed.
#[derive(Debug, Clone)]
pub(super) struct Manifest {
    pub(super) media_type: String,
    pub(super) bytes: Bytes,
}

impl Contents {
    pub(super) fn names(&self) -> Vec<String> {
        self.repositories.keys().cloned().collect()
    }

    /// The tags; `None` for a repository that is not there.
    pub(super) fn tags(&self, name: &str) -> Option<Vec<String>> {
        Some(self.repositories.get(name)?.tags.keys().cloned().collect())
    }

    pub(super) fn tag(&self, name: &str, tag: &str) -> Option<Digest> {
        self.repositories.get(name)?.tags.get(tag).copied()
    }

    pub(super) fn manifest(&self, name: &str, digest: Digest) -> Option<Manifest> {
        self.repositories.get(name)?.manifests.get(&digest).cloned()
    }

    pub(super) fn blob(&self, name: &str, digest: Digest) -> Option<Bytes> {
        self.repositories.get(name)?.blobs.get(&digest).cloned()
    }

    pub(super) fn add_blob(&mut self, name: &str, bytes: Bytes) -> Digest {
        let digest = Digest::of(&bytes);
        self.repository(name).blobs.insert(digest, bytes);
        digest
    }

    pub(super) fn add_manifest(
        &mut self,
        name: &str,
        tag: Option<&str>,
        media_type: String,
        bytes: Bytes,
    ) -> Digest {
        let digest = Digest::of(&bytes);
        let repository = self.repository(name);
        repository.manifests.insert(digest, Manifest { media_type, bytes });
        if let Some(tag) = tag {
            repository.tags.insert(tag.to_owned(), digest);
        }
        digest
    }

    pub(super) fn corrupt(&mut self, name: &str, digest: Digest) -> bool {
        let blob = self.repositories.get_mut(name).and_then(|repository| repository.blobs.get_mut(&digest));
        let Some(blob) = blob.filter(|blob| !blob.is_empty()) else { return false };
        let mut bytes = blob.to_vec();
        if let Some(byte) = bytes.last_mut() {
            *byte ^= 1;
        }
        *blob = bytes.into();
        true
    }

    /// Begins an upload, and says by which number it goes on.
    pub(super) fn begin_upload(&mut self) -> u64 {
        if self.uploads.len() >= MAX_UPLOADS {
            self.uploads.pop_first();
        }
        self.next_upload += 1;
        self.uploads.insert(self.next_upload, Vec::new());
        self.next_upload
    }

    /// Adds to an upload; `None` where there is none of this number, or it would be larger than `limit`.
    pub(super) fn append(&mut self, upload: u64, bytes: &[u8], limit: usize) -> Option<usize> {
        let so_far = self.uploads.get_mut(&upload)?;
        if so_far.len() + bytes.len() > limit {
            return None;
        }
        so_far.extend_from_slice(bytes);
        Some(so_far.len())
    }

    /// Ends an upload, and hands out what came.
    pub(super) fn finish(&mut self, upload: u64) -> Option<Vec<u8>> {
        self.uploads.remove(&upload)
    }

    fn repository(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }
}
