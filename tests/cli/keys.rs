//! `tagseal trust key …`: what is written where, for whom, and what is never overwritten.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::run::Machine;

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
    for name in ["Jeff", "releases", "a/b", "-a"] {
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
