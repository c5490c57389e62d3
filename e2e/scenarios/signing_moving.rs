//! A repository goes from one real notary-server to another, and what becomes of the clients that knew the old one.

use serde_json::json;

use crate::harness::Hand::{Notary, Tagseal};
use crate::harness::*;

/// Two servers, and a publisher at the first.
fn two(name: &str) -> (Desk, NotaryServer, NotaryServer) {
    let (old, new) =
        (NotaryServer::start(&format!("old-{name}")), NotaryServer::start(&format!("new-{name}")));
    let desk = Desk::at(&format!("moving-{name}"), &old);
    (desk, old, new)
}

/// What `notary` lists from a cache of its own, at this server.
#[track_caller]
fn listed_by_notary(desk: &Desk, cache: &str, server: &NotaryServer) -> Vec<String> {
    tags(&desk.neighbour(cache).with_server(server.url()).notary("list WEB").passes())
}

/// Whether a policy that names this server lets the tag pass, with records kept from one time to the next.
#[track_caller]
fn verified(desk: &Desk, server: &NotaryServer, tag: &str) -> Said {
    desk.has_policy(&json!({
        "images": {"include": ["registry.test/**"]},
        "notary": {"server": server.url()},
        "firstUse": "Trust",
    }));
    desk.program(&format!("verify WEB:{tag} --policy policy.yaml --state-dir state --cache-dir cache"))
}

#[test]
fn clients_of_the_old_server_follow_to_the_new_one() {
    let (desk, old, new) = two("follow");
    let gun = desk.gun().to_owned();
    desk.tagseal("init WEB").passes();
    desk.sign(Tagseal, &["targets"], "1");
    assert_eq!(listed_by_notary(&desk, "first-root", &old), ["1"]);
    desk.tagseal("rotate root WEB").passes();
    desk.has_signer("jeff");
    desk.delegate(Tagseal, "targets/jeff", &["jeff.pub.pem"], "");
    desk.sign(Tagseal, &["targets"], "2");
    assert_eq!(listed_by_notary(&desk, "second-root", &old), ["1", "2"]);
    verified(&desk, &old, "2").passes();

    let (from, to) = (old.url(), new.url());
    let planned = desk.tagseal(&format!("move WEB --from {from} --to {to} --dry-run")).passes();
    assert!(
        planned.starts_with(&format!("Would move {gun} from {from} to {to}, in 31 uploads\n")),
        "{planned}"
    );
    let moved = desk.tagseal(&format!("move WEB --from {from} --to {to}"));
    assert_eq!(moved.errors, "");
    let moved = moved.passes();
    assert!(moved.starts_with(&format!("Moved {gun} from {from} to {to}, in 31 uploads\n")), "{moved}");
    for line in [
        "  root        version 2 -> 3",
        "  targets     version 4, as it is",
        "  snapshot    version 5 -> 36, signed by the server",
        "  timestamp   version 5 -> 31",
    ] {
        assert!(moved.lines().any(|printed| printed == line), "{line:?} in {moved}");
        assert!(planned.lines().any(|printed| printed == line), "{line:?} in {planned}");
    }

    for cache in ["first-root", "second-root", "none"] {
        assert_eq!(listed_by_notary(&desk, cache, &new), ["1", "2"], "{cache}");
    }
    verified(&desk, &new, "2").passes();

    // Both programs publish at the new server.
    let desk = desk.with_server(to);
    desk.sign(Tagseal, &["targets"], "3");
    desk.sign(Notary, &["targets"], "4");
    desk.shows(&[("targets", "1"), ("targets", "2"), ("targets", "3"), ("targets", "4")]);
    assert_eq!(listed_by_notary(&desk, "first-root", &new), ["1", "2", "3", "4"]);
    verified(&desk, &new, "4").passes();

    let again = desk.tagseal(&format!("move WEB --from {from} --to {to}")).passes();
    assert!(again.starts_with(&format!("Nothing was changed: {gun} is at {to} already\n")), "{again}");

    // The old server's copy goes, and the trust directory still knows the root.
    let deleted = desk.clone().with_server(from).tagseal("delete WEB --keep-local --yes").passes();
    assert_eq!(
        deleted,
        format!("Deleted the trust data of {gun} at {from}/; its metadata and keys are still here\n")
    );
    assert!(desk.trust_dir().join(format!("tuf/{gun}/metadata/root.json")).is_file());
    desk.sign(Tagseal, &["targets"], "5");
    verified(&desk, &new, "5").passes();
}

#[test]
fn a_snapshot_key_that_is_here_stays_here() {
    let (desk, old, new) = two("local");
    desk.init(Notary);
    desk.sign(Notary, &["targets"], "1");
    assert_eq!(listed_by_notary(&desk, "client", &old), ["1"]);
    let (from, to) = (old.url(), new.url());
    let moved = desk.tagseal(&format!("move WEB --from {from} --to {to}")).passes();
    assert!(moved.contains(", signed here\n"), "{moved}");
    assert_eq!(listed_by_notary(&desk, "client", &new), ["1"]);
    let desk = desk.with_server(to);
    desk.sign(Notary, &["targets"], "2");
    desk.sign(Tagseal, &["targets"], "3");
    desk.shows(&[("targets", "1"), ("targets", "2"), ("targets", "3")]);
}

#[test]
fn whoever_knows_only_a_root_whose_key_is_gone_is_told_of() {
    let (desk, old, new) = two("gone");
    desk.tagseal("init WEB").passes();
    let first = desk.tagseal("key list -o json").passes();
    let first: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    let first = first.as_array().expect("keys").iter().find(|key| key["role"] == "root").expect("a root key");
    let first = first["keyID"].as_str().expect("an ID").to_owned();
    desk.tagseal("rotate root WEB").passes();
    std::fs::remove_file(desk.trust_dir().join(format!("private/{first}.key"))).expect("a key's file");
    desk.sign(Tagseal, &["targets"], "1");
    assert_eq!(listed_by_notary(&desk, "client", &old), ["1"]);
    let (gun, from, to) = (desk.gun().to_owned(), old.url(), new.url());
    let moved = desk.tagseal(&format!("move WEB --from {from} --to {to}"));
    assert_eq!(
        moved.errors,
        format!(
            "warning: clients whose last look at {gun} was under a root before version 2 cannot follow, because a root key of \
             that time is not here: have them look at {from} once more before they turn to the new server\n"
        )
    );
    moved.passes();
    assert_eq!(listed_by_notary(&desk, "client", &new), ["1"]);
}
