//! [`KeyError`]: why a key cannot be used.

use crate::limits::{KEY_BYTES, RSA_BITS};
use crate::tuf::certificate::CertificateError;

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 64 hex digits.
    #[error("{0:?} is not a key ID: 64 lower-case hexadecimal digits are")]
    Id(String),
    /// A key type that Notary v1 does not have.
    #[error("key type {0:?} is not known")]
    Type(String),
    /// More than [`KEY_BYTES`].
    #[error("the key has more than {KEY_BYTES} bytes")]
    TooLarge,
    /// `public` is not padded standard base64.
    #[error("the key is not standard base64")]
    Base64,
    /// Not the PEM that was expected.
    #[error("the key is not PEM: {0}")]
    Pem(String),
    /// Not the one DER encoding of a public key.
    #[error("the key is not a DER SubjectPublicKeyInfo: {0}")]
    Der(String),
    /// A key algorithm other than ECDSA, RSA and Ed25519.
    #[error("key algorithm {0} is not supported")]
    Algorithm(String),
    /// A named curve other than P-256, P-384 and P-521.
    #[error("curve {0} is not supported: P-256, P-384 and P-521 are")]
    Curve(String),
    /// The curve is spelled out instead of named: a second encoding of one key.
    #[error("the curve is given by explicit parameters, not by name")]
    ExplicitCurve,
    /// The point is compressed, or not as long as the curve's points are.
    #[error("the point is not an uncompressed point of {0}")]
    Point(&'static str),
    /// An RSA key that is too short to count, or too long to be worked with.
    #[error("an RSA key of {bits} bits is not accepted: 2048 to 8192 bits are")]
    RsaSize {
        /// Bits of the modulus.
        bits: usize,
    },
    /// An RSA key that takes too long to verify signatures by. Authorities may have such a one.
    #[error(
        "an RSA key of {bits} bits is not accepted for signatures on metadata: {RSA_BITS} bits at most are"
    )]
    RsaSlow {
        /// Bits of the modulus.
        bits: usize,
    },
    /// An RSA exponent that is even, below 3, or of more than 32 bits: no verifier takes it, or only a slow one.
    #[error("the exponent of the RSA key is not accepted: an odd number of at most 32 bits is")]
    RsaExponent,
    /// Not 32 bytes that encode a point in the one way there is.
    #[error("not an Ed25519 public key")]
    Ed25519,
    /// The key is of another kind than its type says.
    #[error("the key type is {keytype}, but the key is {actual}")]
    Mismatch {
        /// The type that was stated.
        keytype: &'static str,
        /// The bare type of the key itself.
        actual: &'static str,
    },
    /// The certificate of an `*-x509` key.
    #[error(transparent)]
    Certificate(Box<CertificateError>),
}

impl From<CertificateError> for KeyError {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(Box::new(error))
    }
}
