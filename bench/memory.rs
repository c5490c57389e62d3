//! What ten thousand repositories and a thousand policies take: at most 256 MiB (design §10). A measurement, once.
//!
//! `cargo bench --bench memory`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a benchmark fails")]

mod review;
#[path = "../tests/support/mod.rs"]
mod support;
mod world;

use self::world::World;

/// As the binary has it: what is measured is what ships.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const REPOSITORIES: usize = 10_000;
const POLICIES: usize = 1_000;
const TAGS: usize = 50;
const LIMIT: u64 = 256;

fn main() {
    let empty = resident();
    let world = World::new(REPOSITORIES, POLICIES, false);
    let policies = resident();
    // One after another: what it takes to sign them is given back before the next.
    (0..REPOSITORIES).for_each(|repository| world.cache(repository, TAGS));
    let full = resident();
    println!("the process before: {empty} MiB");
    println!("with {POLICIES} policies: {policies} MiB");
    println!(
        "with {REPOSITORIES} repositories of {} roles, {TAGS} tags each: {full} MiB",
        world::ROLES.len()
    );
    assert!(full <= LIMIT, "the limit is {LIMIT} MiB");
}

/// Resident memory, in MiB, rounded up.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes.div_ceil(1024)
}
