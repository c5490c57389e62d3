//! The state machine, step by step and at every interleaving, with a clock.

mod interleaved;
mod steps;

use jiff::{SignedDuration, Timestamp};

use super::issue::Lifetimes;
use super::material::Material;
use super::plan::{Next, Sight, Step, Wanted, decide, perform};

pub(super) fn start() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub(super) fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

pub(super) fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

pub(super) fn wanted(leaf: SignedDuration) -> Wanted {
    let names = super::names("tagseal", "tagseal-system");
    Wanted { names, lifetimes: Lifetimes::of_leaf(leaf) }
}

/// The Secret, with a clock and one leader who never forgets.
pub(super) struct Bench {
    pub(super) wanted: Wanted,
    pub(super) now: Timestamp,
    pub(super) material: Material,
    pub(super) rotation_asked: bool,
    pub(super) in_force: Option<Timestamp>,
    pub(super) memory: Option<Material>,
}

impl Bench {
    /// After the first step, with the bundle in every configuration.
    pub(super) fn new() -> Self {
        let wanted = wanted(days(90));
        let material = perform(Step::Create, None, None, &wanted, start()).unwrap();
        let (now, in_force) = (start(), Some(start()));
        Self { wanted, now, material, rotation_asked: false, in_force, memory: None }
    }

    pub(super) fn sight(&self) -> Sight {
        Sight::Held {
            material: Box::new(self.material.clone()),
            damage: Vec::new(),
            rotation_asked: self.rotation_asked,
        }
    }

    pub(super) fn next(&self) -> Next {
        decide(&self.sight(), self.memory.as_ref(), self.in_force, &self.wanted, self.now).unwrap()
    }

    /// This step is next; it is done.
    #[track_caller]
    pub(super) fn does(&mut self, step: Step) {
        assert_eq!(self.next(), Next::Write(step));
        let bundle = self.material.bundle();
        self.material =
            perform(step, Some(&self.material), self.memory.as_ref(), &self.wanted, self.now).unwrap();
        self.rotation_asked &= !step.heeds();
        if self.material.bundle() != bundle {
            self.in_force = None;
        }
    }

    /// Nothing is to do until this long from now.
    #[track_caller]
    pub(super) fn waits(&self, long: SignedDuration) {
        assert_eq!(self.next(), Next::Wait(self.now + long));
    }

    pub(super) fn passes(&mut self, time: SignedDuration) {
        self.now += time;
    }

    /// The authority that issued the leaf, by its place.
    pub(super) fn issuer(&self) -> Option<usize> {
        self.material.issuer(&self.wanted.names, self.now)
    }
}
