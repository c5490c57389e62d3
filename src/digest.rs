//! [`Digest`]: a sha256, the only digest that tagseal accepts.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// A sha256 digest, 32 bytes. Shown and read as `sha256:` and 64 lower-case hex digits.
///
/// That a value of this type exists says nothing about trust: only `trust::SignedDigest` says that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Why a string is not a [`Digest`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The algorithm is not `sha256`.
    #[error("digest algorithm {0:?} is not supported: only sha256 is")]
    Algorithm(String),
    /// Not 64 lower-case hex digits.
    #[error("a sha256 digest has 64 lower-case hexadecimal digits")]
    Hex,
}

impl Digest {
    /// The digest with these 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The sha256 of `data`.
    pub fn of(data: &[u8]) -> Self {
        Self(Sha256::digest(data).into())
    }

    /// Reads 64 lower-case hex digits, without a prefix.
    ///
    /// # Errors
    /// [`DigestError::Hex`] for anything else.
    pub fn from_hex(hex: &str) -> Result<Self, DigestError> {
        let hex = hex.as_bytes();
        if hex.len() != 64 {
            return Err(DigestError::Hex);
        }
        let mut bytes = [0; 32];
        let mut all_digits = true;
        for (byte, [high, low]) in bytes.iter_mut().zip(hex.as_chunks::<2>().0) {
            let (high, low) = (NIBBLES[usize::from(*high)], NIBBLES[usize::from(*low)]);
            all_digits &= high.max(low) <= 15;
            *byte = (high << 4) | low;
        }
        if all_digits { Ok(Self(bytes)) } else { Err(DigestError::Hex) }
    }

    /// 64 lower-case hex digits, without a prefix.
    pub fn hex(&self) -> String {
        self.with_hex(str::to_owned)
    }

    /// Shows `read` the 64 lower-case hex digits, without a prefix. Nothing is allocated: every admission writes many.
    pub fn with_hex<T>(&self, read: impl FnOnce(&str) -> T) -> T {
        let mut hex = [0; 64];
        for (pair, byte) in hex.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = HEX[usize::from(byte)];
        }
        // They are ASCII.
        read(std::str::from_utf8(&hex).unwrap_or_default())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

const DIGITS: [u8; 16] = *b"0123456789abcdef";

/// The digits of each byte.
const HEX: [[u8; 2]; 256] = {
    let mut hex = [[0; 2]; 256];
    let mut byte = 0;
    while byte < hex.len() {
        hex[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    hex
};

/// The value of each digit; 16 for what is none.
const NIBBLES: [u8; 256] = {
    let mut nibbles = [16; 256];
    let mut value = 0;
    while value < DIGITS.len() {
        nibbles[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    nibbles
};

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(s: &str) -> Result<Self, DigestError> {
        match s.split_once(':') {
            Some(("sha256", hex)) => Self::from_hex(hex),
            Some((algorithm, _)) => Err(DigestError::Algorithm(algorithm.to_owned())),
            None => Err(DigestError::Hex),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.with_hex(|hex| f.write_str(hex))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let s = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        s.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let digest = Digest::of(b"abc");
        assert_eq!(
            digest.to_string(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn refuses_other_lengths_cases_and_algorithms() {
        let hex = Digest::of(b"").hex();
        for bad in [&hex[1..], &format!("{hex}0"), &hex.to_uppercase(), ""] {
            assert_eq!(format!("sha256:{bad}").parse::<Digest>(), Err(DigestError::Hex));
        }
        assert_eq!(format!("sha512:{hex}").parse::<Digest>(), Err(DigestError::Algorithm("sha512".into())));
        assert_eq!(hex.parse::<Digest>(), Err(DigestError::Hex));
    }
}
