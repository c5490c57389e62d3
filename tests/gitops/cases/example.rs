//! `examples/policy-tests`: it runs as its first lines say, and it can be made anew.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tagseal::clock::{Clock as _, SystemClock};

use super::world::World;
use crate::cli::run::{Machine, digest};

const REPOSITORY: &str = "registry.example.com/shop/web";
const SERVER: &str = "https://notary.example.com";

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policy-tests")
}

#[test]
fn the_example_runs_as_it_says() {
    let text = std::fs::read_to_string(example().join("test.yaml")).unwrap();
    let command = text.lines().find_map(|line| line.strip_prefix("#   tagseal ")).unwrap();
    let words: Vec<_> = command.split(' ').collect();
    let ended = Machine::new().command(&words).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let printed = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{printed}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(printed.ends_with("6 cases: 6 passed, 0 failed, 0 undecided\n"), "{printed}");
}

/// Signs the example's image with new keys, and writes the files that depend on them: `cargo test --test it -- --ignored
/// the_example_is_made_anew`.
#[test]
#[ignore = "writes into examples/"]
fn the_example_is_made_anew() {
    let world = World::new();
    let sign = |tag: &str, more: &str| {
        let line = format!("sign {REPOSITORY}:{tag} --digest {} --size 500{more}", digest(tag));
        world.machine.trust(&line).done();
    };
    sign("1.5-rc1", "");
    world.machine.trust(&format!("signer add --key ci.pub ci {REPOSITORY}")).done();
    sign("1.4", "");
    sign("1.5-rc1", " --role targets");
    let inspected = world
        .machine
        .run(&["inspect", REPOSITORY, "--server", world.server.url(), "--first-use", "-o", "json"])
        .json();
    let key = inspected["root"]["keyIDs"][0].as_str().unwrap();
    let read = |name: &str| std::fs::read_to_string(example().join(name)).unwrap();

    let policy = with_value(&read("policy.yaml"), "keyID: ", key);
    let test = with_value(&read("test.yaml"), "digest: ", &digest("1.4"));
    let now = SystemClock.now();
    let test = with_value(&test, "at: ", &now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    std::fs::write(example().join("policy.yaml"), &policy).unwrap();
    std::fs::write(example().join("test.yaml"), &test).unwrap();
    for name in ["policy.yaml", "test.yaml", "exemption.yaml"] {
        world.write(name, &read(name).replace(SERVER, world.server.url()));
    }
    // The present second has begun already: root certificates are not valid before they were made.
    let test = with_value(
        &test,
        "at: ",
        &(now + jiff::SignedDuration::from_secs(60)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    );
    std::fs::write(example().join("test.yaml"), &test).unwrap();
    world.write("test.yaml", &test);
    world.test(&["--record"]).done();
    let list = std::fs::read_to_string(world.machine.file("recorded/recorded.json")).unwrap();
    let list = list.replace(world.server.url(), SERVER);
    assert!(serde_json::from_str::<Value>(&list).unwrap()["repositories"].as_array().unwrap().len() > 1);
    world.write("recorded/recorded.json", &list);
    let _ = std::fs::remove_dir_all(example().join("recorded"));
    for file in world.files("recorded") {
        let to = example().join(file.strip_prefix(world.machine.path()).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(file, to).unwrap();
    }
}

/// The text with the first value after `field` replaced, up to the end of the line or a brace.
fn with_value(text: &str, field: &str, value: &str) -> String {
    let (before, after) = text.split_once(field).unwrap();
    let rest = after.find(['\n', '}']).map_or("", |end| &after[end..]);
    format!("{before}{field}{value}{rest}")
}
