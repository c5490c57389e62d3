//! `tagseal trust renew`: what is renewed over all repositories, what is left, and to whom.

use serde_json::{Value, json};
use tagseal::clock::{Clock as _, SystemClock};
use tagseal::publish::key::PublicForm;

use super::expiry::{Times, listed};
use super::run::{Ended, Machine};
use crate::support::days;
use crate::support::deal::{delegate, init};
use crate::support::past::ROLE_DAYS;

const A: &str = "registry.test/a/web";
const B: &str = "registry.test/b/web";

/// Of each role: its status.
fn statuses(renewal: &Value) -> Vec<(&str, &str)> {
    let roles = renewal["roles"].as_array().unwrap().iter();
    roles.map(|role| (role["role"].as_str().unwrap(), role["status"].as_str().unwrap())).collect()
}

fn printed(ended: &Ended, status: i32) -> Value {
    ended.failed(status);
    serde_json::from_str(&ended.printed()).unwrap()
}

/// An owner, and a signer who signed in the owner's repository; all of it so many days ago.
fn owner_and_signer(times: &Times, ago: i64) -> (Machine, Machine, PublicForm) {
    let (owner, jeff) = (Machine::of_publisher(&times.server), Machine::of_publisher(&times.server));
    jeff.trust("key generate jeff").done();
    let key = PublicForm::from_pem(&std::fs::read_to_string(jeff.file("jeff.pub")).unwrap()).unwrap();
    let role = |name| delegate(name, &[&key], None, &[""]);
    times.published(&owner, ago, A, &[init(), role("targets/releases"), role("targets/jeff")]);
    times.published(&jeff, ago, A, &[listed("1.0")]);
    (owner, jeff, key)
}

#[test]
fn each_renews_what_has_its_keys_here_and_says_who_renews_the_rest() {
    let times = Times::new();
    let (owner, jeff, key) = owner_and_signer(&times, ROLE_DAYS - 50);
    times.published(&owner, 100, B, &[init(), listed("1.0")]);
    let id = key.canonical_id();

    let due = owner.trust("renew --all --dry-run");
    let text = due.failed(1);
    assert_eq!(text, "");
    let table: Vec<Vec<String>> = (due.printed().lines())
        .map(|line| {
            line.split("   ").map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect()
        })
        .collect();
    assert_eq!(table[0], [A]);
    assert_eq!(table[1], ["ROLE", "ENDS", "STATUS", "WHO ELSE"]);
    assert_eq!(table[2][0], "root");
    assert_eq!(table[2][2], "-");
    assert_eq!((table[3][0].as_str(), table[3][2].as_str()), ("targets", "ends soon, would be renewed"));
    let who = format!("whoever has {id}: `tagseal trust renew {A}`");
    assert_eq!(table[4][0], "targets/jeff");
    assert_eq!(table[4][2..], ["ends soon, not renewed".to_owned(), who]);
    assert_eq!(table[7][0], "timestamp");
    assert_eq!(table[7][2..], ["-", "the server"]);
    assert_eq!(table[8], [B]);

    let renewed = owner.trust("renew --all -o json").json();
    let of_a = [
        ("root", "NotDue"),
        ("targets", "Renewed"),
        ("targets/jeff", "NotRenewed"),
        ("targets/releases", "NotRenewed"),
        ("snapshot", "ByServer"),
        ("timestamp", "ByServer"),
    ];
    assert_eq!(statuses(&renewed[0]), of_a);
    let targets = &renewed[0]["roles"][1];
    assert_eq!(targets["version"], 2, "the dry run published nothing");
    let expires: jiff::Timestamp = targets["newExpires"].as_str().unwrap().parse().unwrap();
    assert!(expires - days(ROLE_DAYS - 1) > SystemClock.now(), "{targets}");
    assert_eq!(renewed[0]["roles"][2]["keyIDs"], json!([id.to_string()]));
    assert_eq!(renewed[1]["repository"], B);
    let of_b =
        [("root", "NotDue"), ("targets", "NotDue"), ("snapshot", "ByServer"), ("timestamp", "ByServer")];
    assert_eq!(statuses(&renewed[1]), of_b);
    owner.trust("renew --all --dry-run").done();
    let later = owner.trust(&format!("renew --within 2000d {B} -o json")).json();
    assert_eq!(statuses(&later[0])[1], ("targets", "Renewed"));

    let renewed = jeff.trust(&format!("renew {A} -o json")).json();
    assert_eq!(
        statuses(&renewed[0])[1..4],
        [("targets", "NotDue"), ("targets/jeff", "Renewed"), ("targets/releases", "Renewed")]
    );
}

