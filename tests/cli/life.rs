//! A repository's life by `tagseal trust`, against the embedded trust server, each step as its user sees it.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use super::run::{Machine, REPOSITORY, digest, trust_server};
use crate::support::trust_server::TrustServer;

pub fn sign(machine: &Machine, tag: &str, rest: &str) -> String {
    let line = format!("sign {REPOSITORY}:{tag} --digest {} --size 500{rest}", digest(tag));
    machine.trust(&line).done()
}

pub fn inspect(machine: &Machine) -> String {
    machine.trust(&format!("inspect {REPOSITORY}")).done()
}

/// `tag: signers` of all that docker would pull.
pub fn released(machine: &Machine) -> Vec<String> {
    let text = inspect(machine);
    let table = text.split("\n\n").nth(1).unwrap_or_default();
    let rows = table.lines().skip(1).filter(|_| table.starts_with("SIGNED TAG"));
    rows.map(|row| {
        let words: Vec<_> = row.split("   ").map(str::trim).filter(|word| !word.is_empty()).collect();
        assert_eq!(words[1], digest(words[0]));
        format!("{}: {}", words[0], words[2])
    })
    .collect()
}

#[test]
fn the_first_signature_makes_the_repository_and_signers_take_over() {
    let server = trust_server();
    let machine = Machine::of_publisher(&server);
    let first = sign(&machine, "1.0", "");
    assert!(first.starts_with(&format!("Signed {REPOSITORY}:1.0@{}\n  root ", digest("1.0"))), "{first}");
    assert!(
        first.contains("new root key") && first.contains("back it up with `tagseal trust key backup`"),
        "{first}"
    );
    assert_eq!(released(&machine), ["1.0: (Repo Admin)"]);

    machine.trust("key generate jeff").done();
    machine.trust(&format!("signer add --key jeff.pub jeff {REPOSITORY}")).done();
    sign(&machine, "1.1", "");
    assert_eq!(released(&machine), ["1.0: (Repo Admin)", "1.1: jeff"]);
    let text = inspect(&machine);
    assert!(
        text.contains(&format!(
            "List of signers and their keys for {REPOSITORY}\n\nSIGNER   KEYS\njeff     "
        )),
        "{text}"
    );
    let again = machine.trust(&format!("sign {REPOSITORY}:1.1 --digest {} --size 500", digest("1.1"))).done();
    assert!(again.starts_with("Nothing was changed"), "{again}");
}

#[test]
fn a_signer_with_nothing_but_a_delegation_key_signs() {
    let server = trust_server();
    let (owner, pipeline) = (Machine::of_publisher(&server), Machine::of_publisher(&server));
    pipeline.trust("key generate ci").done();
    let key = pipeline.file("ci.pub").display().to_string();
    owner.trust(&format!("signer add --key {key} ci {REPOSITORY}")).done();
    let signed = pipeline
        .trust(&format!("sign {REPOSITORY}:1.0 --digest {} --size 500 -o json", digest("1.0")))
        .json();
    assert_eq!(signed["repository"], REPOSITORY);
    assert_eq!(signed["digest"], digest("1.0"));
    assert_eq!(signed["created"], false);
    assert_eq!(signed["newKeys"], serde_json::json!([]));
    let roles: Vec<_> =
        signed["published"].as_array().unwrap().iter().map(|role| role["role"].clone()).collect();
    assert_eq!(roles, ["targets/ci", "targets/releases"]);
    // It had never seen the repository: the root that it believed is named.
    let root = owner.trust(&format!("inspect {REPOSITORY} -o json")).json()["root"]["keyIDs"][0].clone();
    let warning = signed["warnings"][0].as_str().unwrap();
    assert!(warning.contains("had never seen") && warning.contains(root.as_str().unwrap()), "{warning}");
    assert_eq!(released(&owner), ["1.0: ci"]);
}

