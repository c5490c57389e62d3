//! [`Uri`]: a `pkcs11:` URI (RFC 7512), of which token, serial, object, id, module-path and pin-source are read.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, bail};

use crate::slots;

/// Which token, and which key in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uri {
    /// The token's label.
    pub token: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// The key's label.
    pub object: Option<String>,
    /// The key's ID.
    pub id: Option<Vec<u8>>,
    /// The module that reaches the token.
    pub module: Option<PathBuf>,
    /// A file with the PIN.
    pub pin_source: Option<PathBuf>,
}

impl FromStr for Uri {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut uri = Self::default();
        // A slot's name is what people know of a YubiKey.
        if let Some(id) = slots::id(text) {
            uri.id = Some(vec![id]);
            return Ok(uri);
        }
        let rest = text.strip_prefix("pkcs11:").with_context(|| {
            format!("{text:?} is no pkcs11: URI, and no slot of a YubiKey (9a, 9c, 9d or 9e)")
        })?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        for part in path.split(';').filter(|part| !part.is_empty()) {
            let (name, value) =
                part.split_once('=').with_context(|| format!("{part:?} in the URI is no NAME=VALUE"))?;
            let bytes = decoded(value)?;
            match name {
                "token" => uri.token = Some(string(bytes)?),
                "serial" => uri.serial = Some(string(bytes)?),
                "object" => uri.object = Some(string(bytes)?),
                "id" => uri.id = Some(bytes),
                "type" if matches!(&*bytes, b"private" | b"public" | b"cert") => {}
                other => bail!(
                    "tagseal-pkcs11 does not know {other:?} in the URI: token, serial, object and id say which"
                ),
            }
        }
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) =
                part.split_once('=').with_context(|| format!("{part:?} in the URI is no NAME=VALUE"))?;
            let value = string(decoded(value)?)?;
            match name {
                "module-path" => uri.module = Some(value.into()),
                "pin-source" => {
                    let path = value.strip_prefix("file:").unwrap_or(&value);
                    uri.pin_source = Some(path.strip_prefix("//").unwrap_or(path).into());
                }
                "pin-value" => bail!(
                    "a PIN in a URI can be read by everybody here: use pin-source, --pin-fd or TAGSEAL_PKCS11_PIN"
                ),
                other => bail!(
                    "tagseal-pkcs11 does not know {other:?} in the URI's query: module-path and pin-source"
                ),
            }
        }
        Ok(uri)
    }
}

fn string(bytes: Vec<u8>) -> anyhow::Result<String> {
    String::from_utf8(bytes).context("the URI has a value that is not UTF-8")
}

fn decoded(value: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut left = value.bytes();
    while let Some(byte) = left.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |digit: Option<u8>| digit.and_then(|digit| char::from(digit).to_digit(16));
        match (digit(left.next()), digit(left.next())) {
            (Some(high), Some(low)) => bytes.push(u8::try_from(high * 16 + low)?),
            _ => bail!("{value:?} in the URI has a % without two hex digits"),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_decoded_and_others_refused() {
        let uri: Uri =
            "pkcs11:token=My%20Token;id=%02;object=root?module-path=/x.so&pin-source=file:///run/pin"
                .parse()
                .unwrap();
        assert_eq!(uri.token.as_deref(), Some("My Token"));
        assert_eq!(uri.id, Some(vec![2]));
        assert_eq!(uri.object.as_deref(), Some("root"));
        assert_eq!(uri.module, Some("/x.so".into()));
        assert_eq!(uri.pin_source, Some("/run/pin".into()));
        assert_eq!("9c".parse::<Uri>().unwrap().id, Some(vec![2]));
        for wrong in
            ["token=a", "pkcs11:token", "pkcs11:colour=a", "pkcs11:id=%0", "pkcs11:?pin-value=1", "9b"]
        {
            assert!(wrong.parse::<Uri>().is_err(), "{wrong}");
        }
    }
}
