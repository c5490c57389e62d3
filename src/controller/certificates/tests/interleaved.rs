//! Two leaders at once, who read, write and die between any two steps; API servers that learn late. The second one's clock may be
//! wrong: slow by any time, or fast by less than what a leaf is good for after its end (24 hours, or a leaf's life if that is less).
//!
//! What must hold at every moment: a leaf that is valid, and that any replica may serve, because it once stood in the Secret, is covered by
//! every bundle that an API server may still have.

use proptest::prelude::*;
use rustls::pki_types::CertificateDer;

use super::super::material::Certificate;
use super::super::plan::InForce;
use super::*;

/// How far API servers are behind the configurations, in seconds. The pause is ten, for leaves of a minute.
const LAG: i64 = 9;
const LEAF: i64 = 60;

#[derive(Debug, Clone, Copy)]
enum Event {
    /// A leader does the next thing of its round.
    Goes(usize),
    /// A leader dies, and another begins in its place.
    Dies(usize),
    /// The second leader stands still, wherever it is in its round, until this happens again.
    Stands,
    /// So many seconds go by.
    Passes(i64),
    /// Somebody asks for a new authority.
    Asks,
}

/// A value with the number of its version.
type Versioned<T> = (T, u32);
type Bundle = Vec<CertificateDer<'static>>;

struct Cluster {
    now: Timestamp,
    wanted: Wanted,
    secret: Option<Versioned<Material>>,
    rotation_asked: bool,
    configurations: [Versioned<Bundle>; 2],
    /// Bundles that were replaced, and when.
    late: Vec<(Timestamp, Bundle)>,
    /// Every leaf that ever stood in the Secret, with the authority that issued it.
    leaves: Vec<(Certificate, Certificate)>,
    leaders: [Leader; 2],
    rotations: u32,
    /// Whether everything that served was over before somebody renewed it: then there is no order to keep.
    starved: bool,
}

#[derive(Default)]
struct Leader {
    memory: Option<Material>,
    in_force: InForce,
    round: Round,
    stands: bool,
    /// By how many seconds its clock is fast.
    fast: i64,
}

#[derive(Default)]
enum Round {
    #[default]
    Begins,
    /// The configurations are read.
    Reads([Versioned<Bundle>; 2]),
    /// The Secret is read too, and this is to be written on condition of what was read.
    Writes(Option<u32>, Step, Option<Material>),
    /// This bundle is to be written where it is not, on condition of what was read.
    Spreads(usize, [Versioned<Bundle>; 2], Bundle),
}

impl Cluster {
    fn new() -> Self {
        Self {
            now: start(),
            wanted: wanted(seconds(LEAF)),
            secret: None,
            rotation_asked: false,
            configurations: [(Vec::new(), 0), (Vec::new(), 0)],
            late: Vec::new(),
            leaves: Vec::new(),
            leaders: [Leader::default(), Leader::default()],
            rotations: 0,
            starved: false,
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Goes(leader) if self.leaders[leader].stands => {}
            Event::Goes(leader) => self.goes(leader),
            Event::Stands => self.leaders[1].stands ^= true,
            Event::Dies(leader) => {
                let fast = self.leaders[leader].fast;
                self.leaders[leader] = Leader { fast, ..Leader::default() };
            }
            Event::Passes(time) => self.now += seconds(time),
            Event::Asks => self.rotation_asked = self.secret.is_some(),
        }
    }

    /// What `Keeper::round` does, one request at a time.
    fn goes(&mut self, index: usize) {
        let round = std::mem::take(&mut self.leaders[index].round);
        self.leaders[index].round = match round {
            Round::Begins => Round::Reads(self.configurations.clone()),
            Round::Reads(configurations) => self.decides(index, configurations),
            Round::Writes(version, step, held) => {
                self.writes(index, version, step, held);
                Round::Begins
            }
            Round::Spreads(place, read, bundle) => {
                let (has, version) = &mut self.configurations[place];
                if read[place].0 != bundle && *version == read[place].1 {
                    self.late.push((self.now, std::mem::replace(has, bundle.clone())));
                    *version += 1;
                }
                if place == 0 { Round::Spreads(1, read, bundle) } else { Round::Begins }
            }
        };
    }

    fn clock_of(&self, index: usize) -> Timestamp {
        self.now + seconds(self.leaders[index].fast)
    }

    fn decides(&mut self, index: usize, configurations: [Versioned<Bundle>; 2]) -> Round {
        let now = self.clock_of(index);
        let leader = &mut self.leaders[index];
        let Some((material, version)) = &self.secret else { return Round::Writes(None, Step::Create, None) };
        // As a replica does, which serves nothing that is over by its clock.
        if material.stands(now) {
            leader.memory = Some(material.clone());
        }
        let bundle = bundle(material);
        let text = material.bundle().unwrap();
        let everywhere = configurations.iter().all(|(has, _)| *has == bundle);
        leader.in_force.note(&text, everywhere, now);
        let sight = Sight::Held {
            material: Box::new(material.clone()),
            damage: Vec::new(),
            rotation_asked: self.rotation_asked,
        };
        let since = leader.in_force.since(&text);
        match decide(&sight, leader.memory.as_ref(), since, &self.wanted, now) {
            Some(Next::Write(step)) => Round::Writes(Some(*version), step, Some(material.clone())),
            _ => Round::Spreads(0, configurations, bundle),
        }
    }

