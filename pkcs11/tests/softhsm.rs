//! The program itself, with tokens of SoftHSM2 (`softhsm2` of Debian), each test with tokens of its own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

const PIN: &str = "123456";

/// SoftHSM with no token yet.
struct Hsm(TempDir);

impl Hsm {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tokens")).unwrap();
        let config =
            format!("directories.tokendir = {}\nlog.level = ERROR\n", folder.path().join("tokens").display());
        fs::write(folder.path().join("softhsm2.conf"), config).unwrap();
        Self(folder)
    }

    fn with_token(self, label: &str) -> Self {
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN])
            .env("SOFTHSM2_CONF", self.0.path().join("softhsm2.conf"))
            .output()
            .expect("softhsm2-util: install the package softhsm2");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str], pin: Option<&str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagseal-pkcs11"));
        command.args(arguments).env_clear().env("SOFTHSM2_CONF", self.file("softhsm2.conf"));
        command.env("TAGSEAL_PKCS11_MODULE", module());
        command.envs(pin.map(|pin| ("TAGSEAL_PKCS11_PIN", pin)));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments, Some(PIN)).stdin(Stdio::null()).output().unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn failed(&self, arguments: &[&str], pin: Option<&str>) -> String {
        let output = self.command(arguments, pin).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    /// A command of the plugin.
    fn asks(&self, command: &str, request: &Value) -> Result<Value, Value> {
        let mut child = self
            .command(&[command], Some(PIN))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
            false => Err(serde_json::from_slice(&output.stderr).unwrap()),
        }
    }
}

fn module() -> PathBuf {
    let folders =
        ["/usr/lib/softhsm", "/usr/lib/x86_64-linux-gnu/softhsm", "/usr/lib/aarch64-linux-gnu/softhsm"];
    let found =
        folders.iter().map(|folder| Path::new(folder).join("libsofthsm2.so")).find(|path| path.exists());
    found.expect("libsofthsm2.so: install the package softhsm2")
}

#[test]
fn keys_are_made_in_notarys_places_and_sign() {
    let hsm = Hsm::new().with_token("one");
    let made = hsm.done(&["generate", "pkcs11:token=one"]);
    assert!(
        made.starts_with("Made the key id=%02 \"root\" EC-256 (slot 9c of a YubiKey) in one (serial "),
        "{made}"
    );
    assert!(made.contains("-----BEGIN PUBLIC KEY-----\n"), "{made}");
    hsm.done(&["generate", "pkcs11:token=one"]);
    let listed = hsm.done(&["list"]);
    assert!(listed.contains("\n  id=%01 \"root\" EC-256 (slot 9e of a YubiKey)\n  id=%02 "), "{listed}");
    let key = "pkcs11:token=one;id=%02";
    let described = hsm.asks("describe-key", &json!({"contractVersion": "1.0", "keyId": key})).unwrap();
    assert_eq!(described["keySpec"], "EC-256");
    let request = json!({
        "contractVersion": "1.0", "keyId": key, "hashAlgorithm": "SHA-256", "payload": STANDARD.encode("message"),
    });
    let signed = hsm.asks("generate-signature", &request).unwrap();
    assert_eq!(signed["signingAlgorithm"], "ECDSA-SHA-256");
    let signature = STANDARD.decode(signed["signature"].as_str().unwrap()).unwrap();
    verify(described["publicKey"].as_str().unwrap(), b"message", &signature);
    let error = hsm.failed(&["generate", key], Some(PIN));
    assert!(error.contains("has a key of this ID already, and nothing is overwritten"), "{error}");
}

#[test]
fn an_imported_key_is_the_same_key() {
    let hsm = Hsm::new().with_token("one");
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(hsm.file("key.pem"), key.serialize_pem()).unwrap();
    let file = hsm.file("key.pem").display().to_string();
    let put = hsm.done(&["import", "pkcs11:token=one;id=%09;object=mine", &file]);
    assert!(put.starts_with("Put the key id=%09 \"mine\" EC-256 into one (serial "), "{put}");
    let pem = put.split_once('\n').unwrap().1;
    assert_eq!(pem.trim(), key.public_key_pem().trim().replace("\r\n", "\n"));
    let signature = STANDARD.decode(hsm.done(&["sign", "pkcs11:object=mine", &file]).trim()).unwrap();
    verify(pem, &fs::read(&file).unwrap(), &signature);
}

