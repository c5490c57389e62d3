//! Random sequences of operations, one publish each, against a simple model: whether each is taken, and what verifiers then
//! see listed.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use tagseal::publish::key::{Algorithm, PrivateKey, PublicForm};

use super::deal::*;
use super::world::World;
use crate::support::moves::{HELD, KEYS, Model, Move, a_move, operation};
use crate::support::random::heavy_cases;

async fn plays_out(snapshot_is_here: bool, moves: &[Move]) -> Result<(), TestCaseError> {
    let world = World::new().await;
    let alice = world.person();
    let keys: Vec<PublicForm> = (0..KEYS)
        .map(|number| {
            let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
            if HELD.contains(&number) {
                alice.keep("signer", &key);
            }
            key.public().clone()
        })
        .collect();
    alice.publish(&[if snapshot_is_here { init_with_snapshot() } else { init() }]).await.unwrap();
    let mut model = Model::new(snapshot_is_here);
    for step in moves {
        let mut next = model.clone();
        let expected = next.play(step).is_ok();
        match operation(step, &keys) {
            None => world.advance_days(21),
            Some(operation) => {
                let outcome = alice.publish_having_looked(&[operation]).await;
                prop_assert_eq!(outcome.is_ok(), expected, "{:?}: {:?}", step, outcome);
            }
        }
        if expected {
            model = next;
        }
        prop_assert_eq!(world.listed().await, model.listed(), "after {:?}", step);
    }
    Ok(())
}

proptest! {
    #![proptest_config(heavy_cases(12))]

    #[test]
    fn random_sequences_of_operations_leave_what_a_simple_model_says(
        snapshot_is_here in any::<bool>(),
        moves in proptest::collection::vec(a_move(), 1..14),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(plays_out(snapshot_is_here, &moves))?;
    }
}
