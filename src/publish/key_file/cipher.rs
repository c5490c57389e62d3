//! How keys are encrypted at rest: PBES2 as notary writes it now, and `DEK-Info` as it wrote before 0.6.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use md5::{Digest as _, Md5};
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::pkcs5::EncryptionScheme as Scheme;
use pkcs8::pkcs5::pbes2::{EncryptionScheme, Kdf, Parameters, Pbkdf2Params, Pbkdf2Prf, Salt};
use pkcs8::{EncryptedPrivateKeyInfoRef, pkcs5};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use super::KeyFileError;
use crate::publish::key::KeyFault;

/// What notary writes.
const ROUNDS: u32 = 2048;
/// A file that asks for more is refused: it would keep the machine busy for minutes. This many take some seconds; what is
/// recommended today is about a tenth.
pub(super) const MAX_ROUNDS: u32 = 10_000_000;

/// Decrypts PKCS#8's `EncryptedPrivateKeyInfo`.
pub(super) fn open_pbes2(der: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let info = EncryptedPrivateKeyInfoRef::from_der(der)
        .map_err(|error| unsupported(&format!("something else than PBES2 and AES ({error})")))?;
    let Scheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(unsupported("PBES1"));
    };
    let Kdf::Pbkdf2(kdf) = &parameters.kdf else {
        return Err(unsupported("scrypt"));
    };
    if kdf.iteration_count > MAX_ROUNDS {
        return Err(malformed(format!(
            "{} rounds of PBKDF2 are more than the {MAX_ROUNDS} that are tried",
            kdf.iteration_count
        )));
    }
    let opened = info.encryption_algorithm.decrypt(passphrase, info.encrypted_data.as_bytes());
    match opened {
        Ok(key) => Ok(Zeroizing::new(key)),
        Err(pkcs5::Error::DecryptFailed) => Err(KeyFileError::WrongPassphrase),
        Err(other) => Err(malformed(other.to_string())),
    }
}

/// Encrypts as notary does: PBKDF2-HMAC-SHA1 of 2048 rounds over 8 bytes of salt, AES-256-CBC (Notary v1, "Layout").
pub(super) fn seal_pbes2(pkcs8: &[u8], passphrase: &[u8]) -> Result<Vec<u8>, KeyFileError> {
    let (mut salt, mut iv) = ([0; 8], [0; 16]);
    let random = SystemRandom::new();
    random.fill(&mut salt).and_then(|()| random.fill(&mut iv)).map_err(|_| KeyFault::Randomness)?;
    let failed = |error: &dyn std::fmt::Display| malformed(error.to_string());
    let kdf = Kdf::Pbkdf2(Pbkdf2Params {
        salt: Salt::new(salt).map_err(|error| failed(&error))?,
        iteration_count: ROUNDS,
        key_length: None,
        prf: Pbkdf2Prf::HmacWithSha1,
    });
    let parameters = Parameters { kdf, encryption: EncryptionScheme::Aes256Cbc { iv } };
    let encryption_algorithm = Scheme::Pbes2(parameters);
    let encrypted = encryption_algorithm.encrypt(passphrase, pkcs8).map_err(|error| failed(&error))?;
    let encrypted_data = OctetStringRef::new(&encrypted).map_err(|error| failed(&error))?;
    EncryptedPrivateKeyInfoRef { encryption_algorithm, encrypted_data }
        .to_der()
        .map_err(|error| failed(&error))
}

/// Decrypts the body of a block whose `DEK-Info` header is `info`: `AES-256-CBC,<hex of the IV>`.
pub(super) fn open_legacy(
    info: &str,
    body: &[u8],
    passphrase: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let (name, iv) = info.split_once(',').ok_or_else(|| malformed("its DEK-Info has no IV".to_owned()))?;
    let open = match name.trim() {
        "AES-256-CBC" => decrypt::<cbc::Decryptor<aes::Aes256>>,
        "AES-192-CBC" => decrypt::<cbc::Decryptor<aes::Aes192>>,
        "AES-128-CBC" => decrypt::<cbc::Decryptor<aes::Aes128>>,
        other => return Err(unsupported(other)),
    };
    let iv =
        hex16(iv.trim()).ok_or_else(|| malformed("the IV of its DEK-Info is not 16 bytes".to_owned()))?;
    open(passphrase, &iv, body)
}

fn decrypt<C: KeyIvInit + BlockModeDecrypt>(
    passphrase: &[u8],
    iv: &[u8; 16],
    body: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let key = legacy_key(C::key_size(), passphrase, iv);
    let mut text = Zeroizing::new(body.to_vec());
    let cipher = C::new_from_slices(&key, iv).map_err(|error| malformed(error.to_string()))?;
    let length = cipher.decrypt_padded::<Pkcs7>(&mut text).map_err(|_| KeyFileError::WrongPassphrase)?.len();
    text.truncate(length);
    Ok(text)
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round, salted by the first half of the IV.
fn legacy_key(bytes: usize, passphrase: &[u8], iv: &[u8; 16]) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(vec![0; bytes]);
    let mut last = Zeroizing::new(Vec::with_capacity(16));
    for part in key.chunks_mut(16) {
        let mut hash = Md5::new();
        hash.update(last.as_slice());
        hash.update(passphrase);
        hash.update(iv.get(..8).unwrap_or_default());
        last.clear();
        last.extend_from_slice(&hash.finalize());
        for (to, from) in part.iter_mut().zip(last.iter()) {
            *to = *from;
        }
    }
    key
}

fn hex16(hex: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    if hex.len() != 32 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn unsupported(what: &str) -> KeyFileError {
    malformed(format!(
        "it is encrypted with {what}, which notary does not write: \
         `openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA1 -in FILE -out NEW` encrypts it anew"
    ))
}

fn malformed(what: String) -> KeyFileError {
    KeyFileError::Malformed(what)
}
