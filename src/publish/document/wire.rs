//! Files as they are uploaded: canonical JSON, but that control characters are escaped, because raw ones are no JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{object, text};
use crate::publish::key::Signature;
use crate::tuf::KeyId;
use crate::tuf::canonical::{CanonicalError, Value};

/// A signature, and the ID by which the role's parent lists the key that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::publish) struct Signed {
    pub(in crate::publish) key: KeyId,
    pub(in crate::publish) signature: Signature,
}

/// The file: what is signed, and its signatures.
pub(super) fn file(signed: Value, signatures: Vec<Signed>) -> Result<Bytes, CanonicalError> {
    let signatures = signatures.into_iter().map(|Signed { key, signature }| {
        object([
            ("keyid", text(&key.to_string())),
            ("method", text(signature.method)),
            ("sig", text(&STANDARD.encode(signature.bytes))),
        ])
    });
    let file = object([("signatures", Value::Array(signatures.collect())), ("signed", signed)]);
    let mut out = Vec::new();
    encode(&file, &mut out)?;
    Ok(out.into())
}

/// Numbers are written as they are signed, so that publisher and verifier read the same (Notary v1, "`custom` trap").
fn encode(value: &Value, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match value {
        Value::String(text) => string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                encode(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            for (i, (key, member)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                string(key, out);
                out.push(b':');
                encode(member, out)?;
            }
            out.push(b'}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => out.extend(value.canonical()?),
    }
    Ok(())
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            0..=0x1f => out.extend(format!("\\u{byte:04x}").into_bytes()),
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}