    fn writes(&mut self, index: usize, version: Option<u32>, step: Step, held: Option<Material>) {
        if self.secret.as_ref().map(|(_, version)| *version) != version {
            return;
        }
        let memory = self.leaders[index].memory.clone();
        let now = self.clock_of(index);
        // It was made when it was read, and now it arrives.
        let Ok(material) = perform(step, held.as_ref(), memory.as_ref(), &self.wanted, now) else {
            return;
        };
        self.starved |= self.secret.is_some() && self.leaves.iter().all(|(leaf, _)| leaf.until < self.now);
        self.rotation_asked &= !step.heeds();
        self.rotations += u32::from(step == Step::Authority);
        if let Some(place) = material.signer(self.now) {
            let leaf = material.leaf.as_ref().unwrap().certificate.clone();
            self.leaves.push((leaf, material.authorities[place].certificate.clone()));
        }
        self.secret = Some((material, version.map_or(1, |version| version + 1)));
    }

    /// What must hold.
    fn is_covered(&mut self) -> Result<(), String> {
        let now = self.now;
        self.late.retain(|(replaced, _)| now.duration_since(*replaced) <= seconds(LAG));
        self.leaves.retain(|(leaf, _)| leaf.until >= now);
        let late = self.late.iter().map(|(_, bundle)| bundle);
        // Before the first bundle no API server calls anybody.
        let known =
            self.configurations.iter().map(|(bundle, _)| bundle).chain(late).filter(|b| !b.is_empty());
        for bundle in known {
            for (leaf, issuer) in &self.leaves {
                if !bundle.contains(&issuer.der) || !issuer.is_valid(now) {
                    let (age, left) = (now.duration_since(leaf.from), leaf.until.duration_since(now));
                    return Err(format!(
                        "a leaf made {age:#} ago, good for {left:#}, is covered by no authority"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn bundle(material: &Material) -> Bundle {
    material.authorities.iter().map(|authority| authority.certificate.der.clone()).collect()
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        30 => (0..2_usize).prop_map(Event::Goes),
        1 => (0..2_usize).prop_map(Event::Dies),
        1 => Just(Event::Stands),
        6 => (1..5_i64).prop_map(Event::Passes),
        1 => Just(Event::Asks),
    ]
}

proptest! {
    #![proptest_config(crate::random::heavy_cases(24))]

    #[test]
    fn a_valid_leaf_is_covered_at_every_moment_whoever_leads_or_dies_and_whatever_their_clocks_say(
        events in prop::collection::vec(event(), 900),
        fast in prop_oneof![1 => Just(0), 1 => -1000..0_i64, 1 => 0..LEAF - LAG],
    ) {
        let mut cluster = Cluster::new();
        cluster.leaders[1].fast = fast;
        for event in events {
            cluster.happens(event);
            if cluster.starved {
                break;
            }
            let covered = cluster.is_covered();
            prop_assert!(covered.is_ok(), "after {:?}: {}", event, covered.unwrap_err());
        }
    }
}

#[test]
fn two_leaders_at_once_make_one_authority_and_rotate_it_again_and_again() {
    let mut cluster = Cluster::new();
    for second in 0..1200 {
        for leader in [0, 1, 0, 1, 1, 0, 0, 1] {
            cluster.happens(Event::Goes(leader));
            cluster.is_covered().unwrap_or_else(|error| panic!("after {second} s: {error}"));
        }
        cluster.happens(Event::Passes(1));
        cluster.is_covered().unwrap_or_else(|error| panic!("after {second} s: {error}"));
    }
    // An authority lives four minutes and is replaced when a third is left.
    assert_eq!(cluster.rotations, 1200 / 160);
    assert!(cluster.secret.unwrap().0.authorities.len() <= 2);
    assert!(!cluster.starved);
}

#[test]
fn a_leader_that_stood_still_for_a_whole_rotation_spoils_nothing_wherever_it_stood() {
    for steps in 0..24 {
        let mut cluster = Cluster::new();
        let mut happens = |event| {
            cluster.happens(event);
            let covered = cluster.is_covered();
            covered.unwrap_or_else(|error| panic!("second leader stands after {steps} steps: {error}"));
        };
        for _ in 0..steps {
            happens(Event::Goes(1));
            happens(Event::Goes(0));
        }
        happens(Event::Stands);
        for second in 0..100 {
            if second % 40 == 20 {
                happens(Event::Asks);
            }
            (0..8).for_each(|_| happens(Event::Goes(0)));
            happens(Event::Passes(1));
        }
        happens(Event::Stands);
        (0..24).for_each(|_| happens(Event::Goes(1)));
        happens(Event::Passes(LAG));
        assert_eq!(cluster.rotations, 2);
        assert!(!cluster.starved);
    }
}
