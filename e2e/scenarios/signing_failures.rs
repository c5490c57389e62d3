//! What can go wrong while publishing to the real notary-server, and what tagseal says that the user can do.

use std::time::Duration;

use crate::harness::Hand::{Notary, Tagseal};
use crate::harness::*;

#[test]
fn a_stale_copy_is_read_anew_before_anything_is_published() {
    let desk = Desk::new("stale-copy");
    desk.init(Notary);
    let twin = desk.twin("twin");
    desk.sign(Tagseal, &["targets"], "1");
    desk.sign(Notary, &["targets"], "2");
    twin.sign(Tagseal, &["targets"], "3");
    desk.sign(Notary, &["targets"], "4");
    for desk in [&desk, &twin] {
        desk.shows(&[("targets", "1"), ("targets", "2"), ("targets", "3"), ("targets", "4")]);
    }
}

#[test]
fn somebody_elses_publish_in_between_costs_one_more_upload() {
    let desk = Desk::new("in-between");
    let proxy = Proxy::of(suite().notary().url());
    desk.init(Tagseal);
    let other = desk.twin("other");
    let behind = desk.clone().with_server(&proxy.url());
    proxy.lets_happen(move || other.sign(Notary, &["targets"], "theirs"));
    behind.sign(Tagseal, &["targets"], "ours");
    assert_eq!(proxy.uploads(), 2);
    desk.shows(&[("targets", "ours"), ("targets", "theirs")]);
}

const RELEASES: &str = "targets/releases";

/// A repository in which alice, whose key is here, was just made a signer.
fn with_a_new_signer(name: &str, hand: Hand) -> Desk {
    let desk = Desk::new(name);
    desk.has_signer("alice");
    desk.tagseal("key load alice.pem --name alice").passes();
    // notary keeps the snapshot key to itself, tagseal leaves it to the server.
    desk.init(hand);
    desk.delegate(Tagseal, RELEASES, &["alice.pub.pem"], "");
    desk
}

#[test]
fn two_first_signatures_of_a_delegation_at_once_both_stand() {
    for (round, hand) in [Tagseal, Notary, Tagseal].into_iter().enumerate() {
        let desk = with_a_new_signer(&format!("first-at-once-{round}"), hand);
        let twin = desk.twin("twin");
        std::thread::scope(|scope| {
            scope.spawn(|| desk.sign(Tagseal, &[RELEASES], "1"));
            scope.spawn(|| twin.sign(Tagseal, &[RELEASES], "2"));
        });
        desk.shows(&[(RELEASES, "1"), (RELEASES, "2")]);
    }
}

#[test]
fn a_first_signature_between_two_of_our_requests_stands() {
    let requests = ["/timestamp.json", "/snapshot.", "/targets/releases.json"];
    for (round, request) in requests.into_iter().enumerate() {
        for hand in [Tagseal, Notary] {
            let desk = with_a_new_signer(&format!("first-between-{round}-{hand:?}").to_lowercase(), hand);
            let proxy = Proxy::of(suite().notary().url());
            let other = desk.twin("other");
            let behind = desk.clone().with_server(&proxy.url());
            proxy.lets_happen_before(request, move || other.sign(Notary, &[RELEASES], "theirs"));
            behind.sign(Tagseal, &[RELEASES], "ours");
            assert!(!proxy.waits(), "{request} was never asked for");
            desk.shows(&[(RELEASES, "ours"), (RELEASES, "theirs")]);
        }
    }
}

/// A build matrix: some jobs have trust directories of their own, some share one.
#[test]
fn sixteen_publishers_at_once_all_arrive_at_a_server_far_away() {
    let desk = Desk::new("same-time");
    desk.init(Tagseal);
    desk.sign(Tagseal, &["targets"], "00");
    let proxy = Proxy::of(suite().notary().url());
    proxy.delays(Duration::from_millis(50));
    let tags: Vec<String> = (1..=16).map(|number| format!("{number:02}")).collect();
    std::thread::scope(|scope| {
        for (number, tag) in tags.iter().enumerate() {
            let desk = if number < 8 { desk.twin(&format!("twin-{tag}")) } else { desk.clone() };
            let desk = desk.with_server(&proxy.url());
            scope.spawn(move || desk.sign(Tagseal, &["targets"], tag));
        }
    });
    let all: Vec<(&str, &str)> =
        ["00"].into_iter().chain(tags.iter().map(String::as_str)).map(|tag| ("targets", tag)).collect();
    desk.shows(&all);
}

#[test]
fn who_may_not_push_is_told_so() {
    let authority = Authority::new("signing-tokens");
    let tokens = TokenServer::start(&authority, "robot", "secret");
    let server = NotaryServer::private("notary-signing-tokens", &authority, &tokens);
    let desk = Desk::at("no-permission", &server).logged_in("robot", "secret");
    desk.init(Tagseal);
    desk.sign(Notary, &["targets"], "1");
    desk.sign(Tagseal, &["targets"], "2");
    desk.shows(&[("targets", "1"), ("targets", "2")]);

    let (gun, url) = (desk.gun(), server.url());
    let refused = format!("it answered 401 for {gun}, so there is no permission to push to it;");
    let shown = "the credentials were shown: check that they may push to it, or run `docker login registry.test` as somebody \
                 who may";
    let realm = tokens.realm();
    for (user, password, expected) in [
        ("reader", "secret", format!("tagseal: {url}: {refused} {shown}\n")),
        ("robot", "wrong", format!("tagseal: {url}: its token realm {realm}: {refused} {shown}\n")),
        (
            "",
            "",
            format!(
                "tagseal: {url}: {refused} no credentials were shown: run `docker login registry.test`\n"
            ),
        ),
    ] {
        let other = desk.twin(&format!("{user}-{password}"));
        let other = match user {
            "" => other.with_variable("NOTARY_AUTH", ""),
            user => other.logged_in(user, password),
        };
        assert_eq!(other.tagseal(&sign_args("3")).fails(1), expected);
    }
    desk.shows(&[("targets", "1"), ("targets", "2")]);
}

