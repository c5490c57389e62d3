//! Repositories that `notary` and `tagseal trust` work on in turn, on the real notary-server: after every step both list
//! the same.

use std::sync::Arc;

use tagseal::clock::SystemClock;
use tagseal::sandbox::server::NotaryServer as Embedded;

use crate::harness::Hand::{Notary, Tagseal};
use crate::harness::*;
use crate::support::trust_server::TrustServer;

const RELEASES: &str = "targets/releases";
const ALICE: &str = "targets/alice";
const NIGHTLY: &str = "targets/alice/nightly";

/// A repository's whole life. `hands` says who does each step; the first one makes the repository.
fn lives(desk: &Desk, mut hands: impl Iterator<Item = Hand>) {
    let mut next = || hands.next().expect("hands without end");
    for signer in ["alice", "bob"] {
        desk.has_signer(signer);
    }
    // `key import` and `key load`: the key of one is as good as the key of the other.
    desk.notary("key import alice.pem --role alice").passes();
    desk.tagseal("key load bob.pem --name bob").passes();
    let [alice, bob] = ["alice", "bob"].map(|signer| desk.keys_of(signer)[0].clone());

    desk.init(next());
    desk.shows(&[]);
    desk.sign(next(), &["targets"], "1");
    desk.sign(next(), &["targets"], "2");
    desk.shows(&[("targets", "1"), ("targets", "2")]);
    desk.revoke(next(), &["targets"], "2");
    desk.shows(&[("targets", "1")]);

    desk.delegate(next(), RELEASES, &["alice.pub.pem"], "");
    desk.delegate(next(), ALICE, &["alice.pub.pem"], "");
    desk.shows(&[("targets", "1")]);
    desk.sign(next(), &[RELEASES, ALICE], "3");
    desk.sign(next(), &[RELEASES, ALICE], "4");
    desk.shows(&[("targets", "1"), (RELEASES, "3"), (RELEASES, "4"), (ALICE, "3"), (ALICE, "4")]);
    desk.revoke(next(), &[RELEASES, ALICE], "4");
    desk.delegate(next(), NIGHTLY, &["alice.pub.pem", "bob.pub.pem"], "nightly-");
    desk.sign(next(), &[NIGHTLY], "nightly-1");
    let signed = [("targets", "1"), (RELEASES, "3"), (ALICE, "3"), (NIGHTLY, "nightly-1")];
    desk.shows(&signed);

    for role in ["root", "targets", "snapshot"] {
        desk.rotate(next(), role);
        desk.shows(&signed);
    }
    for role in ["snapshot", "timestamp"] {
        desk.hand_over(next(), role);
        desk.shows(&signed);
    }
    desk.sign(next(), &[RELEASES], "5");
    desk.sign(next(), &["targets"], "6");
    desk.rotate(next(), "snapshot");
    desk.rotate(next(), "root");
    let signed = [&signed[..], &[(RELEASES, "5"), ("targets", "6")]].concat();
    desk.shows(&signed);

    // Alice's key goes from the releases. Nothing that she signed there counts, until bob has signed it as it is.
    desk.delegate(next(), RELEASES, &["bob.pub.pem"], "");
    desk.restrict(next(), RELEASES, &alice);
    let releases = |role: &str| role == RELEASES;
    let others: Vec<_> = signed.iter().copied().filter(|(role, _)| !releases(role)).collect();
    desk.shows(&others);
    desk.witness(next(), RELEASES);
    desk.shows(&signed);
    desk.restrict(next(), NIGHTLY, &bob);
    desk.witness(next(), NIGHTLY);
    desk.undelegate(next(), NIGHTLY);
    desk.undelegate(next(), ALICE);
    desk.shows(&[("targets", "1"), ("targets", "6"), (RELEASES, "3"), (RELEASES, "5")]);
    desk.neighbour("stranger").shows(&[("targets", "1"), ("targets", "6"), (RELEASES, "3"), (RELEASES, "5")]);

    let root = desk.inspection()["root"]["keyIDs"][0].as_str().expect("a key").to_owned();
    desk.delete(next());
    assert_eq!(desk.neighbour("late").notary("list WEB").code, Some(1));
    // By now there are several root keys.
    match next() {
        Notary => desk.init(Notary),
        Tagseal => drop(desk.tagseal(&format!("init WEB --root-key {root}")).passes()),
    }
    desk.sign(next(), &["targets"], "7");
    desk.shows(&[("targets", "7")]);
}

#[test]
fn a_repository_that_notary_made_is_worked_on_by_tagseal_and_listed_by_both() {
    lives(&Desk::new("notary-then-tagseal"), std::iter::once(Notary).chain(std::iter::repeat(Tagseal)));
}

#[test]
fn a_repository_that_tagseal_made_is_worked_on_by_notary_and_listed_by_both() {
    lives(&Desk::new("tagseal-then-notary"), std::iter::once(Tagseal).chain(std::iter::repeat(Notary)));
}

#[test]
fn both_work_on_a_repository_in_turn_whoever_began() {
    lives(&Desk::new("in-turn-from-notary"), [Notary, Tagseal].into_iter().cycle());
    lives(&Desk::new("in-turn-from-tagseal"), [Tagseal, Notary].into_iter().cycle());
}

#[test]
fn both_work_on_a_repository_of_the_embedded_server() {
    let server = TrustServer::serve(Embedded::new(None, Arc::new(SystemClock)).expect("a server").router());
    let desk = |name: &str| Desk::new(name).with_server(server.url());
    lives(&desk("embedded-from-notary"), [Notary, Tagseal].into_iter().cycle());
    lives(&desk("embedded-from-tagseal"), [Tagseal, Notary].into_iter().cycle());
}
