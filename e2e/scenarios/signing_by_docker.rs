//! The real `docker trust` and tagseal on one trust directory and one repository, in turns.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::signing_hardware::with_tokens;
use super::signing_holders::together;
use crate::harness::*;

/// What both programs show of a repository.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    /// Each tag with its digest and the signers who signed it.
    tags: BTreeMap<String, (String, BTreeSet<String>)>,
    /// The signers with the IDs of their keys.
    signers: BTreeMap<String, BTreeSet<String>>,
    /// The IDs of the repository keys. (docker shows a root key by its certificate's ID.)
    repository: BTreeSet<String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(values: &Value, of: impl Fn(&Value) -> String) -> BTreeSet<String> {
    values.as_array().into_iter().flatten().map(of).collect()
}

fn by_docker(desk: &Desk) -> Shown {
    let shown: Value = serde_json::from_str(&desk.docker("inspect WEB").passes()).expect("JSON");
    let (shown, ids) = (&shown[0], |keys: &Value| texts(keys, |key| text(&key["ID"])));
    let rows = |field: &str| shown[field].as_array().into_iter().flatten();
    let tag = |row: &Value| {
        let digest = format!("sha256:{}", text(&row["Digest"]));
        (text(&row["SignedTag"]), (digest, texts(&row["Signers"], text)))
    };
    let repository = rows("AdministrativeKeys").filter(|key| key["Name"] == "Repository");
    Shown {
        tags: rows("SignedTags").map(tag).collect(),
        signers: rows("Signers").map(|signer| (text(&signer["Name"]), ids(&signer["Keys"]))).collect(),
        repository: repository.flat_map(|key| ids(&key["Keys"])).collect(),
    }
}

/// By docker's rule: a tag counts in `targets` and `targets/releases`, and its signers are the other roles that list it.
fn by_tagseal(desk: &Desk) -> Shown {
    let shown = desk.inspection();
    let rows: Vec<_> = shown["targets"].as_array().into_iter().flatten().collect();
    let is_released = |row: &&&Value| row["role"] == "targets" || row["role"] == "targets/releases";
    let signer = |role: &Value| {
        text(role).strip_prefix("targets/").filter(|name| *name != "releases").map(str::to_owned)
    };
    let tag = |row: &&Value| {
        let same =
            rows.iter().filter(|other| other["name"] == row["name"] && other["digest"] == row["digest"]);
        let signers: BTreeSet<_> = same.filter_map(|other| signer(&other["role"])).collect();
        let signers = if signers.is_empty() { ["Repo Admin".to_owned()].into() } else { signers };
        (text(&row["name"]), (text(&row["digest"]), signers))
    };
    let delegations = shown["delegations"].as_array().into_iter().flatten();
    let targets = shown["roles"].as_array().into_iter().flatten().filter(|role| role["name"] == "targets");
    Shown {
        tags: rows.iter().filter(is_released).map(tag).collect(),
        signers: delegations
            .filter_map(|role| Some((signer(&role["name"])?, texts(&role["keyIDs"], text))))
            .collect(),
        repository: targets.flat_map(|role| texts(&role["keyIDs"], text)).collect(),
    }
}

/// Both show these tags, each by these signers, and these signers.
#[track_caller]
fn shows(desk: &Desk, tags: &[(&str, &[&str])], signers: &[&str]) {
    let shown = by_docker(desk);
    assert_eq!(shown, by_tagseal(desk));
    let expected = tags.iter().map(|(tag, signers)| {
        ((*tag).to_owned(), (digest_of(tag), signers.iter().map(|name| (*name).to_owned()).collect()))
    });
    assert_eq!(shown.tags, expected.collect());
    assert_eq!(shown.signers.keys().collect::<Vec<_>>(), signers);
}

fn desk(name: &str) -> (Desk, NotaryServer) {
    let authority = Authority::new(name);
    let server = NotaryServer::over_tls(&format!("notary-{name}"), &authority);
    (Desk::at(name, &server), server)
}

