//! [`Envelope`]: a metadata file, read but not believed.

use super::canonical::{self, Value};
use super::decode::{Fields, What};
use super::error::TufError;
use super::role::RoleName;

/// More signatures than this are not tried: a budget on work that a server can ask for.
const MAX_SIGNATURES: usize = 256;

/// A metadata file: what is signed, and by what signatures.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) signed: Value,
    /// The canonical form of `signed`: what the signatures cover.
    pub(super) message: Vec<u8>,
    pub(super) signatures: Vec<Signature>,
}

/// A signature that nothing is known about yet.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) key_id: String,
    /// Lower-cased: upper case is accepted (Notary v1, Metadata).
    pub(super) method: String,
    pub(super) bytes: Vec<u8>,
}

impl Envelope {
    /// Reads a file.
    ///
    /// # Errors
    /// [`TufError::Malformed`], and [`TufError::Unsigned`] where it carries no signatures.
    pub(super) fn parse(role: &RoleName, bytes: &[u8]) -> Result<Self, TufError> {
        let envelope = read(bytes).map_err(|what| TufError::Malformed { role: role.clone(), what })?;
        if envelope.signatures.is_empty() {
            return Err(TufError::Unsigned { role: role.clone() });
        }
        Ok(envelope)
    }
}

fn read(bytes: &[u8]) -> Result<Envelope, What> {
    let mut file = canonical::parse(bytes).map_err(|error| error.to_string())?;
    let fields = Fields::of(&file, "the file")?;
    let signatures = fields.array("signatures")?;
    if signatures.len() > MAX_SIGNATURES {
        return Err(format!("it carries more than {MAX_SIGNATURES} signatures"));
    }
    let signatures = signatures.iter().map(signature).collect::<Result<_, _>>()?;
    fields.required("signed")?;
    let Value::Object(map) = &mut file else { return Err("the file is not an object".to_owned()) };
    let signed = map.remove("signed").unwrap_or(Value::Null);
    let message = signed.canonical().map_err(|error| error.to_string())?;
    Ok(Envelope { signed, message, signatures })
}

fn signature(value: &Value) -> Result<Signature, What> {
    let fields = Fields::of(value, "a signature")?;
    Ok(Signature {
        key_id: fields.string_or_empty("keyid")?.to_owned(),
        method: fields.string_or_empty("method")?.to_ascii_lowercase(),
        bytes: fields.base64("sig")?,
    })
}
