//! `tagseal trust key …`: what is written where, for whom, and what is never overwritten.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tagseal::clock::{Clock as _, SystemClock};

use super::run::{Machine, REPOSITORY, digest, trust_server};
use crate::support::days;

fn machine() -> Machine {
    Machine::new().with("NOTARY_DELEGATION_PASSPHRASE", "delegation").with("NOTARY_ROOT_PASSPHRASE", "root")
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn key_id(machine: &Machine, at: usize) -> String {
    machine.trust("key list -o json").json()[at]["keyID"].as_str().unwrap().to_owned()
}

#[test]
fn a_generated_key_is_encrypted_and_its_public_half_is_for_everybody() {
    let machine = machine();
    let generated = machine.trust("key generate jeff -o json").json();
    let private = generated["privateKey"].as_str().unwrap();
    let text = fs::read_to_string(private).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\nrole: jeff\n\n"), "{text}");
    assert_eq!(mode(private), 0o600);
    assert_eq!(mode(machine.file(".docker/trust/private")), 0o700);
    let public = fs::read_to_string(machine.file("jeff.pub")).unwrap();
    assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{public}");
    let listed = machine.trust("key list -o json").json();
    assert_eq!(listed[0]["role"], "jeff");
    assert_eq!(listed[0]["keyID"], generated["keyID"]);
}

#[test]
fn an_existing_public_key_is_not_overwritten_and_no_key_is_made() {
    let machine = machine();
    fs::write(machine.file("jeff.pub"), "precious").unwrap();
    let error = machine.trust("key generate jeff").failed(2);
    assert_eq!(error, "tagseal: jeff.pub is there already, and nothing is overwritten\n");
    assert_eq!(fs::read_to_string(machine.file("jeff.pub")).unwrap(), "precious");
    assert_eq!(machine.trust("key list").done(), "No keys\n");
}

#[test]
fn without_a_terminal_and_without_a_passphrase_nothing_is_left_behind() {
    let machine = Machine::new();
    let error = machine.trust("key generate jeff").failed(2);
    assert!(error.contains("there is no terminal to ask on"), "{error}");
    assert!(
        error.contains("set DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE or NOTARY_DELEGATION_PASSPHRASE"),
        "{error}"
    );
    assert!(!machine.file("jeff.pub").exists());
    assert_eq!(machine.trust("key list").done(), "No keys\n");
}

#[test]
fn names_that_docker_refuses_are_refused() {
    for name in ["Jeff", "releases", "a/b", "-a", "root", "targets", "snapshot", "timestamp"] {
        let error = machine().run(&["trust", "key", "generate", "--", name]).failed(2);
        assert!(error.contains("invalid value"), "{name}: {error}");
    }
}

#[test]
fn a_private_key_that_others_may_read_is_not_loaded() {
    let machine = machine();
    machine.trust("key generate jeff").done();
    machine.trust("key export jeff -o jeff.pem").done();
    assert_eq!(mode(machine.file("jeff.pem")), 0o600);
    fs::set_permissions(machine.file("jeff.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let error = machine.trust("key load jeff.pem --name ann").failed(2);
    assert_eq!(error, "tagseal: others may read the private key jeff.pem: run `chmod 600 jeff.pem` first\n");
    fs::set_permissions(machine.file("jeff.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    machine.trust("key load jeff.pem --name ann").done();
    assert_eq!(machine.trust("key list -o json").json()[0]["role"], "ann");
}

#[test]
fn an_exported_key_says_which_it_is_and_is_imported_without_its_passphrase() {
    let machine = machine();
    machine.trust("key generate jeff").done();
    let id = key_id(&machine, 0);
    machine.trust(&format!("key export {} -o jeff.pem", &id[..7])).done();
    let exported = fs::read_to_string(machine.file("jeff.pem")).unwrap();
    assert!(exported.contains(&format!("\npath: {id}\nrole: jeff\n\n")), "{exported}");
    let error = machine.trust("key export jeff -o jeff.pem").failed(2);
    assert!(error.contains("jeff.pem is there already"), "{error}");
    let other = Machine::new();
    fs::copy(machine.file("jeff.pem"), other.file("jeff.pem")).unwrap();
    other.trust("key import jeff.pem").done();
    assert_eq!(key_id(&other, 0), id);
    // The same once more changes nothing.
    other.trust("key import jeff.pem").done();
}

#[test]
fn a_key_that_does_not_say_what_it_is_for_has_to_be_told() {
    let machine = machine();
    machine.trust("key generate jeff").done();
    machine.trust("key export jeff -o jeff.pem").done();
    let bare = fs::read_to_string(machine.file("jeff.pem")).unwrap();
    let bare: Vec<_> = bare.lines().filter(|line| !line.contains(": ") && !line.is_empty()).collect();
    fs::write(machine.file("jeff.pem"), bare.join("\n")).unwrap();
    machine.trust("key remove jeff --yes").done();
    let error = machine.trust("key import jeff.pem").failed(2);
    assert!(error.contains("does not say what its key is for"), "{error}");
    let error = machine.trust("key import jeff.pem --role targets").failed(2);
    assert!(error.contains("does not say which repository its targets key is for"), "{error}");
    machine.trust("key import jeff.pem --role jeff").done();
    assert_eq!(machine.trust("key list -o json").json()[0]["role"], "jeff");
}

#[test]
fn a_backup_is_restored_on_another_machine_and_never_overwrites() {
    let machine = machine();
    machine.trust("key generate jeff").done();
    machine.trust("key generate ann").done();
    machine.trust("key backup keys.tar.gz").done();
    assert_eq!(mode(machine.file("keys.tar.gz")), 0o600);
    let error = machine.trust("key backup keys.tar.gz").failed(2);
    assert!(error.contains("keys.tar.gz exists already"), "{error}");
    let other = Machine::new();
    fs::copy(machine.file("keys.tar.gz"), other.file("keys.tar.gz")).unwrap();
    assert!(other.trust("key restore keys.tar.gz").done().starts_with("Restored 2 keys from keys.tar.gz\n"));
    let without_path = |machine: &Machine| {
        let listed = machine.trust("key list -o json").json();
        let keys = listed.as_array().unwrap().iter().map(|key| (key["role"].clone(), key["keyID"].clone()));
        keys.collect::<Vec<_>>()
    };
    assert_eq!(without_path(&other), without_path(&machine));
}

#[test]
fn a_passphrase_is_changed_by_who_knows_the_old_one() {
    let machine = machine();
    machine.trust("key generate jeff").done();
    fs::write(machine.file("new"), "a new one\n").unwrap();
    let with_new = |line: &str, redirect: &str| {
        let script = format!("exec \"$0\" trust {line} {redirect}");
        let mut command = machine.command(&[]);
        let program = command.get_program().to_owned();
        let shell = std::mem::replace(&mut command, std::process::Command::new("sh"));
        command.args(["-c", &script]).arg(program).env_clear().current_dir(machine.path());
        command.envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(std::process::Stdio::null()).output().unwrap()
    };
    let error = machine.trust("key passwd jeff").failed(2);
    assert!(error.contains("new jeff key") && error.contains("on: use --new-passphrase-fd\n"), "{error}");
    let changed = with_new("key passwd jeff --new-passphrase-fd 5", "5<new");
    assert!(changed.status.success(), "{}", String::from_utf8_lossy(&changed.stderr));
    // The variable has the old one still, and is named for it.
    let error = with_new("key passwd jeff --new-passphrase-fd 5", "5<new");
    assert_eq!(error.status.code(), Some(2));
    let error = String::from_utf8(error.stderr).unwrap();
    assert!(
        error.contains("what NOTARY_DELEGATION_PASSPHRASE has is not the passphrase of jeff key"),
        "{error}"
    );
    let again = with_new("key passwd jeff --passphrase-fd jeff=4 --new-passphrase-fd 5", "4<new 5<new");
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
}

#[test]
fn a_key_is_not_removed_unasked() {
    let machine = machine();
    machine.trust("key generate jeff").done();
    let error = machine.trust("key remove jeff").failed(2);
    assert!(
        error.contains("Without a backup it is lost. There is no terminal to confirm this on: say --yes"),
        "{error}"
    );
    machine.trust("key remove jeff --yes").done();
    let error = machine.trust("key export jeff -o jeff.pem").failed(2);
    assert!(error.contains("there is no private key \"jeff\""), "{error}");
}

#[test]
fn docker_config_moves_the_trust_directory_and_the_option_wins() {
    let machine = machine().with("DOCKER_CONFIG", "elsewhere");
    machine.trust("key generate jeff").done();
    assert!(machine.file("elsewhere/trust/private").is_dir());
    machine.trust("key generate ann --trust-dir third").done();
    assert!(machine.file("third/private").is_dir());
    assert_eq!(machine.trust("key list -o json").json().as_array().unwrap().len(), 1);
}

#[test]
fn no_passphrase_and_no_private_key_is_ever_printed() {
    let machine = Machine::new().with("NOTARY_DELEGATION_PASSPHRASE", "correct horse battery");
    let mut said = String::new();
    for line in
        ["key generate jeff", "key list", "key list -o json", "key export jeff -o j.pem", "key backup b.tgz"]
    {
        let ended = machine.trust(line);
        said += &ended.done();
        said += &ended.errors();
    }
    assert!(!said.contains("correct horse") && !said.contains("PRIVATE KEY"), "{said}");
}

/// A file of a private key, for its owner alone.
fn private_file(machine: &Machine, name: &str, text: &str) {
    fs::write(machine.file(name), text).unwrap();
    fs::set_permissions(machine.file(name), fs::Permissions::from_mode(0o600)).unwrap();
}

/// A key and a certificate for it, PEM: valid from and until the beginning of the day that is so many days from now.
fn certified(from: i64, until: i64) -> (String, String) {
    let day = |away: i64| {
        let date = (SystemClock.now() + days(away)).to_zoned(jiff::tz::TimeZone::UTC).date();
        let (month, day) = (date.month().try_into().unwrap(), date.day().try_into().unwrap());
        rcgen::date_time_ymd(date.year().into(), month, day)
    };
    let mut parameters = rcgen::CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "dev");
    (parameters.not_before, parameters.not_after) = (day(from), day(until));
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap().pem();
    (key.serialize_pem(), certificate)
}

#[test]
fn certificates_that_are_not_valid_are_taken_neither_for_signers_nor_beside_a_key() {
    let server = trust_server();
    let machine = Machine::of_publisher(&server);
    machine.trust(&format!("init {REPOSITORY}")).done();
    for (from, until, why) in [(-20, -1, "was valid until"), (3, 20, "is valid from")] {
        let (key, certificate) = certified(from, until);
        fs::write(machine.file("dev.crt"), &certificate).unwrap();
        for line in [
            format!("signer add --key dev.crt dev {REPOSITORY}"),
            format!("delegation add targets/dev {REPOSITORY} --key dev.crt"),
        ] {
            let error = machine.trust(&line).failed(2);
            assert!(
                error.starts_with("tagseal: dev.crt: the certificate of \"dev\" ") && error.contains(why),
                "{error}"
            );
        }
        private_file(&machine, "both.pem", &format!("{key}{certificate}"));
        let error = machine.trust("key load both.pem --name dev").failed(2);
        assert!(
            error.starts_with("tagseal: both.pem: the certificate of \"dev\" ") && error.contains(why),
            "{error}"
        );
    }
    // A day of leeway before it begins, as notary has it.
    let (key, certificate) = certified(0, 20);
    fs::write(machine.file("dev.crt"), &certificate).unwrap();
    machine.trust(&format!("signer add --key dev.crt dev {REPOSITORY}")).done();
    let (_, other) = certified(-20, -1);
    fs::write(machine.file("old.crt"), other).unwrap();
    let error = machine.trust(&format!("rotate delegation targets/dev {REPOSITORY} --key old.crt")).failed(2);
    assert!(error.contains("was valid until"), "{error}");
    private_file(&machine, "both.pem", &format!("{certificate}{key}"));
    machine.trust("key load both.pem --name dev").done();
    machine.trust(&format!("sign {REPOSITORY}:1.0 --digest {} --size 5", digest("1.0"))).done();
    let error = machine.trust(&format!("signer add --key both.pem eve {REPOSITORY}")).failed(2);
    assert_eq!(
        error,
        "tagseal: both.pem holds a private key beside a certificate: give the certificate alone, as `openssl x509 -in both.pem \
         -out NAME.crt` writes it\n"
    );
}

/// `openssl ec -des3` and `openssl pkcs8 -topk8 -v2 des3`; the passphrase is that of the tests. The command that the message
/// names was run on both.
const TRIPLE_DES: [&str; 2] = [
    "\
-----BEGIN EC PRIVATE KEY-----\n\
Proc-Type: 4,ENCRYPTED\n\
DEK-Info: DES-EDE3-CBC,73F629EFD5ADC4B2\n\
\n\
BhZwa3Mnklm4YdBQIVE6vxqwjCZGyRnDrsQyy/VBaYfWOKsc+KGD+lwYh86kmwBp\n\
59e8Ty86kkS4iPZsW3q3B0SMDOF2BbjymJPkBMi5lE2mucNDzk1OoPZGiiGT9TPE\n\
J45udq4sIymLUauTdZ1B1F+TpCn3uXmdhLIdCxBuVgk=\n\
-----END EC PRIVATE KEY-----\n",
    "\
-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
MIHjME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAhcvmNTh7HfjgICCAAw\n\
DAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQIe0C6Cf2kCRkEgZAPx2PGw4xeNRHk\n\
TptPYNH+4d2SysN9w70hE3z42kwRtUk4+BBIEFDPBGRhuUPHXFpugX2XdPOeCXxy\n\
9bydY2y/Mo03GZ3gjY4HWZ8kDvOT6So6ZpW6FbP5ueonXjLjGkBVWuMIaO+YubIX\n\
YhhVyk0G+UO1gJGn5BKozXzzqeTHx1a1jnR0QElPpPHacptrg50=\n\
-----END ENCRYPTED PRIVATE KEY-----\n",
];

#[test]
fn keys_under_triple_des_are_refused_with_the_file_and_the_command_that_converts_them() {
    let machine = machine();
    for text in TRIPLE_DES {
        private_file(&machine, "old.pem", text);
        for line in ["key load old.pem --name dev", "key import old.pem --role dev"] {
            let error = machine.trust(line).failed(2);
            assert!(
                error.starts_with("tagseal: old.pem: it is no private key that docker or notary wrote: "),
                "{error}"
            );
            assert!(
                error.contains("`openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA1 -in FILE -out NEW` encrypts it anew"),
                "{error}"
            );
        }
    }
    private_file(&machine, "bad.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let error = machine.trust("key load bad.pem --name dev").failed(2);
    assert!(error.starts_with("tagseal: bad.pem: "), "{error}");
}

#[test]
fn a_signer_called_like_a_base_role_does_not_pass_for_its_key() {
    let server = trust_server();
    let machine = Machine::of_publisher(&server);
    machine.trust("key generate dev").done();
    machine.trust(&format!("init {REPOSITORY}")).done();
    let error = machine.trust(&format!("signer add --key dev.pub root {REPOSITORY}")).failed(2);
    assert!(
        error.contains("root is a base role, for whose key a signer's would pass: choose another name"),
        "{error}"
    );
    machine.trust(&format!("delegation add targets/root {REPOSITORY} --key dev.pub")).done();
    machine.trust(&format!("rotate delegation targets/root {REPOSITORY}")).done();
    let keys = machine.trust("key list -o json").json();
    let mut roles: Vec<_> =
        keys.as_array().unwrap().iter().map(|key| key["role"].as_str().unwrap()).collect();
    roles.sort_unstable();
    assert_eq!(roles, ["dev", "root", "targets", "targets/root"]);
    // There is one root key, so nobody is asked which.
    machine.trust("init registry.test/other").done();
    machine.trust(&format!("delegation add targets/releases {REPOSITORY} --key dev.pub")).done();
    machine.trust(&format!("signer remove root {REPOSITORY}")).done();
}

#[test]
fn a_passphrase_variable_that_is_not_utf_8_is_named_and_a_line_feed_at_its_end_is_pointed_out() {
    use std::os::unix::ffi::OsStrExt as _;
    let machine = machine();
    machine.trust("key generate jeff").done();
    let passwd = ["trust", "key", "passwd", "jeff"];
    let mut command = machine.command(&passwd);
    command.env("NOTARY_DELEGATION_PASSPHRASE", std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    let error = super::run::Ended::of("passwd", command.output().unwrap()).failed(2);
    assert!(
        error.contains("what NOTARY_DELEGATION_PASSPHRASE has is not UTF-8, and no passphrase of"),
        "{error}"
    );
    let mut command = machine.command(&passwd);
    command.env("NOTARY_DELEGATION_PASSPHRASE", "delegation\n");
    let error = super::run::Ended::of("passwd", command.output().unwrap()).failed(2);
    assert!(
        error.contains("; NOTARY_DELEGATION_PASSPHRASE ends in a line feed, which counts: leave it out"),
        "{error}"
    );
}
