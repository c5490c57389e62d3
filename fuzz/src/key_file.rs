//! Key files: what is read is written as the same, and a key that opens signs.

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::Decode as _;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use tagseal::publish::key::{KeyFault, PrivateKey, PublicForm};
use tagseal::publish::key_file::{KeyFile, KeyFileError, MAX_KEY_FILE_BYTES};
use tagseal::publish::passphrase::Passphrase;

/// More rounds of key derivation than a target may spend its time on.
const ROUNDS: u32 = 4096;
/// The passphrase of the keys in the corpus.
const PASSPHRASE: &str = "correct horse";

/// The text of a key file, or of an export of several.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    public(text);
    let Ok(files) = KeyFile::parse_all(text) else {
        return assert!(KeyFile::parse(text).is_err());
    };
    assert!(!files.is_empty() && text.len() <= MAX_KEY_FILE_BYTES);
    assert_eq!(KeyFile::parse(text).is_ok(), files.len() == 1);
    files.iter().for_each(check);
}

fn check(file: &KeyFile) {
    let again = KeyFile::parse(file.pem()).unwrap();
    assert_eq!(again.pem(), file.pem());
    assert_eq!(again.header(), file.header());
    assert_eq!((again.path(), again.is_encrypted()), (file.path(), file.is_encrypted()));
    let moved = file.with_path(Some("one\ntwo")).with_header(file.header().clone());
    assert_eq!(KeyFile::parse(moved.pem()).unwrap().path(), Some("one two"));
    if file.is_encrypted() {
        assert!(matches!(file.open(None), Err(KeyFileError::Encrypted)));
        if !takes_long(file.pem()) {
            opened(file, Some(&Passphrase::new(PASSPHRASE.to_owned())));
        }
    } else {
        opened(file, None);
    }
}

fn opened(file: &KeyFile, passphrase: Option<&Passphrase>) {
    let Ok(key) = file.open(passphrase) else { return };
    let sealed = KeyFile::seal(&key, file.header().clone(), None).unwrap();
    let again = KeyFile::parse(sealed.pem()).unwrap();
    assert_eq!(again.header(), sealed.header());
    let again = again.open(None).unwrap();
    assert_eq!((again.id(), again.public()), (key.id(), key.public()));
    signs(&again, key.public());
    let form = PublicForm::from_pem(&key.public().to_pem()).unwrap();
    assert_eq!(form.canonical_id(), key.public().canonical_id());
}

fn signs(key: &PrivateKey, public: &PublicForm) {
    let signature = match key.sign(b"message") {
        // Whether all parts of an RSA key fit shows only then.
        Err(KeyFault::Rsa(_)) => return,
        signature => signature.unwrap(),
    };
    let public = public.key().unwrap();
    assert!(public.verifies(signature.method, b"message", &signature.bytes));
    assert!(!public.verifies(signature.method, b"massage", &signature.bytes));
}

/// A public key, or a certificate.
fn public(text: &str) {
    let Ok(form) = PublicForm::from_pem(text) else { return };
    let listed = PublicForm::from_metadata(form.keytype(), form.public()).unwrap();
    assert_eq!(listed, form);
    assert_eq!(form.key().unwrap().canonical_id(), form.canonical_id());
    let again = PublicForm::from_pem(&form.to_pem_of("alice")).unwrap();
    assert_eq!(again.canonical_id(), form.canonical_id());
}

/// Whether opening it derives a key in so many rounds that a fuzzer would do little else.
fn takes_long(pem: &str) -> bool {
    let lines = pem.lines().filter(|line| !line.contains(':') && !line.starts_with("-----"));
    let Some(der) = base64(&lines.collect::<String>()) else { return false };
    let Ok(info) = EncryptedPrivateKeyInfoRef::from_der(&der) else { return false };
    match &info.encryption_algorithm {
        EncryptionScheme::Pbes2(parameters) => match &parameters.kdf {
            Kdf::Pbkdf2(kdf) => kdf.iteration_count > ROUNDS,
            _ => false,
        },
        _ => false,
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}
