//! `kill -9` at any moment of a publish: the trust directory and the server stay whole, and no key is lost.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tagseal::clock::{Clock as _, SystemClock};

use crate::harness::Hand::{Notary, Tagseal};
use crate::harness::*;

const RELEASES: &str = "targets/releases";
const ROUNDS: usize = 24;

/// Publishes of every kind, each with what it adds to the list.
fn deeds(round: usize) -> Vec<(String, Option<&'static str>)> {
    let sign = |role| {
        format!("sign WEB:{round} --digest {} --size 528 --role {role}", digest_of(&round.to_string()))
    };
    vec![
        (sign("targets"), Some("targets")),
        (sign(RELEASES), Some(RELEASES)),
        (format!("delegation add targets/role{round} WEB --key alice.pub.pem"), None),
        ("rotate root WEB".to_owned(), None),
        ("rotate targets WEB".to_owned(), None),
        ("rotate snapshot --server-managed WEB".to_owned(), None),
        ("rotate snapshot WEB".to_owned(), None),
    ]
}

/// A repository with a delegation.
fn prepared(name: &str) -> Desk {
    let desk = Desk::new(name);
    desk.has_signer("alice");
    desk.tagseal("key load alice.pem --name alice").passes();
    desk.init(Tagseal);
    desk.delegate(Tagseal, RELEASES, &["alice.pub.pem"], "");
    desk
}

/// How long a publish takes here, in microseconds.
fn duration(desk: &Desk) -> u64 {
    let begin = SystemClock.now();
    desk.sign(Tagseal, &["targets"], "measured");
    (SystemClock.now() - begin).total(jiff::Unit::Microsecond).expect("a short time") as u64
}

/// `signed` and what a publish adds.
fn with(signed: &BTreeSet<Row>, role: Option<&str>, round: usize) -> BTreeSet<Row> {
    let added = role.iter().flat_map(|role| rows(&[(role, &round.to_string())]));
    signed.iter().cloned().chain(added).collect()
}

#[test]
fn a_publish_that_is_killed_at_any_moment_loses_nothing() {
    let (mut dice, desk) = (Dice::new(), prepared("killed"));
    let mut longest = duration(&desk);
    let mut signed = rows(&[("targets", "measured")]);
    let mut at_work = 0;
    for round in 0..ROUNDS {
        let mut deeds = deeds(round);
        let (args, adds) = deeds.swap_remove(dice.below(deeds.len() as u64) as usize);
        let moment = Duration::from_micros(dice.below(longest));
        println!("{args}: killed after {moment:?}");
        let keys = desk.keys();
        if is_killed_after(&mut desk.tagseal_command(&args), moment) {
            at_work += 1;
        } else {
            // The machine is faster now than when it was measured.
            longest = longest * 3 / 4;
        }

        assert!(desk.keys().is_superset(&keys), "a key is lost");
        // The server has all of it, or nothing; and so have both programs, here and from afar.
        let (now, with) = (desk.lists(), with(&signed, adds, round));
        assert!(now == signed || now == with, "{now:?} is neither {signed:?} nor {with:?}");
        desk.tagseal(&args).passes();
        signed = with;
        assert_eq!(desk.lists(), signed);
    }
    assert!(at_work >= ROUNDS / 4, "only {at_work} of {ROUNDS} were killed while they worked");
    desk.sign(Notary, &["targets", RELEASES], "last");
    signed.extend(rows(&[("targets", "last"), (RELEASES, "last")]));
    assert_eq!(desk.lists(), signed);
    assert_eq!(desk.neighbour("stranger").lists(), signed);
}

#[test]
fn a_publisher_who_dies_before_the_server_answers_goes_on_from_what_it_took() {
    let desk = prepared("killed-unanswered");
    let proxy = Proxy::of(suite().notary().url());
    let behind = desk.clone().with_server(&proxy.url());
    let mut signed = BTreeSet::new();
    for round in 0..deeds(0).len() {
        let (args, adds) = deeds(round).swap_remove(round);
        println!("{args}");
        let (keys, version) = (desk.keys(), desk.inspection()["root"]["version"].clone());
        let publisher = Arc::new(Mutex::new(None::<Child>));
        // The upload waits for the lock, and the lock for the process.
        let mut starting = publisher.lock().unwrap();
        proxy.lets_happen({
            let publisher = publisher.clone();
            move || publisher.lock().unwrap().as_mut().expect("a process").kill().expect("SIGKILL")
        });
        let output = behind.tagseal_command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        *starting = Some(output.expect("a process"));
        drop(starting);
        eventually("the server answers nobody", Duration::from_secs(20), || match proxy.answered_uploads() {
            answered if answered == round + 1 => Ok(()),
            answered => Err(format!("{answered} answers")),
        });
        assert_eq!(publisher.lock().unwrap().as_mut().unwrap().wait().unwrap().code(), None, "it was killed");

        // The server has it, and the trust directory does not know.
        assert!(desk.keys().is_superset(&keys), "a key is lost");
        signed = with(&signed, adds, round);
        assert_eq!(desk.lists(), signed);
        let is_new = desk.inspection()["root"]["version"] != version;
        assert_eq!(is_new, args.starts_with("rotate"), "{args}");
        desk.tagseal(&args).passes();
        desk.sign(Notary, &["targets"], &format!("after-{round}"));
        signed.extend(rows(&[("targets", &format!("after-{round}"))]));
        assert_eq!(desk.lists(), signed);
    }
}

#[test]
fn the_first_publish_may_be_killed_too() {
    let (mut dice, desk) = (Dice::new(), Desk::new("killed-first"));
    desk.init(Tagseal);
    let longest = duration(&desk);
    for round in 0..ROUNDS / 3 {
        let desk = desk.clone().with_gun(&format!("registry.test/killed-first/new-{round}"));
        let moment = Duration::from_micros(dice.below(longest));
        println!("killed after {moment:?}");
        let sign = format!("sign WEB:1 --digest {} --size 528", digest_of("1"));
        is_killed_after(&mut desk.tagseal_command(&sign), moment);
        desk.sign(Tagseal, &["targets"], "1");
        desk.sign(Notary, &["targets"], "2");
        desk.shows(&[("targets", "1"), ("targets", "2")]);
    }
}
