//! Every upload that is refused, with the code and the detail of the real server.

use super::world::{World, start};
use crate::support::uploads::{REFUSED, play};

#[test]
fn every_refusal_has_the_code_and_the_detail_of_the_real_server() {
    let world = World::new();
    for (number, case) in REFUSED.iter().enumerate() {
        let (answered, expected) =
            play(case, &world.server, &format!("registry.test/case/{number}"), start());
        assert_eq!(answered, expected, "{}", case.name);
    }
}
