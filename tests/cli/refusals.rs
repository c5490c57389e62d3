//! What cannot be done, and what is said then: which it is, and what to do.

use super::run::{Machine, REPOSITORY, digest, trust_server};

fn sign(tag: &str) -> String {
    format!("sign {REPOSITORY}:{tag} --digest {} --size 500", digest(tag))
}

#[test]
fn docker_hub_has_no_trust_server_unless_one_is_named() {
    let error = Machine::new().trust("sign alpine:3").failed(2);
    assert!(error.contains("name the trust server with --server or DOCKER_CONTENT_TRUST_SERVER"), "{error}");
}

#[test]
fn plain_http_is_for_this_machine_alone() {
    let error =
        Machine::new().trust(&format!("init {REPOSITORY} --server http://notary.example.com")).failed(2);
    let expected = "tagseal: --server or DOCKER_CONTENT_TRUST_SERVER: \"http://notary.example.com\" cannot be used: write \
                    https://HOST[:PORT][/PATH]; http:// is for localhost, 127.0.0.0/8 and [::1] only\n";
    assert_eq!(error, expected);
}

#[test]
fn a_server_that_does_not_answer_is_named() {
    let machine = Machine::new().with("DOCKER_CONTENT_TRUST_SERVER", "http://127.0.0.1:9");
    let error = machine.trust(&sign("1.0")).failed(2);
    assert!(error.contains("http://127.0.0.1:9") && error.contains("refused"), "{error}");
}

#[test]
fn a_repository_without_trust_data_is_made_first() {
    let server = trust_server();
    let machine = Machine::of_publisher(&server);
    for line in [
        "revoke registry.test/none:1",
        "witness targets registry.test/none",
        "rotate root registry.test/none",
    ] {
        let error = machine.trust(line).failed(1);
        assert!(error.contains("make it with `tagseal trust init registry.test/none`"), "{line}: {error}");
    }
}

#[test]
fn who_has_no_key_is_told_whom_to_ask() {
    let server = trust_server();
    let (owner, stranger) = (Machine::of_publisher(&server), Machine::of_publisher(&server));
    owner.trust("key generate jeff").done();
    owner.trust(&format!("signer add --key jeff.pub jeff {REPOSITORY}")).done();
    let error = stranger.trust(&sign("1.0")).failed(2);
    assert!(
        error.contains("delegates signing, and no key") && error.contains("tagseal trust signer add"),
        "{error}"
    );
    let error = stranger.trust(&format!("{} --role targets", sign("1.0"))).failed(2);
    assert!(error.contains("the repository key (targets)") && error.contains("rotate targets"), "{error}");
    stranger.trust("key generate ann").done();
    let error = stranger.trust(&format!("rotate targets {REPOSITORY}")).failed(2);
    assert!(error.contains("the root key") && error.contains("tagseal trust key restore"), "{error}");
}

#[test]
fn a_wrong_passphrase_is_named_by_its_variable_and_nothing_is_published() {
    let server = trust_server();
    let machine = Machine::of_publisher(&server);
    machine.trust(&sign("1.0")).done();
    let machine = machine.with("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "another");
    let error = machine.trust(&sign("1.1")).failed(2);
    assert!(
        error.contains(
            "what DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE has is not the passphrase of repository key"
        ),
        "{error}"
    );
    assert!(error.contains(&format!("({REPOSITORY})")) && !error.contains("another"), "{error}");
    assert!(!machine.trust(&format!("inspect {REPOSITORY}")).done().contains("1.1 "));
}

#[test]
fn several_repositories_are_done_whatever_becomes_of_the_others() {
    let server = trust_server();
    let machine = Machine::of_publisher(&server);
    machine.trust("key generate jeff").done();
    let add = "signer add --key jeff.pub jeff registry.test/a registry.test/b -o json";
    let added = machine.trust(add).json();
    assert_eq!(added[0]["repository"], "registry.test/a");
    assert_eq!(added[1]["created"], true);
    machine.trust("key generate ann").done();
    machine.trust("signer add --key ann.pub ann registry.test/b").done();
    let ended = machine.trust("signer remove jeff registry.test/none registry.test/b");
    let error = ended.failed(1);
    assert!(
        error.starts_with("tagseal: registry.test/none: registry.test/none has no trust data at the server"),
        "{error}"
    );
    let left = machine.trust("delegation list registry.test/b").done();
    assert!(!left.contains("targets/jeff") && left.contains("targets/ann"), "{left}");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let machine = Machine::new();
    for (line, text) in [
        ("sign r.test/web@sha256:ab", "is not a repository"),
        ("init r.test/web:1.0", "leave out the tag"),
        ("rotate timestamp r.test/web --key x", "the timestamp key is the server's"),
        ("rotate targets r.test/web -r", "the server manages timestamp and snapshot keys"),
        ("rotate r.test/web r.test/api", "is not a role"),
        ("delegation add targets r.test/web --key k", "is no delegation role"),
        ("sign r.test/web:1 --role snapshot", "tags are signed in targets and in targets/NAME"),
        ("signer add --key missing.pub jeff r.test/web", "cannot read missing.pub"),
    ] {
        let error = machine.trust(line).failed(2);
        assert!(error.contains(text), "{line}: {error}");
    }
}
