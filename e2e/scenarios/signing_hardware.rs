//! Root keys in tokens: SoftHSM2 behind tagseal-pkcs11, and the real `notary` reads what they sign.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::Hand::Tagseal;
use crate::harness::*;

const PIN: &str = "123456";

fn desk(name: &str, tokens: &[&str]) -> Desk {
    with_tokens(Desk::new(name), tokens)
}

/// The desk with SoftHSM2 of its own, and tokens of these labels.
pub(super) fn with_tokens(desk: Desk, tokens: &[&str]) -> Desk {
    let (folder, config) = (desk.folder().join("tokens"), desk.folder().join("softhsm2.conf"));
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(&config, format!("directories.tokendir = {}\n", folder.display())).expect("a configuration");
    for label in tokens {
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN])
            .env("SOFTHSM2_CONF", &config)
            .output()
            .expect("softhsm2-util");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let path = format!("{}:{}", helper().display(), std::env::var("PATH").unwrap_or_default());
    desk.with_variable("SOFTHSM2_CONF", &config.display().to_string())
        .with_variable("TAGSEAL_PKCS11_MODULE", &module().display().to_string())
        .with_variable("TAGSEAL_PKCS11_PIN", PIN)
        .with_variable("PATH", &path)
}

/// The folder of tagseal-pkcs11: that of the test's own build.
fn helper() -> PathBuf {
    let own = std::env::current_exe().expect("this program");
    let folder = own.parent().and_then(Path::parent).expect("a target folder").to_owned();
    assert!(
        folder.join("tagseal-pkcs11").is_file(),
        "`cargo build --package tagseal-pkcs11` builds what is missing in {folder:?}"
    );
    folder
}

fn module() -> PathBuf {
    let folders =
        ["/usr/lib/softhsm", "/usr/lib/x86_64-linux-gnu/softhsm", "/usr/lib/aarch64-linux-gnu/softhsm"];
    let found =
        folders.iter().map(|folder| Path::new(folder).join("libsofthsm2.so")).find(|path| path.exists());
    found.expect("libsofthsm2.so")
}

#[test]
fn a_root_key_is_made_in_a_token_and_rotates_to_a_file_and_back() {
    let desk = desk("hardware-root", &["one"]);
    desk.tagseal("init WEB --root-key pkcs11:token=one").passes();
    desk.sign(Tagseal, &["targets"], "1");
    desk.shows(&[("targets", "1")]);
    let rotated = desk.tagseal("rotate root WEB").passes();
    assert!(rotated.contains("Rotated the root key"), "{rotated}");
    desk.tagseal("rotate root WEB --key pkcs11:token=one").passes();
    desk.sign(Tagseal, &["targets"], "2");
    desk.shows(&[("targets", "1"), ("targets", "2")]);
}

#[test]
fn a_token_that_cannot_sign_publishes_nothing() {
    let desk = desk("hardware-faults", &["one", "two"]);
    let refused = desk.tagseal("init WEB --root-key pkcs11:object=root").fails(2);
    assert!(refused.contains("several tokens fit, say which with token= or serial= in the URI"), "{refused}");
    desk.tagseal("init WEB --root-key pkcs11:token=two").passes();
    let wrong = desk.clone().with_variable("TAGSEAL_PKCS11_PIN", "000000");
    let refused = wrong.tagseal("rotate targets WEB").fails(2);
    assert!(refused.contains("the PIN of the token two is wrong; it was tried once"), "{refused}");
    fs::rename(desk.folder().join("tokens"), desk.folder().join("unplugged")).expect("tokens");
    fs::create_dir(desk.folder().join("tokens")).expect("a folder");
    let refused = desk.tagseal("rotate targets WEB").fails(2);
    assert!(refused.contains("there is no token \"two\""), "{refused}");
    desk.sign(Tagseal, &["targets"], "1");
    desk.shows(&[("targets", "1")]);
}
