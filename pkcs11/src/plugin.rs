//! The commands of a signature plugin: JSON on standard input and output (the Notary Project's specs/plugin-extensibility.md). The key ID
//! is a `pkcs11:` URI. `describe-key` tells the public key and the hash besides, and `generate-key` makes a key: both are tagseal's own.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use crate::keys::NotFound;
use crate::pin::PinSource;
use crate::token::Module;
use crate::uri::Uri;

/// More than any request.
const MAX_REQUEST: u64 = 64 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    key_id: String,
    hash_algorithm: Option<String>,
    payload: Option<String>,
}

/// `get-plugin-metadata`.
pub fn metadata() -> anyhow::Result<String> {
    Ok(json!({
        "name": "tagseal-pkcs11", "description": "Signs with keys in PKCS#11 tokens",
        "version": env!("CARGO_PKG_VERSION"), "url": "docs/keys.md of tagseal",
        "supportedContractVersions": ["1.0"], "capabilities": ["SIGNATURE_GENERATOR.RAW"],
    })
    .to_string())
}

/// `describe-key`.
pub fn describe_key(module: Option<PathBuf>) -> anyhow::Result<String> {
    let (request, uri) = request()?;
    let key = Module::load(&uri, module)?.token(&uri)?.open(false)?.find(&uri)?;
    Ok(described(&request, &key.public_pem()))
}

/// `generate-key`.
pub fn generate_key(module: Option<PathBuf>, pins: &PinSource) -> anyhow::Result<String> {
    let (request, uri) = request()?;
    let key = Module::load(&uri, module)?.token(&uri)?.log_in(&uri, pins)?.generate(&uri)?;
    Ok(described(&request, &key.public_pem()))
}

/// `generate-signature`.
pub fn generate_signature(module: Option<PathBuf>, pins: &PinSource) -> anyhow::Result<String> {
    let (request, uri) = request()?;
    match request.hash_algorithm.as_deref() {
        Some("SHA-256") => {}
        other => bail!("it signs SHA-256 alone, not {}", other.unwrap_or("nothing")),
    }
    let payload = request.payload.as_deref().context("the request has no payload")?;
    let payload = STANDARD.decode(payload).context("the payload is no base64")?;
    let session = Module::load(&uri, module)?.token(&uri)?.log_in(&uri, pins)?;
    let signature = session.sign(&session.find(&uri)?, &payload)?;
    Ok(json!({
        "keyId": request.key_id, "signature": STANDARD.encode(signature), "signingAlgorithm": "ECDSA-SHA-256",
        "certificateChain": [],
    })
    .to_string())
}

/// An error, as plugins tell it on standard error.
pub fn error(error: &anyhow::Error) -> String {
    let reason = error.downcast_ref::<NotFound>().map(|_| "KEY_NOT_FOUND");
    let code = if reason.is_some() { "VALIDATION_ERROR" } else { "ERROR" };
    let mut told = json!({"errorCode": code, "errorMessage": format!("{error:#}")});
    if let Some(reason) = reason {
        told["errorMetadata"] = json!({"reason": reason});
    }
    told.to_string()
}

fn described(request: &Request, pem: &str) -> String {
    json!({"keyId": request.key_id, "keySpec": "EC-256", "publicKey": pem, "hashAlgorithms": ["SHA-256"]})
        .to_string()
}

fn request() -> anyhow::Result<(Request, Uri)> {
    let mut text = Vec::new();
    std::io::stdin().lock().take(MAX_REQUEST).read_to_end(&mut text)?;
    let request: Request = serde_json::from_slice(&text).context("the request is no JSON of a plugin")?;
    let uri = request.key_id.parse()?;
    Ok((request, uri))
}
