//! Random sequences of a publisher's operations on the real notary-server: `notary` and the verifier then list what a simple
//! model says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tagseal::clock::SystemClock;
use tagseal::notary::{Limits, NotaryClient, Proxies, Remote};
use tagseal::publish::key::{Algorithm, PrivateKey, PublicForm};
use tagseal::publish::key_file::{KeyFile, KeyHeader};
use tagseal::publish::operation::Operation;
use tagseal::publish::passphrase::{Ask, Passphrase, PassphraseError, Passphrases};
use tagseal::publish::publisher::{PublishError, Published, Publisher};
use tagseal::publish::trust_dir::TrustDir;
use tagseal::trust::{Access, TrustServer};
use tagseal::tuf::Gun;

use crate::harness::{Desk, Dice, PASSPHRASE, RUNTIME, suite};
use crate::support::deal::{init, init_with_snapshot, look};
use crate::support::moves::{HELD, KEYS, Model, Move, a_move, operation};

const SEQUENCES: usize = 12;
/// At most so many publishes in each.
const LENGTH: usize = 12;

struct OnePassphrase;

impl Passphrases for OnePassphrase {
    fn passphrase(&self, _: &Ask<'_>) -> Result<Passphrase, PassphraseError> {
        Ok(Passphrase::new(PASSPHRASE.to_owned()))
    }
}

/// The library's publisher at a desk.
struct Hands {
    dir: TrustDir,
    remote: Remote,
}

impl Hands {
    fn at(desk: &Desk) -> Self {
        let client = NotaryClient::with(Arc::new(SystemClock), Limits::default(), Proxies::default());
        let url = suite().notary().url().parse().expect("an address");
        let server = TrustServer::at(url);
        let (gun, registry) = (Gun::new(desk.gun()).expect("a GUN"), "registry.test".to_owned());
        let timeout = Duration::from_secs(20);
        let remote =
            Remote::new(Arc::new(client), Arc::new(server), gun, registry, Access::Anonymous, timeout);
        Self { dir: TrustDir::open(&desk.trust_dir()).expect("a trust directory"), remote }
    }

    fn publish(&self, operation: Operation) -> Result<Published, PublishError> {
        let publisher = Publisher {
            dir: &self.dir,
            remote: &self.remote,
            passphrases: &OnePassphrase,
            clock: Arc::new(SystemClock),
            patience: Duration::from_secs(60),
        };
        let mut operations = [operation];
        loop {
            match RUNTIME.block_on(publisher.publish(&operations)) {
                Err(error) if look(&mut operations, &error) => {}
                outcome => return outcome,
            }
        }
    }

    fn keeps(&self, key: &PrivateKey) {
        let header = KeyHeader { role: Some("signer".to_owned()), gun: None };
        let passphrase = Passphrase::new(PASSPHRASE.to_owned());
        let file = KeyFile::seal(key, header, Some(&passphrase)).expect("a key file");
        self.dir.add_key(&key.id(), &file).expect("a key");
    }
}

/// Plays the moves and compares after each.
fn plays(desk: &Desk, snapshot_is_here: bool, moves: &[Move]) {
    let hands = Hands::at(desk);
    let keys: Vec<PublicForm> = (0..KEYS)
        .map(|number| {
            let key = PrivateKey::generate(Algorithm::EcdsaP256).expect("a key");
            if HELD.contains(&number) {
                hands.keeps(&key);
            }
            key.public().clone()
        })
        .collect();
    hands.publish(if snapshot_is_here { init_with_snapshot() } else { init() }).expect("a repository");
    let mut model = Model::new(snapshot_is_here);
    for (number, step) in moves.iter().enumerate() {
        // Time does not pass here.
        let Some(operation) = operation(step, &keys) else { continue };
        let mut next = model.clone();
        let expected = next.play(step).is_ok();
        let outcome = hands.publish(operation);
        let so_far = &moves[..=number];
        assert_eq!(outcome.is_ok(), expected, "{so_far:#?}: {outcome:?}");
        if expected {
            model = next;
        }
        let modelled = model.listed().into_iter().map(|(role, tag, digest)| (role, tag, digest.to_string()));
        assert_eq!(desk.lists(), modelled.collect::<BTreeSet<_>>(), "{so_far:#?}");
    }
}

#[test]
fn after_random_operations_notary_and_the_verifier_list_what_a_simple_model_says() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &Dice::new().seed());
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let sequences = (any::<bool>(), vec(a_move(), 1..=LENGTH));
    for number in 0..SEQUENCES {
        let (snapshot_is_here, moves) = sequences.new_tree(&mut runner).expect("a sequence").current();
        println!("sequence {number}, snapshot key here: {snapshot_is_here}");
        plays(&Desk::new(&format!("model-{number}")), snapshot_is_here, &moves);
    }
}