#[test]
fn what_expired_and_is_not_renewed_here_makes_the_status_1() {
    let times = Times::new();
    let (owner, jeff, _) = owner_and_signer(&times, ROLE_DAYS + 1);
    let renewed = printed(&owner.trust(&format!("renew {A} -o json")), 1);
    assert_eq!(statuses(&renewed[0])[1..3], [("targets", "Renewed"), ("targets/jeff", "NotRenewed")]);
    assert_eq!(
        (&renewed[0]["roles"][1]["expired"], &renewed[0]["roles"][2]["expired"]),
        (&json!(true), &json!(true))
    );
    jeff.trust(&format!("renew {A}")).done();
    owner.trust(&format!("renew {A}")).done();
}

#[test]
fn a_passphrase_that_is_missing_makes_the_status_2_and_nothing_is_asked() {
    let times = Times::new();
    let (owner, ..) = owner_and_signer(&times, ROLE_DAYS - 50);
    let owner = owner.with("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "");
    let ended = owner.trust(&format!("renew {A}"));
    let error = ended.failed(2);
    assert!(error.starts_with("warning: targets ends soon, and was not renewed: "), "{error}");
    assert!(ended.printed().contains("ends soon, not renewed"), "{}", ended.printed());
}

#[test]
fn one_repository_that_fails_stops_no_other() {
    let times = Times::new();
    let (owner, ..) = owner_and_signer(&times, ROLE_DAYS - 50);
    times.published(&owner, ROLE_DAYS - 50, B, &[init(), listed("1.0")]);
    owner.trust(&format!("delete {A} --yes --trust-dir other")).done();
    let ended = owner.trust("renew --all -o json");
    let renewed = printed(&ended, 1);
    let gone = ended.errors();
    assert!(
        gone.starts_with(&format!("tagseal: {A}: {A} was published from this trust directory before")),
        "{gone}"
    );
    assert_eq!((&renewed[0]["repository"], &renewed[0]["roles"]), (&json!(A), &json!([])));
    assert_eq!(renewed[0]["error"], gone.trim_start_matches("tagseal: ").trim_end());
    assert_eq!(statuses(&renewed[1])[1], ("targets", "Renewed"));
}

#[test]
fn a_repository_of_which_no_key_is_here_is_left_out() {
    let times = Times::new();
    let (owner, stranger) = (Machine::of_publisher(&times.server), Machine::of_publisher(&times.server));
    times.published(&owner, ROLE_DAYS + 1, A, &[init()]);
    times.published(&stranger, 100, B, &[init()]);
    // As docker leaves it where something was pulled.
    for file in ["root.json", "targets.json"] {
        let path = |machine: &Machine| machine.file(".docker/trust/tuf").join(A).join("metadata").join(file);
        std::fs::create_dir_all(path(&stranger).parent().unwrap()).unwrap();
        std::fs::copy(path(&owner), path(&stranger)).unwrap();
    }
    let renewed = stranger.trust("renew --all -o json").json();
    assert_eq!(renewed.as_array().unwrap().len(), 1);
    assert_eq!(renewed[0]["repository"], B);
}

#[test]
fn repositories_are_named_or_all_are_meant() {
    let machine = Machine::new();
    let error = machine.trust("renew --server http://127.0.0.1:9").failed(2);
    assert!(error.contains("--all") || error.contains("REPOSITORY"), "{error}");
    let error = machine.trust("renew --all").failed(2);
    assert!(
        error.contains("there is no repository in") && error.contains("of which a key is here"),
        "{error}"
    );
}
