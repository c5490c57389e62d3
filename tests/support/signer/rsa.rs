//! RSA signatures that ring refuses to make: by weak keys, and PSS with any length of salt (RFC 8017, 9.1.1).

use p521::elliptic_curve::bigint::modular::{FixedMontyForm, FixedMontyParams};
use p521::elliptic_curve::bigint::{Odd, U2048};

use super::sha256;

const HASH_LEN: usize = 32;

/// RSA-PSS with SHA-256 and `salt_len` bytes of salt, by a private key in PKCS#8 DER of at most 2048 bits.
pub(super) fn sign_pss(pkcs8: &[u8], message: &[u8], salt_len: usize) -> Vec<u8> {
    let (modulus, exponent) = modulus_and_private_exponent(pkcs8);
    let encoded = encode_pss(&sha256(message), &vec![7; salt_len], modulus.len());
    let signature = power(&encoded, &exponent, &modulus);
    signature[signature.len() - modulus.len()..].to_vec()
}

fn encode_pss(hash: &[u8; HASH_LEN], salt: &[u8], len: usize) -> Vec<u8> {
    let h = sha256(&[&[0; 8], &hash[..], salt].concat());
    let mut db = vec![0; len - HASH_LEN - 1];
    let salt_at = db.len() - salt.len();
    db[salt_at - 1] = 1;
    db[salt_at..].copy_from_slice(salt);
    for (byte, mask) in db.iter_mut().zip(mgf1(&h, len)) {
        *byte ^= mask;
    }
    // The modulus has a multiple of eight bits, the encoded message one bit less.
    db[0] &= 0x7f;
    [&db[..], &h, &[0xbc]].concat()
}

fn mgf1(seed: &[u8], len: usize) -> Vec<u8> {
    let blocks = (0u32..).flat_map(|counter| sha256(&[seed, &counter.to_be_bytes()].concat()));
    blocks.take(len).collect()
}

fn power(base: &[u8], exponent: &[u8], modulus: &[u8]) -> [u8; 256] {
    let params = FixedMontyParams::new(Odd::new(number(modulus)).expect("an odd modulus"));
    let result = FixedMontyForm::new(&number(base), &params).pow(&number(exponent)).retrieve();
    let mut bytes = [0; 256];
    bytes.copy_from_slice(result.to_be_bytes().as_ref());
    bytes
}

fn number(bytes: &[u8]) -> U2048 {
    let mut padded = [0; 256];
    padded[256 - bytes.len()..].copy_from_slice(bytes);
    U2048::from_be_slice(&padded)
}

/// Reads `PrivateKeyInfo { version, algorithm, RSAPrivateKey { version, modulus, publicExponent, privateExponent, … } }`.
fn modulus_and_private_exponent(pkcs8: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (info, _) = element(pkcs8);
    let (_version, rest) = element(info);
    let (_algorithm, rest) = element(rest);
    let (key, _) = element(rest);
    let (key, _) = element(key);
    let (_version, rest) = element(key);
    let (modulus, rest) = element(rest);
    let (_public_exponent, rest) = element(rest);
    let (exponent, _) = element(rest);
    let unsigned = |integer: &[u8]| integer.iter().copied().skip_while(|byte| *byte == 0).collect();
    (unsigned(modulus), unsigned(exponent))
}

/// The content of the first DER element, and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (header, len) = match usize::from(der[1]) {
        short @ 0..0x80 => (2, short),
        long => {
            let bytes = &der[2..2 + (long & 0x7f)];
            (2 + bytes.len(), bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)))
        }
    };
    der[header..].split_at(len)
}
