//! Random tests take their seed and their cases from `support/random.rs`, and nowhere else.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_random_test_takes_its_seed_and_its_cases_from_one_place() {
    let mut found = 0;
    for (name, text) in sources() {
        for (line, config) in random_tests(&text) {
            found += 1;
            assert!(is_from_one_place(config), "{}:{line}: {config}", name.display());
        }
    }
    assert!(found >= 12, "{found} blocks of random tests found");
}

#[test]
fn a_random_test_with_another_seed_is_found() {
    let block = |config: &str| format!("{}! {{\n    {config}\n", "proptest");
    let is_good = |config| random_tests(&block(config)).iter().all(|(_, config)| is_from_one_place(config));
    assert!(is_good("#![proptest_config(crate::random::cases(256))]"));
    assert!(is_good("#![proptest_config(heavy_cases(12))]"));
    assert!(!is_good("#[test]"));
    assert!(!is_good("#![proptest_config(ProptestConfig::with_cases(256))]"));
    assert!(!is_good("#![proptest_config(ProptestConfig { cases: 24, ..cases(24) })]"));
}

/// The line after each beginning of a block, with its number.
fn random_tests(text: &str) -> Vec<(usize, &str)> {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let begins = |line: &&str| line.strip_prefix("proptest!").is_some_and(|rest| rest.trim() == "{");
    let after = |at: usize| (at + 2, lines.get(at + 1).copied().unwrap_or_default());
    lines.iter().enumerate().filter(|(_, line)| begins(line)).map(|(at, _)| after(at)).collect()
}

fn is_from_one_place(config: &str) -> bool {
    let inner = config.strip_prefix("#![proptest_config(").and_then(|rest| rest.strip_suffix(")]"));
    let call = inner.and_then(|inner| inner.split_once('(')).map(|(path, _)| path);
    call.is_some_and(|path| matches!(path.rsplit("::").next(), Some("cases" | "heavy_cases")))
}

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<_> = ["src", "tests", "e2e", "bench"].map(|name| root.join(name)).into();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}
