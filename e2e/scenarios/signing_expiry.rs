//! Roles that end soon, or ended, on the real notary-server: what is renewed, what is said, and what `notary` makes of it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tagseal::clock::{Clock as _, SystemClock};
use tagseal::publish::key::PublicForm;
use tagseal::publish::operation::Operation;

use crate::harness::*;
use crate::support::days;
use crate::support::deal::{add, delegate, init, init_with_snapshot};
use crate::support::past::{Past, ROLE_DAYS};

/// Publishes from the desk as of when what is signed ends after so long; when that is.
pub(super) fn published(desk: &Desk, ends_in: SignedDuration, operations: &[Operation]) -> Timestamp {
    let now = SystemClock.now() + ends_in - days(ROLE_DAYS);
    let past = Past {
        server: suite().notary().url(),
        trust_dir: &desk.trust_dir(),
        passphrase: |_| PASSPHRASE,
        now,
    };
    past.publish(desk.gun(), operations);
    (now + days(ROLE_DAYS)).round(jiff::Unit::Second).expect("a time")
}

/// Waits until then.
pub(super) fn until_ended(ends: Timestamp) {
    eventually("the roles end", Duration::from_secs(20), || {
        if SystemClock.now() > ends { Ok(()) } else { Err(format!("{ends} is to come")) }
    });
}

fn with_signer(desk: &Desk) -> Vec<Operation> {
    let pem = std::fs::read_to_string(desk.folder().join("jeff.pub")).expect("a key");
    let key = PublicForm::from_pem(&pem).expect("a key");
    let role = |name| delegate(name, &[&key], None, &[""]);
    vec![init(), role("targets/releases"), role("targets/jeff"), add("1", "1", &[])]
}

fn sign(tag: &str) -> String {
    format!("sign WEB:{tag} --digest {} --size 1", tagseal::digest::Digest::of(tag.as_bytes()))
}

/// The ID of the desk's one key of this role.
fn key(desk: &Desk, role: &str) -> String {
    let keys = desk.keys();
    keys.into_iter().find(|(name, ..)| name == role).expect("a key").2
}

#[test]
fn a_nightly_sign_renews_roles_and_snapshot_and_notary_goes_on_from_there() {
    let desk = Desk::new("expiry-nightly");
    published(&desk, days(15), &[init_with_snapshot(), add("1", "1", &[])]);
    desk.tagseal(&sign("1")).prints(&format!(
        "Signed {}:1@{}\n  targets    version 2, renewed\n  snapshot   version 2\n",
        desk.gun(),
        tagseal::digest::Digest::of(b"1")
    ));
    let soon = (SystemClock.now() + days(ROLE_DAYS - 1)).to_string();
    let inspection = desk.inspection();
    for role in ["snapshot", "root"] {
        assert!(
            inspection[role]["expires"].as_str().expect("a time") > soon.as_str(),
            "{role}: {inspection}"
        );
    }
    desk.notary("list WEB").passes();
    desk.sign(Hand::Notary, &["targets"], "2");

    // The snapshot by itself, where nothing else can be renewed.
    let keeper = Desk::new("expiry-snapshot");
    let ends = published(&keeper, days(15), &[init_with_snapshot(), add("1", "1", &[])]);
    let targets = key(&keeper, "targets");
    keeper.tagseal(&format!("key remove {targets} --yes")).passes();
    let said = keeper.tagseal("init WEB");
    let mend =
        format!("whoever has {targets} renews it with `tagseal trust witness targets {}`", keeper.gun());
    assert_eq!(said.errors, format!("warning: targets of {} expires at {ends}: {mend}\n", keeper.gun()));
    assert_eq!(
        said.passes(),
        format!(
            "{} has trust data already; what ended soon was renewed\n  snapshot   version 2, renewed\n",
            keeper.gun()
        )
    );
    keeper.notary("list WEB").passes();
}

#[test]
fn a_signer_below_what_ends_soon_or_ended_is_told_who_mends_it() {
    let owner = Desk::new("expiry-signer");
    owner.tagseal("key generate jeff").passes();
    let ends = published(&owner, days(15), &with_signer(&owner));
    let jeff = owner.twin("jeff");
    let targets = key(&jeff, "targets");
    jeff.tagseal(&format!("key remove {targets} --yes")).passes();
    let said = jeff.tagseal(&sign("2"));
    let mend =
        format!("whoever has {targets} renews it with `tagseal trust witness targets {}`", owner.gun());
    assert_eq!(said.errors, format!("warning: targets of {} expires at {ends}: {mend}\n", owner.gun()));
    said.passes();

    let late = Desk::new("expiry-late");
    late.tagseal("key generate jeff").passes();
    let ends = published(&late, SignedDuration::from_secs(3), &with_signer(&late));
    let jeff = late.twin("jeff");
    let targets = key(&jeff, "targets");
    jeff.tagseal(&format!("key remove {targets} --yes")).passes();
    until_ended(ends);
    assert_eq!(late.notary("list WEB").code, Some(1));
    let said = jeff.tagseal(&sign("2"));
    let mend = format!("whoever has {targets} renews it with `tagseal trust witness targets {}`", late.gun());
    assert_eq!(
        said.errors,
        format!(
            "warning: targets of {} expired at {ends}, and clusters and clients deny all that is below it: {mend}\n",
            late.gun()
        )
    );
    assert_eq!(said.code, Some(1));
    assert!(said.out.starts_with("Signed ") && said.out.contains(", without effect\n"), "{}", said.out);

    // The steps after a theft, over what expired.
    late.tagseal("key generate new").passes();
    assert!(late.tagseal("delegation list WEB").passes().contains("targets/jeff"));
    late.tagseal("rotate delegation targets/jeff WEB --key new.pub").passes();
    late.tagseal("key generate ann").passes();
    late.tagseal("signer add --key ann.pub ann WEB").passes();
    late.tagseal("signer remove jeff WEB --force").passes();
    late.notary("list WEB").passes();
}

#[test]
fn a_timer_renews_all_repositories_and_notary_reads_them() {
    let desk = Desk::new("expiry-timer");
    let other = desk.clone().with_gun("registry.test/expiry-timer/api");
    published(&desk, days(15), &[init_with_snapshot(), add("1", "1", &[])]);
    published(&other, days(15), &[init(), add("1", "1", &[])]);
    let renewed: serde_json::Value =
        serde_json::from_str(&desk.tagseal("renew --all -o json").passes()).expect("JSON");
    let statuses = |number: usize| {
        let roles = renewed[number]["roles"].as_array().expect("roles").iter();
        roles.map(|role| format!("{} {}", role["role"], role["status"]).replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(statuses(0), ["root NotDue", "targets Renewed", "snapshot ByServer", "timestamp ByServer"]);
    assert_eq!(statuses(1), ["root NotDue", "targets Renewed", "snapshot Renewed", "timestamp ByServer"]);
    desk.tagseal("renew --all --dry-run").passes();
    desk.notary("list WEB").passes();
    other.notary("list WEB").passes();
}
