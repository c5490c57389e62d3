//! Keys that programs sign with: `trust key add-external`, and publishing with them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::run::{Machine, REPOSITORY, digest, trust_server};

/// Writes a program of this name that signs with a P-256 key of its own, and that fails while `gone` is there.
fn signer(machine: &Machine, name: &str) {
    let openssl = |line: String| {
        let ran = Command::new("openssl").args(line.split(' ')).current_dir(machine.path()).output().unwrap();
        assert!(ran.status.success(), "{line}");
    };
    openssl(format!("ecparam -name prime256v1 -genkey -noout -out {name}.pem"));
    openssl(format!("pkey -in {name}.pem -pubout -out {name}.public"));
    let script = r#"#!/bin/sh
PATH=/usr/bin:/bin
cd "$(dirname "$0")"
if [ -e gone ]; then echo '{"errorCode":"ERROR","errorMessage":"the token is gone"}' >&2; exit 1; fi
case $1 in
describe-key)
  printf '{"keySpec":"EC-256","publicKey":"%s"}' "$(sed ':a;N;$!ba;s/\n/\\n/g' NAME.public)" ;;
generate-signature)
  sed -E 's/.*"payload":"([^"]*)".*/\1/' | base64 -d > payload
  printf '{"signature":"%s","signingAlgorithm":"ECDSA-SHA-256"}' "$(openssl dgst -sha256 -sign NAME.pem payload | base64 -w0)" ;;
esac
"#;
    fs::write(machine.file(name), script.replace("NAME", name)).unwrap();
    fs::set_permissions(machine.file(name), fs::Permissions::from_mode(0o755)).unwrap();
}

fn add(machine: &Machine, name: &str, more: &str) -> String {
    let json = machine.trust(&format!("key add-external {name} --command ./{name} -o json{more}")).json();
    json["keyID"].as_str().unwrap().to_owned()
}

#[test]
fn every_role_of_a_repository_can_be_signed_by_programs() {
    let server = trust_server();
    let machine = Machine::of_publisher(&server);
    for name in ["root", "targets", "jeff"] {
        signer(&machine, name);
    }
    let root = add(&machine, "root", "");
    let targets = add(&machine, "targets", &format!(" --repository {REPOSITORY}"));
    let jeff = add(&machine, "jeff", "");
    machine.trust(&format!("init {REPOSITORY}")).done();
    machine.trust(&format!("rotate targets {REPOSITORY} --key {targets}")).done();
    machine.trust(&format!("signer add --key jeff.pub jeff {REPOSITORY}")).done();
    machine.sign("1.4", "one");
    let listed = machine.trust("key list -o json").json();
    let of = |role: &str| listed.as_array().unwrap().iter().filter(|key| key["role"] == role).count();
    // The root key is only the program's; of targets there is the one that init made as well.
    assert_eq!((of("root"), of("targets"), of("jeff")), (1, 2, 1));
    let inspected = machine.trust(&format!("inspect {REPOSITORY} -o json")).json().to_string();
    for id in [root, targets, jeff] {
        assert!(inspected.contains(&id), "{id}: {inspected}");
    }
}

#[test]
fn a_program_that_fails_publishes_nothing() {
    let server = trust_server();
    let machine = Machine::of_publisher(&server);
    signer(&machine, "jeff");
    let id = add(&machine, "jeff", "");
    machine.trust(&format!("init {REPOSITORY}")).done();
    machine.trust(&format!("signer add --key jeff.pub jeff {REPOSITORY}")).done();
    machine.sign("1.4", "one");
    let before = machine.trust(&format!("inspect {REPOSITORY} -o json")).json();
    let sign = format!("sign {REPOSITORY}:1.5 --digest {} --size 500", digest("two"));
    fs::write(machine.file("gone"), "").unwrap();
    assert_eq!(
        machine.trust(&sign).failed(2),
        format!(
            "tagseal: the jeff key {id} did not sign, and nothing was published: the signing program \"./jeff\" failed at \
             `generate-signature` (exit status: 1): ERROR the token is gone\n"
        )
    );
    fs::remove_file(machine.file("jeff")).unwrap();
    assert_eq!(
        machine.trust(&sign).failed(2),
        format!(
            "tagseal: the jeff key {id} did not sign, and nothing was published: the signing program \"./jeff\" cannot be started: \
             there is no such program\n"
        )
    );
    assert_eq!(machine.trust(&format!("inspect {REPOSITORY} -o json")).json(), before);
}

#[test]
fn commands_for_keys_know_what_an_external_key_is() {
    let machine = Machine::new();
    signer(&machine, "jeff");
    let id = add(&machine, "jeff", "");
    assert_eq!(
        machine.trust("key list").done(),
        format!(
            "ROLE   REPOSITORY   KEY ID{0:58}   LOCATION\njeff   -            {id}   signed by \"./jeff\"\n",
            ""
        )
    );
    let here = format!("tagseal: the private half of {id} is not here: \"./jeff\" signs with it, so it ");
    assert_eq!(machine.trust("key passwd jeff").failed(2), format!("{here}has no passphrase\n"));
    assert_eq!(
        machine.trust("key export jeff -o x").failed(2),
        format!("{here}cannot be exported: `tagseal trust key backup` keeps what leads to it\n")
    );
    machine.trust("key backup keys.tar.gz").done();
    let removed = machine.trust("key remove jeff --yes").done();
    assert!(removed.ends_with(".external.json; the key itself stays where it is\n"), "{removed}");
    assert_eq!(machine.trust("key list").done(), "No keys\n");
    assert_eq!(
        machine.trust("key restore keys.tar.gz").done(),
        format!("Restored 1 key from keys.tar.gz\n  {id} (signed by \"./jeff\")\n")
    );
    let error = machine.trust("key add-external jeff --command ./jeff").failed(2);
    assert_eq!(error, "tagseal: jeff.pub is there already, and nothing is overwritten\n");
    let error = machine.trust("key add-external root --command ./none").failed(2);
    assert_eq!(
        error,
        "tagseal: the signing program \"./none\" cannot be started: there is no such program\n"
    );
    let error = machine.trust("key add-external targets --command ./jeff").failed(2);
    assert_eq!(error, "tagseal: a targets key is for one repository: name it with --repository\n");
}
