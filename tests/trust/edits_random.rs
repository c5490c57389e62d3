//! T33: no sequence of publishes and edits of a policy lowers a floor that the present keys still meet.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tagseal::policy::Demand;
use tagseal::trust::Resolver;

use super::world::{GUN, IMAGE, RELEASES, World, resolve, start};
use crate::support::{DemandBuilder, SERVER, ServedFiles, TestKey, TestRepository, image_digest};

const ELSEWHERE: &str = "https://new.example.com";
const ROLES: [&str; 5] = ["root", "timestamp", "snapshot", "targets", RELEASES];

/// What happens.
#[derive(Debug, Clone)]
enum Event {
    /// A role is signed anew.
    Publish(usize),
    /// A role gets another key.
    Rotate(usize),
    /// The policy is edited, and somebody asks while the server shows what it had so many publishes ago.
    Look { policy: Policy, back: usize },
}

#[derive(Debug, Clone)]
struct Policy {
    /// Which root keys are pinned, by how often the root had been rotated.
    pins: BTreeSet<usize>,
    follows: bool,
    moved: bool,
    authorities: bool,
}

fn policy() -> impl Strategy<Value = Policy> {
    let pins = prop::collection::btree_set(0_usize..3, 1..3);
    let policy = |(pins, follows, moved, authorities)| Policy { pins, follows, moved, authorities };
    (pins, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(policy)
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (0..ROLES.len()).prop_map(Event::Publish),
        1 => (0..ROLES.len()).prop_map(Event::Rotate),
        4 => (policy(), 0_usize..3).prop_map(|(policy, back)| Event::Look { policy, back }),
    ]
}

/// What a record of trust state is kept by: pinned keys, rotation, server.
type Record = (BTreeSet<usize>, bool, bool);

/// One publish: the files, and of each role its version and how often its key had been rotated.
struct Published {
    files: ServedFiles,
    roles: BTreeMap<&'static str, (u64, usize)>,
}

/// A repository, and all that was ever published of it.
struct Story {
    repository: TestRepository,
    root_keys: Vec<TestKey>,
    rotations: BTreeMap<&'static str, usize>,
    published: Vec<Published>,
    /// Which publishes tagseal has verified, and for which record.
    seen: Vec<(usize, Record)>,
    world: World,
}

impl Story {
    fn new() -> Self {
        let mut repository = TestRepository::new(GUN, start());
        repository.delegate(RELEASES, &[&TestKey::ecdsa()]).sign_target(RELEASES, "1.4", image_digest("one"));
        let root_keys = vec![repository.root_key().clone()];
        let (rotations, world) = (BTreeMap::new(), World::new());
        let mut story =
            Self { repository, root_keys, rotations, published: Vec::new(), seen: Vec::new(), world };
        story.publish();
        story
    }

    fn publish(&mut self) {
        let files = self.repository.publish(self.world.now());
        let of = |role| (role, (files.version(role), self.rotations.get(role).copied().unwrap_or(0)));
        let roles = ROLES.map(of).into();
        self.published.push(Published { files, roles });
    }

    fn rotate(&mut self, role: &'static str) {
        let key = match role {
            "root" => TestKey::root(GUN, start()),
            _ => TestKey::ecdsa(),
        };
        if role == "root" {
            self.root_keys.push(key.clone());
        }
        self.repository.rotate(role, &[&key]);
        *self.rotations.entry(role).or_default() += 1;
        self.publish();
    }

    fn demand(&self, policy: &Policy) -> Demand {
        let mut demand = DemandBuilder::new(GUN).requires(RELEASES);
        for pin in &policy.pins {
            demand = demand.pin(&self.root_keys[(*pin).min(self.root_keys.len() - 1)]);
        }
        demand = if policy.follows { demand } else { demand.deny_root_rotation() };
        demand = if policy.moved { demand.server(ELSEWHERE) } else { demand };
        demand = if policy.authorities { demand.server_ca("another") } else { demand };
        demand.build()
    }

