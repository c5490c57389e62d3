//! A publisher's path prefixes, and the tags that they are matched with.

use serde_json::{Value, json};

use super::hostile::{Hostile, now, repository, trusting};
use super::process::Process;
use crate::support::random::is_soak;
use crate::support::{TestKey, TestRepository, image_digest};

/// So many numbered prefixes.
fn prefixes(count: usize) -> Value {
    (0..count).map(|n| Value::from(format!("{n:06}"))).collect()
}

/// A repository of delegations in each other, so many levels of them, each with these paths, and so many tags in the last.
fn nested(name: &str, levels: usize, paths: usize, tags: usize) -> (TestRepository, String) {
    let mut repository = repository(name);
    let key = TestKey::ecdsa();
    let mut role = "targets".to_owned();
    for _ in 0..levels {
        let parent = role.clone();
        role.push_str("/a");
        repository.delegate(&role, &[&key]);
        let paths = prefixes(paths);
        repository.edit(&parent, move |signed| signed["delegations"]["roles"][0]["paths"] = paths);
    }
    for n in 0..tags {
        repository.sign_target(&role, &format!("{n:06}"), image_digest(&n.to_string()));
    }
    repository.publish(now());
    (repository, role)
}

fn tags() -> usize {
    if is_soak() { 60_000 } else { 20_000 }
}

fn by_digest(repository: &TestRepository, content: &str) -> String {
    format!("{}@{}", repository.gun(), image_digest(content))
}

#[test]
fn t38_as_many_paths_as_there_may_be_and_tens_of_thousands_of_tags_are_looked_through() {
    let (repository, role) = nested("wide", 2, 4096, tags());
    let server = Hostile::serving([&repository]);
    let required = json!({"requiredDelegations": [{"role": role}]});
    Process::start(&[trusting(&repository, server.url(), &required)]).attacked(async |process| {
        assert_eq!(process.decided(&by_digest(&repository, "7")).await, "Admitted");
        // Beyond the paths.
        let said = process.decided(&by_digest(&repository, "5000")).await;
        assert!(said.starts_with("DigestNotSigned: "), "{said}");
        for n in 0..8 {
            let said = process.decided(&by_digest(&repository, &format!("nothing {n}"))).await;
            assert!(said.starts_with("DigestNotSigned: "), "{said}");
        }
    });
}

#[test]
fn t38_more_paths_than_there_may_be_are_refused() {
    let (repository, role) = nested("beyond", 2, 60_000, tags());
    let server = Hostile::serving([&repository]);
    let required = json!({"requiredDelegations": [{"role": role}]});
    Process::start(&[trusting(&repository, server.url(), &required)]).attacked(async |process| {
        let said = process.decided(&by_digest(&repository, "7")).await;
        assert!(said.starts_with("InvalidMetadata: "), "{said}");
        assert!(said.contains("more than 4096 paths for one delegation or 65536 for all"), "{said}");
    });
}

#[test]
fn t38_paths_at_every_level_are_matched_within_the_budget() {
    let (repository, role) = nested("deep", 32, 4096, 4096);
    let server = Hostile::serving([&repository]);
    let required = json!({"requiredDelegations": [{"role": role}]});
    Process::start(&[trusting(&repository, server.url(), &required)]).attacked(async |process| {
        assert_eq!(process.decided(&by_digest(&repository, "7")).await, "Admitted");
    });
    let (repository, role) = nested("deeper", 33, 4096, 1);
    let server = Hostile::serving([&repository]);
    let required = json!({"requiredDelegations": [{"role": role}]});
    Process::start(&[trusting(&repository, server.url(), &required)]).attacked(async |process| {
        let said = process.decided(&by_digest(&repository, "0")).await;
        assert!(said.starts_with("InvalidMetadata: "), "{said}");
        assert!(said.contains("exceeds the limit of 32 levels"), "{said}");
    });
}
