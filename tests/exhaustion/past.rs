//! Superseded files: hundreds of large ones, for pods that name what they listed.

use bytes::Bytes;
use futures::future::join_all;
use serde_json::json;

use super::hostile::{Hostile, now, repository, trusting};
use super::process::Process;
use crate::support::random::is_soak;
use crate::support::{ServedFiles, TestRepository, image_digest};

/// Tags that are signed anew.
const TAGS: usize = 8;

/// Signs each tag as the build with this name.
fn sign(repository: &mut TestRepository, build: &str) {
    for n in 0..TAGS {
        repository.sign_target("targets", &n.to_string(), image_digest(&format!("{build} {n}")));
    }
}

/// An image of each tag of the first build, with the tag and without.
fn of_first_build(repository: &TestRepository) -> (Vec<String>, Vec<String>) {
    let digest = |n: usize| image_digest(&format!("first {n}"));
    let tagged = (0..TAGS).map(|n| format!("{}:{n}@{}", repository.gun(), digest(n)));
    (tagged.collect(), (0..TAGS).map(|n| format!("{}@{}", repository.gun(), digest(n))).collect())
}

/// `repository` is seen with the first build; then the server has what `publish` makes of it, with the second build last.
/// Images of the first one, with a tag and without, are asked for at once; what is said of them is to be judged.
fn asked(
    repository: &mut TestRepository,
    publish: impl FnOnce(&mut TestRepository) -> ServedFiles,
    judge: impl FnOnce(&[String], &[String]),
) {
    sign(repository, "first");
    repository.publish(now());
    let server = Hostile::serving([&*repository]);
    let policy = trusting(repository, server.url(), &json!({}));
    let files = publish(repository);
    Process::start(&[policy]).attacked(async |process| {
        let (tagged, untagged) = of_first_build(repository);
        assert_eq!(process.decided(&tagged[0]).await, "Admitted");
        server.serve(repository.gun(), &files);
        let second = format!("{}:0@{}", repository.gun(), image_digest("second 0"));
        assert_eq!(process.decided(&second).await, "Admitted");
        let images: Vec<_> = tagged.iter().chain(&untagged).collect();
        let said = join_all(images.iter().map(|image| process.decided(image))).await;
        let (tagged, untagged) = said.split_at(TAGS);
        judge(tagged, untagged);
    });
}

#[test]
fn t37_hundreds_of_superseded_files_of_the_largest_size_are_read_within_the_budget() {
    const VERSIONS: u64 = 300;
    // Whatever stands there comes whole before anybody can tell what it is.
    let large = Bytes::from(vec![0; 7 << 20]);
    let publish = |repository: &mut TestRepository| {
        sign(repository.version("targets", VERSIONS), "second");
        let with = |files: ServedFiles, n: u64| files.with(&format!("{n}.targets.json"), large.clone());
        (2..VERSIONS).fold(repository.publish(now()), with)
    };
    asked(&mut repository("past"), publish, |tagged, untagged| {
        for said in tagged.iter().chain(untagged) {
            assert!(said.starts_with("DigestRevoked: "), "{said}");
            assert!(said.contains("version 299 of targets, which passed unseen"), "{said}");
        }
    });
}

#[test]
fn t37_superseded_files_of_long_names_are_held_within_the_budget() {
    // Each has a MiB, and what one image may have held of them is 16.
    let versions = if is_soak() { 300 } else { 24 };
    let publish = |repository: &mut TestRepository| {
        // Each has to be looked at, because none of them lists the first build.
        sign(repository, "other");
        for _ in 1..versions {
            repository.witness("targets").publish(now());
        }
        sign(repository, "second");
        repository.publish(now())
    };
    let mut repository = repository("names");
    for n in 0..16 {
        repository.sign_target("targets", &format!("{n}-{}", "x".repeat(64 << 10)), image_digest("other"));
    }
    asked(&mut repository, publish, |tagged, untagged| {
        for said in tagged {
            assert_eq!(said, "Admitted");
        }
        for said in untagged {
            assert!(said.starts_with("DigestRevoked: "), "{said}");
            assert!(said.contains("which passed unseen and may have removed"), "{said}");
        }
    });
}