#[test]
fn a_lost_key_is_named_with_what_can_be_done_without_it() {
    let desk = Desk::new("lost-keys");
    desk.init(Tagseal);
    desk.sign(Tagseal, &["targets"], "1");
    let lost = |role: &str| {
        let (thief, key) = (desk.twin(role), desk.keys_of(role)[0].clone());
        thief.tagseal(&format!("key remove {key} --yes")).passes();
        (thief, key)
    };
    let gun = desk.gun();
    let (rootless, root) = lost("root");
    assert_eq!(
        rootless.tagseal("rotate targets WEB").fails(2),
        format!(
            "tagseal: the root key of {gun} is not here: restore one of {root} with `tagseal trust key restore`, or run this \
             where it is. A root key that is lost for good means a new repository: no key of it can be replaced any more\n"
        )
    );
    rootless.sign(Tagseal, &["targets"], "2");

    let (handless, snapshot) = lost("snapshot");
    assert_eq!(
        handless.tagseal(&sign_args("3")).fails(2),
        format!(
            "tagseal: the snapshot of {gun} is signed by a key that is neither here nor the server's: bring one of {snapshot}; \
             or, if nobody has it any more, give the snapshot to the server with `tagseal trust rotate snapshot \
             --server-managed {gun}` (it takes the root key)\n"
        )
    );
    handless.hand_over(Tagseal, "snapshot");
    handless.sign(Tagseal, &["targets"], "3");

    let (keyless, targets) = lost("targets");
    assert_eq!(
        keyless.tagseal(&sign_args("4")).fails(2),
        format!(
            "tagseal: the repository key (targets) of {gun} is not here: restore one of {targets}, or run this where it is. \
             If it is lost, whoever has the root key replaces it with `tagseal trust rotate targets {gun}`\n"
        )
    );
    keyless.rotate(Tagseal, "targets");
    keyless.sign(Notary, &["targets"], "4");

    keyless.has_signer("alice");
    keyless.delegate(Tagseal, "targets/releases", &["alice.pub.pem"], "");
    let said = keyless.tagseal(&sign_args("5")).fails(2);
    assert!(
        said.contains(
            "and no key for a delegation that may list \"5\" is here: targets/releases needs one of"
        ),
        "{said}"
    );
    let said = keyless.tagseal(&format!("{} --role targets/releases", sign_args("5"))).fails(2);
    assert!(said.contains("no key of targets/releases is here; its keys are"), "{said}");
    let signed = ["1", "2", "3", "4"].map(|tag| ("targets", tag));
    keyless.shows(&signed);
}

#[test]
fn a_repository_that_the_server_lost_is_not_silently_made_anew() {
    let server = NotaryServer::start("forgetful");
    let desk = Desk::at("gone", &server);
    desk.init(Tagseal);
    desk.sign(Tagseal, &["targets"], "1");
    drop(server);
    let said = desk.tagseal(&sign_args("2")).fails(2);
    assert!(said.contains("connection refused"), "{said}");
    let (gun, server) = (desk.gun(), NotaryServer::start("forgetful-successor"));
    let desk = desk.clone().with_server(server.url());
    assert_eq!(
        desk.tagseal(&sign_args("2")).fails(1),
        format!(
            "tagseal: {gun} was published from this trust directory before, and {}/ has no trust data for it any more: check \
             the server; if it was deleted on purpose, run `tagseal trust delete {gun}` to forget it here too, and publish \
             again\n",
            server.url()
        )
    );
    desk.delete(Tagseal);
    desk.init(Tagseal);
    desk.sign(Tagseal, &["targets"], "2");
    desk.shows(&[("targets", "2")]);
}

#[test]
fn a_role_with_a_threshold_is_signed_by_enough_keys_or_not_at_all() {
    let desk = Desk::new("threshold");
    for signer in ["alice", "bob"] {
        desk.has_signer(signer);
    }
    desk.tagseal("key load alice.pem --name alice").passes();
    desk.init(Tagseal);
    desk.tagseal("delegation add targets/releases WEB --key alice.pub.pem --key bob.pub.pem --threshold 2")
        .passes();
    let said = desk.tagseal(&format!("{} --role targets/releases", sign_args("1"))).fails(2);
    let role = desk.inspection()["delegations"][0]["keyIDs"].clone();
    let bob = role.as_array().expect("keys").iter().filter_map(|id| id.as_str());
    let bob = bob.filter(|id| *id != desk.keys_of("alice")[0]).collect::<Vec<_>>()[0];
    assert_eq!(
        said,
        format!(
            "tagseal: insufficient signatures for targets/releases: 2 keys have to sign, of which {} is here, and {bob} not; \
             nothing was published. Sign with `--pending FILE` what can be signed here, and hand the file to whoever has a \
             missing key: `tagseal trust witness targets/releases {} --pending FILE` adds a signature, and publishes when \
             there are enough\n",
            desk.keys_of("alice")[0],
            desk.gun()
        )
    );
    desk.tagseal("key load bob.pem --name bob").passes();
    desk.sign(Tagseal, &["targets/releases"], "1");
    desk.sign(Notary, &["targets/releases"], "2");
    desk.shows(&[("targets/releases", "1"), ("targets/releases", "2")]);
}
