//! A publisher's year, and what consumers say after each step: tagseal by a policy that pins the first root, with records kept
//! from one time to the next, and `notary` with a cache of its own.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

use super::signing_expiry::{published, until_ended};
use crate::harness::*;
use crate::support::deal::{add, init};

/// How many builds publish, and how many of them at once.
const BUILDS: usize = 40;
const AT_ONCE: usize = 10;

/// Those who pull: they look at one server, and remember what they saw.
struct Consumers {
    desk: Desk,
    root: String,
}

impl Consumers {
    fn of(owner: &Desk) -> Self {
        Self { desk: owner.neighbour("consumers"), root: owner.keys_of("root").concat() }
    }

    fn turn_to(&mut self, server: &NotaryServer) {
        self.desk = self.desk.clone().with_server(server.url());
    }

    /// What tagseal says of a tag: `None` where it passes, else the whole denial.
    fn denial(&self, tag: &str) -> Option<String> {
        self.desk.has_policy(&json!({
            "images": {"include": ["registry.test/**"]},
            "notary": {"server": self.desk.server()},
            "roots": [{"keyID": self.root}],
            "freshness": {"revalidateAfter": "1s"},
        }));
        let said = self.desk.program(&format!(
            "verify WEB:{tag} --policy policy.yaml --state-dir state --cache-dir cache --clock-skew 0s"
        ));
        let text = format!("{}{}", said.out, said.errors);
        match said.code {
            Some(0) => None,
            Some(1 | 2) => Some(text),
            _ => panic!("{text}"),
        }
    }

    /// The tags that `notary` lists, as docker would take them.
    #[track_caller]
    fn listed(&self) -> Vec<String> {
        tags(&self.desk.notary("list WEB --roles targets/releases").passes())
    }

    /// tagseal denies the tag, as soon as what it saw before is older than the policy allows.
    #[track_caller]
    fn refuse(&self, tag: &str) {
        eventually("a denial", Duration::from_secs(20), || {
            self.denial(tag).ok_or_else(|| format!("{tag} passes"))
        });
    }

    /// Both take these tags, and neither takes those.
    #[track_caller]
    fn take(&self, taken: &[&str], refused: &[&str]) {
        let listed = self.listed();
        for tag in taken {
            assert_eq!(self.denial(tag), None, "{tag}");
            assert!(listed.iter().any(|listed| listed == tag), "{tag}: {listed:?}");
        }
        for tag in refused {
            self.refuse(tag);
            assert!(listed.iter().all(|listed| listed != tag), "{tag}: {listed:?}");
        }
    }
}

/// A signer's own machine, with the public half at the owner's.
fn signer(owner: &Desk, name: &str) -> Desk {
    let desk = owner.neighbour(name);
    desk.tagseal(&format!("key generate {name}")).passes();
    let public = format!("{name}.pub");
    std::fs::copy(desk.folder().join(&public), owner.folder().join(&public)).expect("a public key");
    owner.tagseal(&format!("signer add --key {public} {name} WEB")).passes();
    desk
}

#[test]
fn a_publishers_year() {
    let (old, new) = (NotaryServer::start("year-old"), NotaryServer::start("year-new"));
    let owner = Desk::at("year", &old);
    owner.tagseal("init WEB").passes();
    let signers = ["ann", "ben", "cat"].map(|name| signer(&owner, name));
    let [ann, ben, cat] = &signers;
    let mut consumers = Consumers::of(&owner);

    // A build matrix: each signer's pipelines publish at once, and all of them arrive.
    for wave in (0..BUILDS).collect::<Vec<_>>().chunks(AT_ONCE) {
        thread::scope(|scope| {
            for build in wave {
                let machine = signers[build % signers.len()].twin(&format!("build-{build}"));
                scope.spawn(move || {
                    machine.tagseal(&format!("{} --timeout 120", sign_args(&format!("b{build}")))).passes();
                });
            }
        });
    }
    let built: BTreeSet<String> = (0..BUILDS).map(|build| format!("b{build}")).collect();
    assert_eq!(BTreeSet::from_iter(consumers.listed()), built);
    consumers.take(&["b0", "b1", "b39"], &["evil"]);

    // ben's key is stolen, and signs. The owner takes ben out; what the thief signed last counts for nothing until somebody
    // who is left has looked at it.
    ben.tagseal(&sign_args("evil")).passes();
    consumers.take(&["b0", "evil"], &[]);
    let said = owner.tagseal("signer remove ben WEB --yes");
    assert!(said.errors.contains("tagseal trust witness"), "{}", said.errors);
    said.passes();
    consumers.refuse("evil");
    ann.tagseal("witness targets/releases WEB --yes").passes();
    ann.tagseal("revoke WEB:evil").passes();
    consumers.take(&["b0", "b1", "b39"], &["evil"]);
    assert_eq!(ben.tagseal(&sign_args("evil")).code, Some(2));

    // The owner's repository key is lost: the root key makes a new one.
    let lost = owner.keys_of("targets").concat();
    owner.tagseal(&format!("key remove {lost} --yes")).passes();
    owner.tagseal("rotate targets WEB").passes();
    let dan = signer(&owner, "dan");
    dan.tagseal(&sign_args("after-loss")).passes();
    consumers.take(&["b0", "after-loss"], &["evil"]);

    // The server is given up.
    owner.tagseal(&format!("move WEB --from {} --to {}", old.url(), new.url())).passes();
    consumers.turn_to(&new);
    consumers.take(&["b0", "b39", "after-loss"], &["evil"]);
    let cat = cat.clone().with_server(new.url());
    cat.tagseal(&sign_args("after-move")).passes();
    consumers.take(&["b0", "after-move"], &["evil"]);
}

#[test]
fn after_three_years_nobody_takes_what_nobody_renewed_and_everybody_what_was() {
    let desk = Desk::new("three-years");
    let ends = published(&desk, SignedDuration::from_secs(4), &[init(), add("1", "1", &[])]);
    let consumers = Consumers::of(&desk);
    until_ended(ends);
    let denial = consumers.denial("1").expect("a denial");
    assert!(denial.contains("Expired"), "{denial}");
    assert!(consumers.desk.notary("list WEB").errors.contains("expired"));
    desk.tagseal("renew WEB").passes();
    assert_eq!(consumers.denial("1"), None);
    consumers.desk.notary("list WEB").passes();
}