#[test]
fn a_signer_goes_where_another_is_left() {
    let server = trust_server();
    let machine = Machine::of_publisher(&server);
    for name in ["jeff", "ann"] {
        machine.trust(&format!("key generate {name}")).done();
        machine.trust(&format!("signer add --key {name}.pub {name} {REPOSITORY}")).done();
    }
    sign(&machine, "1.0", "");
    assert_eq!(released(&machine), ["1.0: ann, jeff"]);
    machine.trust(&format!("signer remove jeff {REPOSITORY}")).done();
    assert_eq!(released(&machine), ["1.0: ann"]);
    let left = machine.trust(&format!("delegation list {REPOSITORY} -o json")).json();
    for role in left.as_array().unwrap() {
        assert_eq!(role["keyIDs"].as_array().unwrap().len(), 1, "in targets/releases too: {role}");
    }
    let error = machine.trust(&format!("signer remove jeff {REPOSITORY}")).failed(1);
    assert!(error.contains(&format!("jeff is no signer of {REPOSITORY}")), "{error}");
    let error = machine.trust(&format!("signer remove ann {REPOSITORY} --force")).failed(1);
    assert!(error.contains("ann is the only signer"), "{error}");
}

#[test]
fn who_alone_signed_what_is_released_goes_only_on_purpose_and_a_witness_mends_it() {
    let server = trust_server();
    let (owner, jeff) = (Machine::of_publisher(&server), Machine::of_publisher(&server));
    jeff.trust("key generate jeff").done();
    owner.trust("key generate ann").done();
    let key = jeff.file("jeff.pub").display().to_string();
    owner.trust(&format!("signer add --key {key} jeff {REPOSITORY}")).done();
    owner.trust(&format!("signer add --key ann.pub ann {REPOSITORY}")).done();
    sign(&jeff, "1.0", "");
    let error = owner.trust(&format!("signer remove jeff {REPOSITORY}")).failed(2);
    assert!(error.contains("jeff alone signed what docker pulls") && error.contains("say --yes"), "{error}");
    assert_eq!(released(&owner), ["1.0: jeff"], "nothing was changed");
    let ended = owner.trust(&format!("signer remove jeff {REPOSITORY} --force"));
    ended.done();
    assert!(ended.errors().contains("tagseal trust witness targets/releases"), "{}", ended.errors());
    assert_eq!(released(&owner), Vec::<String>::new());
    // Nobody vouches for what the server shows now, so it is shown and asked about before it is signed.
    let error = owner.trust(&format!("witness targets/releases {REPOSITORY}")).failed(2);
    assert!(error.contains("is not signed by its present keys. It lists:\n  1.0 sha256:"), "{error}");
    assert!(error.contains("say --yes"), "{error}");
    assert_eq!(released(&owner), Vec::<String>::new());
    owner.trust(&format!("witness targets/releases {REPOSITORY} --yes")).done();
    assert_eq!(released(&owner), ["1.0: (Repo Admin)"]);
}