#[test]
fn a_wrong_pin_is_tried_once_and_none_by_default() {
    let hsm = Hsm::new().with_token("one");
    let sign = ["generate", "pkcs11:token=one"];
    let error = hsm.failed(&sign, Some("000000"));
    assert!(
        error.starts_with("tagseal-pkcs11: the PIN of the token one is wrong; it was tried once"),
        "{error}"
    );
    let error = hsm.failed(&sign, Some(""));
    assert_eq!(error, "tagseal-pkcs11: the PIN of the token one is empty: nothing was tried\n");
    fs::write(hsm.file("pin"), format!("{PIN}\n")).unwrap();
    let uri = format!("pkcs11:token=one?pin-source={}", hsm.file("pin").display());
    let made = hsm.command(&["generate", &uri], None).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn a_pin_is_asked_for_on_a_terminal() {
    let hsm = Hsm::new().with_token("one");
    let line = format!("{} generate pkcs11:token=one", env!("CARGO_BIN_EXE_tagseal-pkcs11"));
    // util-linux's `script` runs it on a terminal of its own.
    let mut child = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env_remove("TAGSEAL_PKCS11_PIN")
        .env("SOFTHSM2_CONF", hsm.file("softhsm2.conf"))
        .env("TAGSEAL_PKCS11_MODULE", module())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut terminal, mut said) = (child.stdout.take().unwrap(), Vec::new());
    let mut byte = [0];
    while !said.ends_with(b"PIN of the token one: ") {
        assert_eq!(terminal.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&said));
        said.push(byte[0]);
    }
    let mut keyboard = child.stdin.take().unwrap();
    writeln!(keyboard, "{PIN}").unwrap();
    terminal.read_to_end(&mut said).unwrap();
    drop(keyboard);
    let said = String::from_utf8_lossy(&said);
    assert!(child.wait().unwrap().success(), "{said}");
    assert!(said.contains("Made the key id=%02"), "{said}");
}

#[test]
fn a_pin_from_a_descriptor_is_read_once() {
    let hsm = Hsm::new().with_token("one");
    let (pin, mut pipe) = std::io::pipe().unwrap();
    writeln!(pipe, "{PIN}").unwrap();
    drop(pipe);
    let arguments = ["--pin-fd", "0", "generate", "pkcs11:token=one"];
    let made = hsm.command(&arguments, None).stdin(pin.try_clone().unwrap()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let again = hsm.command(&arguments, None).stdin(pin).output().unwrap();
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&again.stderr),
        "tagseal-pkcs11: file descriptor 0 has no PIN, or an earlier signature has read it: nothing was tried. For several \
         signatures set TAGSEAL_PKCS11_PIN, or name a file with pin-source in the URI\n"
    );
}

#[test]
fn of_two_tokens_one_has_to_be_named_and_one_that_is_gone_is_told() {
    let hsm = Hsm::new().with_token("one").with_token("two");
    let error = hsm.failed(&["generate", "pkcs11:"], Some(PIN));
    assert!(
        error
            .starts_with("tagseal-pkcs11: several tokens fit, say which with token= or serial= in the URI: "),
        "{error}"
    );
    hsm.done(&["generate", "pkcs11:token=two"]);
    let key = json!({"keyId": "pkcs11:token=one"});
    let error = hsm.asks("describe-key", &key).unwrap_err();
    assert_eq!(error["errorMetadata"]["reason"], "KEY_NOT_FOUND");
    fs::remove_dir_all(hsm.file("tokens")).unwrap();
    fs::create_dir(hsm.file("tokens")).unwrap();
    let error = hsm.asks("describe-key", &key).unwrap_err();
    let expected = format!("there is no token \"one\" behind {}: plug it in", module().display());
    assert_eq!(error["errorMessage"], json!(expected));
}

/// By openssl, which takes DER.
fn verify(pem: &str, message: &[u8], fixed: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let mut numbers = Vec::new();
    for number in [&fixed[..32], &fixed[32..]] {
        // A zero before the number is superfluous in DER only where the number is small.
        let digits: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign = usize::from(digits[0] >= 0x80);
        numbers.extend([2, (digits.len() + sign) as u8]);
        numbers.extend(vec![0; sign]);
        numbers.extend(digits);
    }
    let der = [&[0x30, numbers.len() as u8], &*numbers].concat();
    write("key", pem.as_bytes());
    write("message", message);
    write("signature", &der);
    let verified = Command::new("openssl")
        .args(["dgst", "-sha256", "-verify", "key", "-signature", "signature", "message"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}
