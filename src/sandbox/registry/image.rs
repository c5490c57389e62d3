//! [`SampleImage`]: tiny, valid OCI images: one layer with one file. The same text makes the same digests, always.

use bytes::Bytes;
use serde_json::json;

use crate::digest::Digest;

/// An image manifest's media type.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An image configuration's media type.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// A layer's media type: not compressed, so that its digest depends on no library.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The size of a tar block.
const BLOCK: usize = 512;
/// The file in the layer.
const FILE: &str = "message.txt";

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleImage {
    manifest: Bytes,
    config: Bytes,
    layer: Bytes,
}

impl SampleImage {
    /// An image whose one layer has the file `message.txt` with this text.
    pub fn new(message: &str) -> Self {
        let layer = tar(FILE, message.as_bytes());
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": [format!("/{FILE}")]},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer).to_string()]},
        });
        let config = config.to_string().into_bytes();
        let descriptor = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len()});
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": [descriptor(LAYER, &layer)],
        });
        Self { manifest: manifest.to_string().into(), config: config.into(), layer: layer.into() }
    }

    /// The digest that the image is known by.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    /// The layer's digest.
    pub fn layer_digest(&self) -> Digest {
        Digest::of(&self.layer)
    }

    /// The manifest.
    pub fn manifest(&self) -> &Bytes {
        &self.manifest
    }

    /// The configuration.
    pub fn config(&self) -> &Bytes {
        &self.config
    }

    /// The layer.
    pub fn layer(&self) -> &Bytes {
        &self.layer
    }
}

/// A tar archive with one file, dated 1970 (POSIX.1-1988, "ustar Interchange Format").
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; BLOCK];
    let mut put = |at: usize, field: &[u8]| {
        header.iter_mut().skip(at).zip(field).for_each(|(byte, value)| *byte = *value);
    };
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    // The checksum counts its own field as blanks.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let checksum = format!("{sum:06o}\0 ");
    header.iter_mut().skip(148).zip(checksum.as_bytes()).for_each(|(byte, value)| *byte = *value);
    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    archive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_makes_the_same_image_and_another_text_another() {
        assert_eq!(SampleImage::new("web 1.4"), SampleImage::new("web 1.4"));
        assert_ne!(SampleImage::new("web 1.4").digest(), SampleImage::new("web 1.5").digest());
    }

    #[test]
    fn a_manifest_names_its_blobs_by_digest_and_size() {
        let image = SampleImage::new("hello\n");
        let manifest: serde_json::Value = serde_json::from_slice(image.manifest()).unwrap();
        assert_eq!(manifest["config"]["digest"], Digest::of(image.config()).to_string());
        assert_eq!(manifest["layers"][0]["digest"], image.layer_digest().to_string());
        assert_eq!(manifest["layers"][0]["size"], image.layer().len());
        let config: serde_json::Value = serde_json::from_slice(image.config()).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], image.layer_digest().to_string());
    }

    #[test]
    fn a_layer_is_a_tar_archive_that_tar_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("layer.tar");
        std::fs::write(&path, SampleImage::new("hello\n").layer()).unwrap();
        let listed = std::process::Command::new("tar").arg("-xOf").arg(&path).arg(FILE).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&listed.stdout), "hello\n", "{listed:?}");
    }
}
