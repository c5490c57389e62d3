//! docs/limits.md is the table of `limits`, written out.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use tagseal::limits::{Limit, TABLE};

const HEAD: &str = "\
# Limits

Whatever a stranger sends or causes has a bound. Who exceeds one is told which, in a denial, a status or a log line, and
nobody else notices. This page is written from `src/limits.rs` by `TAGSEAL_BLESS=1 cargo test --test it limits_table`.

| bound | on whom | value | option | why, and what happens beyond it |
|---|---|---|---|---|
";

fn document() -> String {
    let mut document = HEAD.to_owned();
    for Limit { whose, what, value, option, reason, .. } in TABLE {
        let option = if option.is_empty() { String::new() } else { format!("`{option}`") };
        writeln!(document, "| {what} | {whose} | {value} | {option} | {reason} |").unwrap();
    }
    document
}

#[test]
fn the_document_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/limits.md");
    if std::env::var_os("TAGSEAL_BLESS").is_some() {
        fs::write(&path, document()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(written == document(), "docs/limits.md is not what src/limits.rs says; write it anew");
}

/// The options below `Limits:` in the help of `serve`, each with its default.
fn options() -> Vec<String> {
    let help = Command::new(env!("CARGO_BIN_EXE_tagseal")).args(["serve", "--help"]).output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let (_, limits) = help.split_once("\nLimits:\n").unwrap();
    let lines = limits.lines().map(str::trim).filter(|line| line.starts_with("--"));
    lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn the_options_are_those_of_serve() {
    let named = TABLE.iter().map(|limit| limit.option.to_owned()).filter(|option| !option.is_empty());
    assert_eq!(named.collect::<BTreeSet<_>>(), options().into_iter().collect());
}

#[test]
fn every_bound_says_why() {
    for limit in TABLE {
        assert!(limit.reason.ends_with('.'), "{}: {:?} is no sentence", limit.name, limit.reason);
        assert!(!limit.whose.is_empty() && !limit.what.is_empty(), "{}", limit.name);
    }
}