    /// Whether publish `at` is below a floor that holds for `record`.
    fn is_below_a_floor(&self, at: usize, record: &Record) -> bool {
        let offered = &self.published[at].roles;
        let counts = |seen: usize, of: &Record| of == record || self.are_related(seen, at);
        self.seen.iter().filter(|(seen, of)| counts(*seen, of)).any(|(seen, _)| {
            self.published[*seen].roles.iter().any(|(role, (version, rotations))| {
                let (offered, present) = offered[role];
                let still_meets = match *role {
                    "root" => self.root_is_signed_by(*seen, present),
                    _ => *rotations == present,
                };
                still_meets && offered < *version
            })
        })
    }

    /// Whether what was seen of publish `seen` counts for publish `at` whichever record it was seen for (docs/trust-data.md,
    /// "Floors"): its root is signed by the present root key, or timestamp, snapshot and targets have the same keys.
    fn are_related(&self, seen: usize, at: usize) -> bool {
        let rotations = |publish: usize, role| self.published[publish].roles[role].1;
        let base = ["timestamp", "snapshot", "targets"];
        self.root_is_signed_by(seen, rotations(at, "root"))
            || base.iter().all(|role| rotations(seen, role) == rotations(at, role))
    }

    /// Whether the root of a publish is signed by the root key that had been rotated so often. The root that brings a new key
    /// is signed by its predecessor's too, and no later one is.
    fn root_is_signed_by(&self, publish: usize, rotations: usize) -> bool {
        let of = |publish: usize| self.published[publish].roles["root"].1;
        let brings_a_key = publish > 0 && of(publish - 1) < of(publish);
        of(publish) == rotations || brings_a_key && of(publish - 1) == rotations
    }

    fn record(&self, policy: &Policy) -> Record {
        let pins = policy.pins.iter().map(|pin| (*pin).min(self.root_keys.len() - 1)).collect();
        (pins, policy.follows, policy.moved)
    }

    /// Whether the root of publish `at` is trusted by a policy that pins these.
    fn is_trusted(&self, policy: &Policy, at: usize) -> bool {
        let (_, present) = self.published[at].roles["root"];
        let mut pins = policy.pins.iter().map(|pin| (*pin).min(self.root_keys.len() - 1));
        pins.any(|pin| pin == present || policy.follows && pin < present)
    }

    async fn look(&mut self, policy: &Policy, back: usize) -> Result<(), TestCaseError> {
        let at = self.published.len().saturating_sub(1 + back);
        for server in [SERVER, ELSEWHERE] {
            self.world.source.serve(server, GUN, &self.published[at].files);
        }
        let replica: Resolver = self.world.replica();
        let resolved = resolve(&replica, &self.demand(policy), IMAGE).await;
        let record = self.record(policy);
        let (below, trusted) = (self.is_below_a_floor(at, &record), self.is_trusted(policy, at));
        match resolved {
            Ok(_) => {
                prop_assert!(trusted, "publish {at} is not trusted");
                prop_assert!(!below, "publish {at} is below what was seen: {:?}", self.seen);
                self.seen.push((at, record));
            }
            Err(refusal) => {
                let newest = self.seen.iter().all(|(seen, _)| *seen <= at);
                prop_assert!(!(trusted && newest), "nothing newer was seen: {refusal}");
            }
        }
        Ok(())
    }
}

fn tell(events: &[Event]) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let mut story = Story::new();
        for event in events {
            match event {
                Event::Publish(role) => {
                    story.repository.witness(ROLES[*role]);
                    story.publish();
                }
                Event::Rotate(role) => story.rotate(ROLES[*role]),
                Event::Look { policy, back } => story.look(policy, *back).await?,
            }
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(crate::support::random::cases(64))]

    #[test]
    fn t33_no_edit_lowers_a_floor_that_the_present_keys_still_meet(
        events in prop::collection::vec(event(), 1..12)
    ) {
        tell(&events)?;
    }
}
