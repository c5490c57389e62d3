//! The certificate that stands beside a key, by which notary knows a root key in a token; and keys to import.

use anyhow::{Context as _, bail};
use p256::SecretKey;
use p256::pkcs8::DecodePrivateKey as _;
use rcgen::{CertificateParams, DistinguishedName, DnType, PublicKeyData, SignatureAlgorithm, SigningKey};

/// A key that signs somewhere: an uncompressed point, and what signs.
pub struct Remote<'a> {
    pub point: &'a [u8],
    /// r and s over the SHA-256 of what it is given.
    pub sign: &'a dyn Fn(&[u8]) -> anyhow::Result<Vec<u8>>,
}

impl PublicKeyData for Remote<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for Remote<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let fixed = (self.sign)(message).map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(der(&fixed))
    }
}

/// Self-signed, CN=root, as notary puts it beside the key.
pub fn of(remote: &Remote<'_>) -> anyhow::Result<Vec<u8>> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "root");
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    Ok(params.self_signed(remote)?.der().to_vec())
}

/// The subject of such a certificate: DER of CN=root.
pub const SUBJECT: &[u8] = b"\x30\x0f\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x0c\x04root";

/// The private key in a PEM, with the headers of key files or without.
pub fn secret(pem: &str) -> anyhow::Result<SecretKey> {
    if pem.contains("ENCRYPTED") {
        bail!(
            "it is encrypted: decrypt it for the import with `openssl pkcs8 -in FILE -out NEW`, and shred NEW afterwards"
        );
    }
    let kept: String = pem
        .lines()
        .filter(|line| !line.contains(": ") && !line.is_empty())
        .flat_map(|line| [line, "\n"])
        .collect();
    SecretKey::from_pkcs8_pem(&kept).ok().context("it is no P-256 key in PKCS#8 (BEGIN PRIVATE KEY)")
}

/// DER of r and s.
fn der(fixed: &[u8]) -> Vec<u8> {
    let (r, s) = fixed.split_at(fixed.len() / 2);
    let mut numbers = Vec::new();
    for number in [r, s] {
        let zeros = number.iter().take_while(|byte| **byte == 0).count().min(number.len().saturating_sub(1));
        let digits = &number[zeros..];
        let sign = usize::from(digits[0] >= 0x80);
        numbers.extend([0x02, u8::try_from(digits.len() + sign).unwrap_or(u8::MAX)]);
        numbers.extend(std::iter::repeat_n(0, sign));
        numbers.extend(digits);
    }
    let mut der = vec![0x30, u8::try_from(numbers.len()).unwrap_or(u8::MAX)];
    der.extend(numbers);
    der
}
