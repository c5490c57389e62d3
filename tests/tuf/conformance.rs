//! The corpus of the real client's verdicts, at the level of the machine. `trust` runs it through the resolver.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use serde::Deserialize;
use tagseal::tuf::{Answer, FileName, RoleName, Selector, TufError, UpdateInput};

use super::driver::{Driven, SKEW, drive, first_use, input_with, role};
use crate::support::t;

const NOW: &str = "2026-11-21T12:00:00Z";

#[derive(Deserialize)]
struct Manifest {
    gun: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: u32,
    group: String,
    corruption: String,
    role: String,
    local_cache: Option<BTreeMap<String, String>>,
    server: BTreeMap<String, String>,
    not_found_status: u16,
    expect: Expect,
    stricter_recommended: Option<String>,
}

#[derive(Deserialize)]
struct Expect {
    ok: bool,
    targets: BTreeSet<(String, String)>,
}

fn corpus() -> Manifest {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conformance/manifest.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn blob(hash: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conformance/blobs").join(hash);
    std::fs::read(path).unwrap().into()
}

/// Serving ignores the hash in file names.
fn answer(case: &Case, file: &FileName) -> Answer {
    let name = match file.selector {
        Selector::Version(version) => format!("{version}.{}", file.role),
        Selector::Current | Selector::Hash(_) => file.role.to_string(),
    };
    match (case.server.get(&name), case.not_found_status) {
        (Some(hash), _) => Answer::Bytes(blob(hash)),
        (None, 404) => Answer::NotFound,
        (None, _) => Answer::Unavailable,
    }
}

fn run(gun: &str, case: &Case) -> Driven {
    let cache = case.local_cache.as_ref();
    let local: BTreeMap<RoleName, Bytes> =
        cache.into_iter().flatten().map(|(name, hash)| (role(name), blob(hash))).collect();
    let input = UpdateInput {
        pinned_root: local.get(&RoleName::root()).cloned(),
        local,
        timestamp_fallback: true,
        ..input_with(gun, first_use(), t(NOW))
    };
    drive(input, |file| answer(case, file))
}

fn targets(driven: &Driven) -> BTreeSet<(String, String)> {
    let Ok(updated) = &driven.result else { return BTreeSet::new() };
    let roles = updated.repository.roles(t(NOW), SKEW);
    let of_role = |role: tagseal::tuf::Role<'_>| {
        let name = role.name().to_string();
        role.targets().map(|target| (target.name.to_owned(), name.clone())).collect::<Vec<_>>()
    };
    roles.into_iter().flat_map(of_role).collect()
}

#[test]
fn every_case_of_the_corpus_gets_the_real_clients_verdict() {
    let corpus = corpus();
    assert_eq!(corpus.cases.len(), 239);
    let mut wrong = Vec::new();
    for case in corpus.cases.iter().filter(|case| case.stricter_recommended.is_none()) {
        let driven = run(&corpus.gun, case);
        let found = targets(&driven);
        if driven.result.is_ok() != case.expect.ok || found != case.expect.targets {
            let outcome = driven.result.as_ref().map(|_| &found);
            wrong.push(format!(
                "{} {} / {} / {}: expected {:?}, got {outcome:?}",
                case.id, case.group, case.corruption, case.role, case.expect.targets
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where the real client is too lenient, the stricter verdict is ours, with its reason.
#[test]
fn the_exceptions_are_stricter_and_say_why() {
    let corpus = corpus();
    let exceptions: Vec<_> = corpus.cases.iter().filter(|case| case.stricter_recommended.is_some()).collect();
    assert_eq!(exceptions.iter().map(|case| case.id).collect::<Vec<_>>(), [431, 472]);
    let error = |case| run(&corpus.gun, case).error().clone();
    let by_one_key = TufError::ThresholdNotMet { role: RoleName::root(), valid: 1, threshold: 2 };
    assert_eq!(error(exceptions[0]), by_one_key);
    assert!(
        matches!(error(exceptions[1]), TufError::Rollback { role, .. } if role.as_str() == "targets/a"),
        "{:?}",
        error(exceptions[1])
    );
}