#[test]
fn docker_and_tagseal_publish_in_turns_to_a_repository_that_docker_made() {
    let (desk, _server) = desk("docker-first");
    desk.docker("key generate jeff").passes();
    desk.has_signer("ann");
    assert_eq!(desk.keys_of("jeff").len(), 1);
    desk.docker("signer add --key jeff.pub jeff WEB").passes();
    desk.tagseal("key load ann.pem --name ann").passes();
    desk.tagseal("signer add --key ann.pub.pem ann WEB").passes();
    shows(&desk, &[], &["ann", "jeff"]);

    desk.tagseal(&sign_args("1")).passes();
    desk.tagseal(&sign_args("2")).passes();
    shows(&desk, &[("1", &["ann", "jeff"]), ("2", &["ann", "jeff"])], &["ann", "jeff"]);
    desk.docker("revoke --yes WEB:1").passes();
    shows(&desk, &[("2", &["ann", "jeff"])], &["ann", "jeff"]);
    let said = desk.docker("signer remove jeff WEB").passes();
    assert!(said.contains("Successfully removed jeff"), "{said}");
    shows(&desk, &[("2", &["ann"])], &["ann"]);

    // Whatever tagseal changes about keys, docker goes on with.
    for (number, rotation) in ["root", "targets", "snapshot timestamp"].iter().enumerate() {
        desk.tagseal(&format!("rotate {rotation} WEB")).passes();
        let (signer, tag) = (format!("later-{number}"), format!("later-{number}"));
        desk.docker(&format!("key generate {signer}")).passes();
        desk.docker(&format!("signer add --key {signer}.pub {signer} WEB")).passes();
        desk.tagseal(&sign_args(&tag)).passes();
        shows(&desk, &[("2", &["ann"]), (&tag, &["ann", &signer])], &["ann", &signer]);
        desk.docker(&format!("revoke --yes WEB:{tag}")).passes();
        desk.docker(&format!("signer remove {signer} WEB")).passes();
        shows(&desk, &[("2", &["ann"])], &["ann"]);
    }
    desk.tagseal("renew WEB --within 20000d").passes();
    shows(&desk, &[("2", &["ann"])], &["ann"]);
    desk.docker("revoke --yes WEB").passes();
    shows(&desk, &[], &["ann"]);
}

#[test]
fn docker_goes_on_with_keys_and_a_repository_that_tagseal_made() {
    let (desk, _server) = desk("docker-second");
    desk.has_signer("ann");
    desk.docker("key load ann.pem --name ann").passes();
    desk.tagseal("key generate jeff").passes();
    desk.tagseal("init WEB").passes();
    desk.docker("signer add --key jeff.pub jeff WEB").passes();
    desk.docker("signer add --key ann.pub.pem ann WEB").passes();
    desk.tagseal(&sign_args("1")).passes();
    shows(&desk, &[("1", &["ann", "jeff"])], &["ann", "jeff"]);

    // A backup is docker's too, and so is a passphrase that tagseal changed.
    let restored = desk.neighbour("restored");
    desk.tagseal("key backup backup.tar.gz").passes();
    restored.tagseal("key restore ../backup.tar.gz").passes();
    restored.docker("revoke --yes WEB:1").passes();
    shows(&restored, &[], &["ann", "jeff"]);
    restored.tagseal("signer remove ann WEB").passes();
    shows(&desk, &[], &["jeff"]);

    // A delegation with paths, as notary makes it, is a signer to docker.
    desk.tagseal("delegation add targets/qa WEB --key ann.pub.pem --paths v").passes();
    desk.tagseal(&sign_args("v1")).passes();
    shows(&desk, &[("v1", &["jeff", "qa"])], &["jeff", "qa"]);
    desk.docker("revoke --yes WEB:v1").passes();
    desk.tagseal("rotate snapshot WEB").passes();
    desk.tagseal(&sign_args("2")).passes();
    shows(&desk, &[("2", &["jeff"])], &["jeff", "qa"]);
    desk.docker("revoke --yes WEB:2").passes();
    shows(&desk, &[], &["jeff", "qa"]);
}

#[test]
fn docker_goes_on_after_a_root_of_two_holders_a_root_in_a_token_and_a_move() {
    let authority = Authority::new("docker-moved");
    let [old, new] = ["old", "new"].map(|name| NotaryServer::over_tls(&format!("docker-{name}"), &authority));
    let desk = with_tokens(Desk::at("docker-moved", &old), &["one"]);
    desk.tagseal("init WEB").passes();
    let docker_adds_and_revokes = |desk: &Desk, name: &str| {
        shows(desk, &[("1", &["jeff"])], &["jeff"]);
        desk.docker(&format!("key generate {name}")).passes();
        desk.docker(&format!("signer add --key {name}.pub {name} WEB")).passes();
        desk.tagseal(&sign_args(name)).passes();
        shows(desk, &[("1", &["jeff"]), (name, &["jeff", name])], &["jeff", name]);
        desk.docker(&format!("revoke --yes WEB:{name}")).passes();
        desk.docker(&format!("signer remove {name} WEB")).passes();
        shows(desk, &[("1", &["jeff"])], &["jeff"]);
    };
    desk.docker("key generate jeff").passes();
    desk.docker("signer add --key jeff.pub jeff WEB").passes();
    desk.tagseal(&sign_args("1")).passes();

    let bob = desk.neighbour("bob");
    bob.tagseal("key certificate WEB -o ../bob.crt").passes();
    together(&desk, &[&bob], "root", "rotate root WEB --threshold 2 --add-key bob.crt", "two");
    docker_adds_and_revokes(&desk, "later-two");
    let bobs = bob.keys_of("root").concat();
    together(&desk, &[&bob], "root", &format!("rotate root WEB --threshold 1 --remove-key {bobs}"), "one");
    docker_adds_and_revokes(&desk, "later-one");

    desk.tagseal("rotate root WEB --key pkcs11:token=one").passes();
    docker_adds_and_revokes(&desk, "later-token");

    desk.tagseal(&format!("move WEB --from {} --to {}", old.url(), new.url())).passes();
    docker_adds_and_revokes(&desk.with_server(new.url()), "later-moved");
}
