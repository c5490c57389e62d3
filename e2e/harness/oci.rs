//! OCI images, made, pushed and pulled with nothing but HTTP, tar and gzip: there is no container engine.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::http::{CLIENT, answers};
use super::poll::eventually;
use super::process::Process;
use super::run::{RUN, RUNTIME, tool};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The registry that everybody runs (CNCF distribution).
pub struct Distribution {
    host: String,
    _process: Process,
}

/// An image of one layer.
pub struct Image {
    layer: Vec<u8>,
    config: Vec<u8>,
}

impl Distribution {
    /// One without images, over plain http.
    pub fn start(name: &str) -> Self {
        let dir = RUN.folder(&format!("distribution-{name}"));
        let host = format!("127.0.0.1:{}", RUN.free_port());
        let config = json!({
            "version": "0.1", "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": dir.join("store")}},
            "http": {"addr": host},
        });
        fs::write(dir.join("config.yml"), config.to_string()).expect("the configuration");
        let mut process = Process::start("registry", &tool("registry"), ["serve", "config.yml"], &dir);
        eventually("the registry answers", Duration::from_secs(20), || {
            process.runs();
            answers(&format!("http://{host}/v2/"))
        });
        Self { host, _process: process }
    }

    /// Pushes `image`; answers its digest.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) -> String {
        for blob in [&image.layer, &image.config] {
            let (_, location, _) = self.call(Method::POST, &format!("/v2/{repository}/blobs/uploads/"), None);
            let separator = if location.contains('?') { '&' } else { '?' };
            let target = format!("{location}{separator}digest={}", digest(blob));
            let (status, ..) = self.call(Method::PUT, &target, Some(("application/octet-stream", blob)));
            assert_eq!(status, StatusCode::CREATED, "{target}");
        }
        let manifest = image.manifest().to_string().into_bytes();
        let target = format!("/v2/{repository}/manifests/{tag}");
        let (status, ..) = self.call(Method::PUT, &target, Some((MANIFEST, &manifest)));
        assert_eq!(status, StatusCode::CREATED, "{target}");
        digest(&manifest)
    }

    /// Pulls an image by its digest, and unpacks its layers into `root`. Answers its configuration.
    pub fn pull(&self, repository: &str, by: &str, root: &Path) -> Value {
        let manifest: Value = read(&self.verified(&format!("/v2/{repository}/manifests/{by}"), by));
        let blob = |of: &Value| {
            let digest = of["digest"].as_str().expect("a digest");
            let content = self.verified(&format!("/v2/{repository}/blobs/{digest}"), digest);
            assert_eq!(of["size"], content.len());
            content
        };
        let config: Value = read(&blob(&manifest["config"]));
        for (layer, id) in manifest["layers"]
            .as_array()
            .expect("layers")
            .iter()
            .zip(config["rootfs"]["diff_ids"].as_array().expect("the layers' IDs"))
        {
            let mut unpacked = Vec::new();
            GzDecoder::new(blob(layer).as_slice()).read_to_end(&mut unpacked).expect("gzip");
            assert_eq!(digest(&unpacked), id.as_str().expect("an ID"));
            let mut archive = tar::Archive::new(unpacked.as_slice());
            archive.set_preserve_permissions(true);
            archive.unpack(root).expect("a layer");
        }
        config
    }

    fn verified(&self, path: &str, expected: &str) -> Vec<u8> {
        let (status, _, content) = self.call(Method::GET, path, None);
        assert_eq!((status, digest(&content).as_str()), (StatusCode::OK, expected), "{path}");
        content
    }

    /// One request; answers status, `Location` and body.
    fn call(
        &self,
        method: Method,
        target: &str,
        body: Option<(&str, &[u8])>,
    ) -> (StatusCode, String, Vec<u8>) {
        let url = if target.starts_with("http:") {
            target.to_owned()
        } else {
            format!("http://{}{target}", self.host)
        };
        let mut request = CLIENT.request(method, &url).header("accept", MANIFEST);
        if let Some((kind, content)) = body {
            request = request.header("content-type", kind).body(content.to_vec());
        }
        RUNTIME.block_on(async {
            let response = request.send().await.unwrap_or_else(|error| panic!("{url}: {error}"));
            let location =
                response.headers().get("location").and_then(|value| value.to_str().ok()).unwrap_or("");
            let (status, location) = (response.status(), location.to_owned());
            (status, location, response.bytes().await.expect("a body").to_vec())
        })
    }
}

impl Image {
    /// Of these files (where they are, where they go), with this configuration.
    pub fn new(files: &[(PathBuf, String)], config: &Value) -> Self {
        let mut archive = tar::Builder::new(Vec::new());
        for (file, place) in files {
            let content = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(if place == "/tagseal" { 0o755 } else { 0o644 });
            let place = place.trim_start_matches('/');
            archive.append_data(&mut header, place, content.as_slice()).expect("a file in an archive");
        }
        let unpacked = archive.into_inner().expect("an archive");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        std::io::Write::write_all(&mut gzip, &unpacked).expect("gzip");
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = json!({
            "architecture": architecture, "os": "linux", "config": config,
            "rootfs": {"type": "layers", "diff_ids": [digest(&unpacked)]},
        });
        Self { layer: gzip.finish().expect("gzip"), config: config.to_string().into_bytes() }
    }

    fn manifest(&self) -> Value {
        let descriptor = |kind: &str, content: &[u8]| json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest(content), "size": content.len()});
        json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": descriptor("config.v1+json", &self.config),
            "layers": [descriptor("layer.v1.tar+gzip", &self.layer)],
        })
    }
}

fn digest(content: &[u8]) -> String {
    let hash = Sha256::digest(content);
    format!("sha256:{}", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn read(content: &[u8]) -> Value {
    serde_json::from_slice(content).expect("JSON")
}
