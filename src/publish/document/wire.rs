//! Files as they are uploaded: canonical JSON, but for what Go's encoder escapes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{DocumentError, text};
use crate::publish::key::Signature;
use crate::tuf::KeyId;
use crate::tuf::canonical::{self, CanonicalError, Value};

/// What keys sign with.
const METHODS: [&str; 3] = ["ecdsa", "rsapss", "eddsa"];

/// A signature, and the ID by which the role's parent lists the key that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::publish) struct Signed {
    pub(in crate::publish) key: KeyId,
    pub(in crate::publish) signature: Signature,
}

/// The file: what is signed, and its signatures; byte by byte as Go writes it, the order of the two included. A server that
/// signs the snapshot lists the hash of its own encoding, and clients ask for the file by that. Numbers are written as they
/// are signed, so that publisher and verifier read the same (Notary v1, "`custom` trap").
pub(super) fn file(signed: &Value, signatures: Vec<Signed>) -> Result<Bytes, CanonicalError> {
    let signatures = signatures.into_iter().map(|Signed { key, signature }| {
        Value::object([
            ("keyid", text(&key.to_string())),
            ("method", text(signature.method)),
            ("sig", text(&STANDARD.encode(signature.bytes))),
        ])
    });
    let mut out = br#"{"signed":"#.to_vec();
    signed.encode_with(string, &mut out)?;
    out.extend_from_slice(br#","signatures":"#);
    Value::Array(signatures.collect()).encode_with(string, &mut out)?;
    out.push(b'}');
    Ok(out.into())
}

/// The signatures of a file, as far as they are of methods that tagseal signs with. None is verified yet.
pub(in crate::publish) fn signatures_of(file: &[u8]) -> Result<Vec<Signed>, DocumentError> {
    let file = canonical::parse(file)?;
    let entries = file.get("signatures").and_then(Value::as_array).unwrap_or_default();
    let signed = |entry: &Value| {
        let member = |name: &str| entry.get(name)?.as_str();
        let method = METHODS.into_iter().find(|method| Some(*method) == member("method"))?;
        let bytes = STANDARD.decode(member("sig")?).ok()?;
        Some(Signed { key: KeyId::from_hex(member("keyid")?).ok()?, signature: Signature { method, bytes } })
    };
    Ok(entries.iter().filter_map(signed).collect())
}

/// As Go's encoder transports strings: `<`, `>`, `&` and the two line separators are escaped too.
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend([b'\\', c as u8]),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.extend(format!("\\u{:04x}", u32::from(c)).into_bytes());
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}