#[test]
fn keys_are_rotated_and_signing_goes_on() {
    let server = trust_server();
    let machine = Machine::of_publisher(&server);
    machine.trust("key generate jeff").done();
    machine.trust(&format!("signer add --key jeff.pub jeff {REPOSITORY}")).done();
    sign(&machine, "1.0", "");
    let keys = |machine: &Machine| {
        let text = inspect(machine);
        let lines = text.lines().filter(|line| line.contains(" Key:") || line.starts_with("jeff "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for (line, changed) in [
        ("rotate root", Some(2)),
        ("rotate targets", Some(1)),
        ("rotate delegation targets/jeff", Some(0)),
        ("rotate snapshot", None),
        // Options stand anywhere.
        ("rotate snapshot --server-managed", None),
        ("rotate timestamp", None),
    ] {
        let before = keys(&machine);
        machine.trust(&format!("{line} {REPOSITORY}")).done();
        let after = keys(&machine);
        let differ: Vec<_> = (0..3).filter(|&at| before[at] != after[at]).collect();
        assert_eq!(differ, changed.into_iter().collect::<Vec<_>>(), "{line}");
        sign(
            &machine,
            line.split(' ').next_back().unwrap().trim_start_matches("targets/").trim_start_matches('-'),
            "",
        );
    }
    assert!(released(&machine).contains(&"1.0: jeff".to_owned()), "what was signed before counts on");
    assert_eq!(released(&machine).len(), 7);
}

#[test]
fn a_role_with_a_threshold_and_paths_counts_when_enough_keys_sign() {
    let server = trust_server();
    let (owner, qa) = (Machine::of_publisher(&server), Machine::of_publisher(&server));
    owner.trust(&format!("init {REPOSITORY}")).done();
    owner.trust("key generate dev").done();
    qa.trust("key generate qa").done();
    let key = qa.file("qa.pub").display().to_string();
    owner
        .trust(&format!(
            "delegation add targets/both {REPOSITORY} --key dev.pub --key {key} --threshold 2 --paths rc-"
        ))
        .done();
    let listed = owner.trust(&format!("delegation list {REPOSITORY} -o json")).json();
    assert_eq!(listed[0]["role"], "targets/both");
    assert_eq!(listed[0]["threshold"], 2);
    assert_eq!(listed[0]["paths"], serde_json::json!(["rc-"]));
    let line =
        |tag: &str| format!("sign {REPOSITORY}:{tag} --digest {} --size 5 --role targets/both", digest(tag));
    let error = owner.trust(&line("rc-1")).failed(2);
    assert!(error.contains("insufficient signatures for targets/both: 2 keys have to sign"), "{error}");
    qa.trust("key export qa -o qa.pem").done();
    std::fs::copy(qa.file("qa.pem"), owner.file("qa.pem")).unwrap();
    owner.trust("key import qa.pem").done();
    owner.trust(&line("rc-1")).done();
    let error = owner.trust(&line("1.0")).failed(1);
    assert!(error.contains("targets/both may not list \"1.0\""), "{error}");
    let text = inspect(&owner);
    assert!(text.contains("rc-1         ") && text.contains("not what docker pull takes"), "{text}");
    owner.trust(&format!("delegation remove targets/both {REPOSITORY} --yes")).done();
    assert!(!inspect(&owner).contains("targets/both"));
}

#[test]
fn one_tag_or_all_are_revoked_and_the_rest_is_told() {
    let server = trust_server();
    let machine = Machine::of_publisher(&server);
    ["1.0", "1.1", "1.2"].iter().for_each(|tag| drop(sign(&machine, tag, "")));
    machine.trust(&format!("revoke {REPOSITORY}:1.0")).done();
    assert_eq!(released(&machine), ["1.1: (Repo Admin)", "1.2: (Repo Admin)"]);
    let error = machine.trust(&format!("revoke {REPOSITORY}:1.0")).failed(1);
    assert!(error.contains("\"1.0\" is not signed"), "{error}");
    let error = machine.trust(&format!("revoke {REPOSITORY}")).failed(2);
    assert!(error.contains("There is no terminal to confirm this on: say --yes"), "{error}");
    machine.trust(&format!("revoke {REPOSITORY} --yes")).done();
    assert!(inspect(&machine).starts_with(&format!("No signatures for {REPOSITORY}\n")));
}

#[test]
fn a_deleted_repository_is_gone_and_its_keys_are_not() {
    let server = trust_server();
    let machine = Machine::of_publisher(&server);
    sign(&machine, "1.0", "");
    machine.trust(&format!("delete {REPOSITORY}")).failed(2);
    machine.trust(&format!("delete {REPOSITORY} --yes")).done();
    let error = machine.trust(&format!("inspect {REPOSITORY} --first-use")).failed(1);
    assert!(error.starts_with("RepositoryNotFound: "), "{error}");
    assert_eq!(machine.trust("key list -o json").json().as_array().unwrap().len(), 2);
    // The same root key serves the repository that takes its place.
    let again = sign(&machine, "1.0", "");
    assert!(!again.contains("new root key"), "{again}");
}

#[test]
fn inspect_knows_the_root_that_this_machine_published_and_no_other_machine_does() {
    let server = trust_server();
    let (publisher, stranger) = (Machine::of_publisher(&server), Machine::of_publisher(&server));
    sign(&publisher, "1.0", "");
    publisher.trust(&format!("inspect --pretty {REPOSITORY}:1.0")).done();
    let error = stranger.trust(&format!("inspect {REPOSITORY}:1.0")).failed(1);
    assert!(error.starts_with("RootNotPinned: "), "{error}");
    let listed = |machine: &Machine| {
        let mut files: Vec<_> = walk(&machine.file(".docker/trust"));
        files.sort();
        files
    };
    let before = listed(&publisher);
    publisher.trust(&format!("inspect {REPOSITORY}")).done();
    assert_eq!(listed(&publisher), before, "inspecting writes nothing");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn digest_and_size_come_from_the_registry() {
    const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#;
    let media_type = [("content-type", "application/vnd.oci.image.manifest.v1+json")];
    let manifest = get(move || async move { (media_type, MANIFEST) });
    let registry = TrustServer::serve(
        Router::new()
            .route("/v2/shop/web/manifests/1.0", manifest.clone())
            .route(&format!("/v2/shop/web/manifests/{}", digest(MANIFEST)), manifest)
            .fallback(|| async { StatusCode::NOT_FOUND }),
    );
    let server = trust_server();
    let machine = Machine::of_publisher(&server);
    let repository = format!("{}/shop/web", registry.url().trim_start_matches("http://"));
    let signed = machine.trust(&format!("sign {repository}:1.0 -o json")).json();
    assert_eq!(signed["digest"], digest(MANIFEST));
    let inspected = machine.trust(&format!("inspect {repository} -o json")).json();
    assert_eq!(inspected["targets"][0]["length"], MANIFEST.len());
    // A digest is signed under any tag, and asked for itself.
    machine.trust(&format!("sign {repository}:2.0@{}", digest(MANIFEST))).done();
    for line in [format!("sign {repository}:3.0"), format!("sign {repository}:1.0@{}", digest("other"))] {
        let error = machine.trust(&line).failed(1);
        assert!(error.contains("push it first"), "{error}");
    }
}

#[test]
fn a_pipeline_that_makes_the_repository_brings_the_root_key_as_a_file() {
    let server = trust_server();
    let (owner, pipeline) = (Machine::of_publisher(&server), Machine::of_publisher(&server));
    owner.trust("init registry.test/first").done();
    let keys = owner.trust("key list -o json").json();
    let root = keys.as_array().unwrap().iter().find(|key| key["role"] == "root").unwrap()["keyID"].clone();
    let root = root.as_str().unwrap();
    owner.trust(&format!("key export {root} -o root.pem")).done();
    std::fs::copy(owner.file("root.pem"), pipeline.file("root.pem")).unwrap();
    // It has one of its own, which is not meant.
    pipeline.trust("init registry.test/own").done();
    let signed = sign(&pipeline, "1.0", " --root-key root.pem");
    assert!(signed.contains("new targets key") && !signed.contains("new root key"), "{signed}");
    let inspected = pipeline.trust(&format!("inspect {REPOSITORY} -o json")).json();
    assert_eq!(inspected["root"]["keyIDs"], serde_json::json!([root]));
    // By then it is there.
    sign(&pipeline, "1.1", &format!(" --root-key {root}"));
    pipeline.trust("key generate ci").done();
    pipeline.trust(&format!("signer add --key ci.pub ci registry.test/second --root-key {root}")).done();
}

#[test]
fn who_looks_at_delegations_or_tags_believes_no_root_by_chance() {
    let server = trust_server();
    let (owner, stranger) = (Machine::of_publisher(&server), Machine::of_publisher(&server));
    owner.trust(&format!("init {REPOSITORY}")).done();
    for command in ["inspect", "delegation list"] {
        let error = stranger.trust(&format!("{command} {REPOSITORY}")).failed(1);
        assert!(error.contains("RootNotPinned: "), "{command}: {error}");
        stranger.trust(&format!("{command} {REPOSITORY} --first-use")).done();
        owner.trust(&format!("{command} {REPOSITORY}")).done();
    }
}
