//! Signing programs that fail in every way, and some that sign: shell scripts around openssl.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::{ExternalError, ExternalKey, Program};
use crate::publish::key_file::KeyHeader;
use crate::tuf::Gun;

/// A folder with keys, and a program in it.
struct Desk(TempDir);

impl Desk {
    /// With a P-256 key in `key.pem`, and its public half.
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.openssl("ecparam -name prime256v1 -genkey -noout -out key.pem");
        desk.openssl("pkey -in key.pem -pubout -out key.pub");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, line: &str) {
        let ran = Command::new("openssl").args(line.split(' ')).current_dir(self.0.path()).output().unwrap();
        assert!(ran.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    /// A program that answers both commands by these pieces of shell; `$payload` is the file that is to be signed.
    fn program(&self, describe: &str, sign: &str) -> PathBuf {
        let path = self.path("program");
        let script = format!(
            "#!/bin/sh\ncd '{}'\ncat > request\ncase $1 in\ndescribe-key)\n{describe}\n;;\ngenerate-signature)\n\
             sed -E 's/.*\"payload\":\"([^\"]*)\".*/\\1/' request | base64 -d > payload\n{sign}\n;;\nesac\n",
            self.0.path().display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn ask(&self, program: &Path) -> Result<ExternalKey, ExternalError> {
        self.ask_within(program, Duration::from_secs(20))
    }

    fn ask_within(&self, program: &Path, patience: Duration) -> Result<ExternalKey, ExternalError> {
        let program = Program::new(vec![program.display().to_string()], patience).unwrap();
        let header = KeyHeader { role: Some("root".to_owned()), gun: None };
        ExternalKey::describe(
            program,
            "9c".to_owned(),
            [("a".to_owned(), "b".to_owned())].into(),
            header,
            None,
        )
    }

    /// What the program at `program` is refused for, without its name.
    fn refused(&self, describe: &str, sign: &str) -> String {
        let program = self.program(describe, sign);
        let error = self.ask(&program).unwrap_err().to_string();
        let name = format!("the signing program \"{}\" ", program.display());
        error.strip_prefix(&name).unwrap_or_else(|| panic!("{error}")).to_owned()
    }
}

/// Describes the key with its public half.
const DESCRIBE: &str =
    r#"printf '{"keyId":"9c","keySpec":"EC-256","publicKey":"%s"}' "$(sed ':a;N;$!ba;s/\n/\\n/g' key.pub)""#;
/// Signs in DER, as openssl does.
const SIGN: &str = r#"openssl dgst -sha256 -sign key.pem -out signature payload
printf '{"keyId":"9c","signature":"%s","signingAlgorithm":"ECDSA-SHA-256","certificateChain":null}' "$(base64 -w0 signature)""#;

#[test]
fn a_signature_in_der_becomes_what_notary_takes_and_verifies() {
    let desk = Desk::new();
    let key = desk.ask(&desk.program(DESCRIBE, SIGN)).unwrap();
    // Many, because numbers with leading zeros are rare.
    for n in 0..8_u8 {
        let signature = key.sign(&[n]).unwrap();
        assert_eq!((signature.method, signature.bytes.len()), ("ecdsa", 64));
        assert!(key.public().key().unwrap().verifies("ecdsa", &[n], &signature.bytes));
    }
    let request = fs::read_to_string(desk.path("request")).unwrap();
    assert_eq!(
        request,
        r#"{"contractVersion":"1.0","keyId":"9c","pluginConfig":{"a":"b"},"keySpec":"EC-256","hashAlgorithm":"SHA-256","payload":"Bw=="}"#
    );
}

#[test]
fn what_is_kept_of_a_key_is_read_back_as_it_was() {
    let desk = Desk::new();
    let key = desk.ask(&desk.program(DESCRIBE, SIGN)).unwrap();
    assert_eq!(ExternalKey::parse(&key.to_text()).unwrap(), key);
}

#[test]
fn the_public_key_comes_from_the_certificate_where_the_program_does_not_describe_it() {
    let desk = Desk::new();
    desk.openssl("req -x509 -new -key key.pem -subj /CN=root -days 2 -outform DER -out cert.der");
    let sign = SIGN.replace("null}' ", "[\"%s\"]}' ") + r#" "$(base64 -w0 cert.der)""#;
    let key = desk.ask(&desk.program(r#"echo '{"keyId":"9c","keySpec":"EC-256"}'"#, &sign)).unwrap();
    let other = desk.ask(&desk.program(DESCRIBE, SIGN)).unwrap();
    assert_eq!(key.id(), other.id());
}

#[test]
fn a_root_certificate_is_signed_by_the_program_on_p256_and_with_rsa() {
    let desk = Desk::new();
    let gun = Gun::new("registry.test/shop/web").unwrap();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let check = |key: &ExternalKey, keytype| {
        let certificate = key.root_certificate(&gun, now).unwrap();
        assert_eq!(certificate.keytype(), keytype);
        assert_eq!(certificate.canonical_id(), key.id());
        fs::write(desk.path("root.crt"), certificate.to_pem()).unwrap();
        desk.openssl("verify -check_ss_sig -CAfile root.crt root.crt");
    };
    check(&desk.ask(&desk.program(DESCRIBE, SIGN)).unwrap(), "ecdsa-x509");
    desk.openssl("genrsa -out key.pem 2048");
    desk.openssl("pkey -in key.pem -pubout -out key.pub");
    let sign = SIGN
        .replace("-sign", "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sign")
        .replace("ECDSA-SHA", "RSASSA-PSS-SHA");
    check(&desk.ask(&desk.program(&DESCRIBE.replace("EC-256", "RSA-2048"), &sign)).unwrap(), "rsa-x509");
}

#[test]
fn programs_that_cannot_be_started_are_told() {
    let desk = Desk::new();
    let shown = |path: &Path| desk.ask(path).unwrap_err().fault.to_string();
    assert_eq!(shown(&desk.path("none")), "cannot be started: there is no such program");
    fs::write(desk.path("data"), "no program").unwrap();
    assert_eq!(shown(&desk.path("data")), "cannot be started: it may not be run (permission denied)");
}

#[test]
fn programs_that_fail_are_quoted() {
    let desk = Desk::new();
    assert_eq!(desk.refused("exit 3", ""), "failed at `describe-key` (exit status: 3)");
    assert_eq!(
        desk.refused("printf 'no \\033[31m card\\n' >&2; exit 1", ""),
        "failed at `describe-key` (exit status: 1), and said: no \\u{1b}[31m card"
    );
    assert_eq!(
        desk.refused(
            DESCRIBE,
            r#"echo '{"errorCode":"ACCESS_DENIED","errorMessage":"wrong PIN"}' >&2; exit 1"#
        ),
        "failed at `generate-signature` (exit status: 1): ACCESS_DENIED wrong PIN"
    );
}

#[test]
fn answers_that_are_no_answers_are_refused() {
    let desk = Desk::new();
    let said = desk.refused("echo hello", "");
    assert_eq!(
        said,
        "answered `describe-key` with something else than was asked: expected value at line 1 column 1"
    );
    let said = desk.refused("", "");
    assert!(said.contains("EOF while parsing a value"), "{said}");
    let said = desk.refused("yes", "");
    assert_eq!(said, "answered `describe-key` with more than 262144 bytes, and was ended");
    let said = desk.refused(r#"echo '{"keyId":"other","keySpec":"EC-256"}'"#, SIGN);
    assert_eq!(
        said,
        "answered `describe-key` with something else than was asked: it speaks of the key \"other\""
    );
    let said = desk.refused(r#"echo '{"keySpec":"EC-256"}'"#, SIGN);
    assert_eq!(said, "tells no public key: name it with `--public-key FILE`");
    let said = desk.refused(DESCRIBE, &SIGN.replace("ECDSA-SHA-256", "ECDSA-SHA-384"));
    assert_eq!(
        said,
        "signed with \"ECDSA-SHA-384\", where Notary signs with ECDSA-SHA-256 or RSASSA-PSS-SHA-256"
    );
    let said = desk.refused(r#"echo '{"keySpec":"EC-384"}'"#, SIGN);
    assert_eq!(
        said,
        "has a key of the kind \"EC-384\", which signature plugins do not sign SHA-256 with, as Notary does: take a key of the kind \
         EC-256 or RSA-2048"
    );
}

#[test]
fn a_program_that_hangs_is_ended_with_what_it_started() {
    let desk = Desk::new();
    // The child holds the output, and outlives a program that alone is ended.
    let program = desk.program("echo $$ > group; sleep 300 & wait", "");
    let error = desk.ask_within(&program, Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.fault.to_string(), "did not answer `describe-key` within 1 s, and was ended");
}

#[test]
fn the_signature_of_another_key_or_message_is_refused() {
    let desk = Desk::new();
    let key = desk.ask(&desk.program(DESCRIBE, SIGN)).unwrap();
    desk.openssl("ecparam -name prime256v1 -genkey -noout -out key.pem");
    let refused = key.sign(b"message").unwrap_err().fault.to_string();
    let expected = format!(
        "gave a signature that is not by the key {}: another token or key may be plugged in",
        key.id()
    );
    assert_eq!(refused, expected);
    let said = desk.refused(DESCRIBE, &format!("echo other > payload\n{SIGN}"));
    assert!(said.starts_with("gave a signature that is not by the key "), "{said}");
}
