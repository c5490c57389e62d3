//! Which module may import which: the table of `docs/ARCHITECTURE.md` as data, held against every path in `src`.

pub mod scan;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use scan::{SourcePath, paths, without_tests};

/// One row: what a module may import of our own modules, and of other crates.
struct Row {
    module: &'static str,
    ours: &'static [&'static str],
    others: Others,
}

/// The crates that a module may, or must not, name. Entries are path prefixes (`kube::runtime`).
enum Others {
    Only(&'static [&'static str]),
    Never(&'static [&'static [&'static str]]),
    Any,
}
use Others::{Any, Never, Only};

const HTTP: &[&str] = &["reqwest", "hyper", "hyper_util", "axum", "tower"];
const KUBE: &[&str] = &["kube", "k8s_openapi"];
const KUBE_CLIENT: &[&str] = &[
    "kube::Api",
    "kube::Client",
    "kube::Config",
    "kube::api::Api",
    "kube::client",
    "kube::config",
    "kube::runtime",
];
const RUNTIME: &[&str] = &["tokio", "tokio_rustls", "futures"];
const TERMINAL: &[&str] = &["clap", "clap_complete", "anyhow"];

#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row { module: "foreign", ours: &[], others: Only(&[]) },
    Row { module: "limits", ours: &[], others: Only(&[]) },
    Row { module: "digest", ours: &[], others: Only(&["serde", "sha2", "thiserror"]) },
    Row { module: "image", ours: &["digest"], others: Only(&["serde", "sha2", "thiserror"]) },
    Row { module: "tuf", ours: &["digest"], others: Only(&[
        "base64", "bytes", "jiff", "p384", "p521", "ring", "serde", "serde_json", "sha2", "thiserror", "x509_cert",
    ]) },
    Row { module: "api", ours: &[], others: Never(&[RUNTIME, HTTP, KUBE_CLIENT, TERMINAL]) },
    Row { module: "policy", ours: &["api", "image", "tuf"], others: Never(&[RUNTIME, HTTP, KUBE_CLIENT, TERMINAL]) },
    Row { module: "files", ours: &[], others: Only(&[]) },
    Row { module: "source", ours: &["policy", "image", "tuf"], others: Never(&[RUNTIME, KUBE, HTTP, TERMINAL]) },
    Row { module: "records", ours: &["source", "files", "tuf", "digest"], others: Never(&[KUBE, HTTP, TERMINAL]) },
    Row { module: "store", ours: &["source", "records", "files", "policy", "tuf", "digest"], others: Never(&[RUNTIME, KUBE, HTTP, TERMINAL]) },
    Row { module: "resolution", ours: &["source", "records", "policy", "image", "tuf", "digest"], others: Never(&[RUNTIME, KUBE, HTTP, TERMINAL]) },
    Row { module: "recording", ours: &["source", "store", "policy", "tuf", "digest"], others: Never(&[RUNTIME, KUBE, HTTP, TERMINAL]) },
    Row { module: "trust", ours: &["source", "records", "store", "resolution", "policy", "image", "tuf", "digest"], others: Never(&[KUBE, HTTP, TERMINAL]) },
    Row { module: "notary", ours: &["trust", "tuf", "image", "digest"], others: Never(&[KUBE, TERMINAL]) },
    Row { module: "admission", ours: &["policy", "trust", "image"], others: Never(&[HTTP, KUBE_CLIENT, TERMINAL]) },
    Row { module: "webhook", ours: &["admission", "policy"], others: Never(&[KUBE_CLIENT, TERMINAL]) },
    Row { module: "controller", ours: &["api", "policy", "trust", "tuf", "image", "digest"], others: Never(&[&["axum"], TERMINAL]) },
    Row { module: "publish", ours: &["tuf", "notary", "digest", "image", "backoff"], others: Never(&[KUBE, TERMINAL]) },
    Row { module: "gitops", ours: &["admission", "policy", "trust", "image"], others: Never(&[HTTP, KUBE_CLIENT, TERMINAL]) },
    Row { module: "sandbox", others: Never(&[KUBE_CLIENT, TERMINAL]), ours: &[
        "tuf", "publish", "notary", "webhook", "admission", "policy", "trust", "image", "digest",
    ] },
    Row { module: "cli", others: Any, ours: &[
        "digest", "image", "tuf", "api", "policy", "trust", "notary", "admission", "webhook", "controller", "publish",
        "gitops", "recording", "sandbox",
    ] },
    Row { module: "backoff", ours: &[], others: Only(&["jiff"]) },
    Row { module: "pool", ours: &[], others: Only(&["tokio", "thiserror"]) },
    Row { module: "clock", ours: &[], others: Only(&["jiff"]) },
    Row { module: "telemetry", ours: &[], others: Only(&["tracing", "tracing_subscriber", "prometheus_client"]) },
];

/// Everybody may import these ...
const COMMON: &[&str] = &["clock", "telemetry", "pool", "backoff"];
/// ... and these, those too ...
const EVERYBODY: &[&str] = &["foreign", "limits"];
/// ... that may not import the former, because they are functions of their arguments.
const PURE: &[&str] = &["digest", "image", "tuf", "api", "policy", "resolution", "clock", "telemetry"];

/// Where a deadline is made or measured, tokio's own clock is the one that its timers obey. Judgements about trust data
/// never take it: they take `now`.
const MAY_READ_TOKIO_INSTANT: &[&str] = &["trust", "notary", "webhook", "controller", "publish", "cli"];

#[test]
fn every_module_has_a_row_in_the_table() {
    let rows: BTreeSet<_> = TABLE.iter().map(|row| row.module.to_owned()).collect();
    let modules: BTreeSet<_> =
        sources().iter().map(|file| file.module.clone()).filter(|m| m != "lib" && m != "main").collect();
    let unknown: Vec<_> = modules.difference(&rows).collect();
    assert_eq!(unknown, Vec::<&String>::new(), "modules without a row in the table of imports");
}

#[test]
fn no_module_imports_what_the_table_denies_it() {
    let crates = other_crates();
    let violations: Vec<_> = sources()
        .iter()
        .flat_map(|file| {
            let text = without_tests(&file.text);
            let broken: Vec<_> = TABLE
                .iter()
                .filter(|row| row.module == file.module)
                .flat_map(|row| row.violations(&paths(&text, file.depth), &crates))
                .collect();
            broken.into_iter().map(|violation| format!("{}: {violation}", file.name.display()))
        })
        .collect();
    assert!(violations.is_empty(), "against the table of imports:\n{}", violations.join("\n"));
}

#[test]
fn only_the_clock_reads_the_time() {
    let readers: Vec<_> = sources()
        .iter()
        .filter(|file| file.module != "clock")
        .flat_map(|file| {
            let text = without_tests(&file.text);
            clock_readings(&paths(&text, file.depth), MAY_READ_TOKIO_INSTANT.contains(&&*file.module))
                .into_iter()
                .map(|path| format!("{}: {path}", file.name.display()))
        })
        .collect();
    assert!(readers.is_empty(), "time is an argument, but these read it:\n{}", readers.join("\n"));
}

#[test]
fn a_forbidden_import_is_found_however_it_is_written() {
    let row = |module| TABLE.iter().find(|row| row.module == module).unwrap();
    let found = |module, source, depth| row(module).violations(&paths(source, depth), &other_crates());
    for (module, source, depth) in [
        ("notary", "use crate::policy::TrustServer;", 2),
        ("notary", "use crate::{trust::Access, policy::{Demand, Reason}};", 2),
        ("notary", "fn f(server: &crate::policy::TrustServer) {}", 2),
        ("notary", "use super::super::policy::TrustServer;", 2),
        ("notary", "use super::policy;", 1),
        ("trust", "use kube::core::admission::Operation;", 2),
        ("trust", "async fn f() { reqwest::get(URL).await }", 2),
        ("admission", "use kube::{core::admission::Operation, runtime::watcher};", 2),
        ("tuf", "#[derive(kube::CustomResource)] struct S;", 2),
        ("tuf", "use tokio as runtime;", 2),
        ("tuf", "use crate::clock::Clock;", 2),
        ("policy", "extern crate tokio;", 2),
    ] {
        assert_eq!(found(module, source, depth).len(), 1, "{module}: {source}");
    }
    for (module, source, depth) in [
        ("notary", "// use crate::policy::Demand;\nconst S: &str = \"crate::policy\";", 2),
        ("notary", "/* crate::policy /* nested */ */ const S: &str = r#\"crate::\"policy\"#;", 2),
        ("notary", "use super::auth::policy; use crate::telemetry::Metrics;", 2),
        ("admission", "use kube::core::admission::{AdmissionReview, Operation};", 2),
        ("tuf", "fn f<'a>(x: &'a str) -> char { 't' } use std::sync::Arc; Self::tokio::x();", 2),
        (
            "trust",
            &without_tests("use tokio::sync::watch;\n#[cfg(test)]\nmod tests {\n    use axum::Router;\n}\n"),
            2,
        ),
    ] {
        assert_eq!(found(module, source, depth), Vec::<String>::new(), "{module}: {source}");
    }
}

#[test]
fn a_reading_of_the_time_is_found_however_it_is_written() {
    let readings = |source, tokio| clock_readings(&paths(source, 2), tokio).len();
    assert_eq!(readings("let now = jiff::Timestamp::now();", true), 1);
    assert_eq!(readings("use std::time::{Instant}; fn f() { Instant::now() }", true), 1);
    assert_eq!(readings("x.unwrap_or_else(SystemTime::now)", true), 1);
    assert_eq!(readings("use tokio::time::Instant; fn f() { Instant::now() }", true), 0);
    assert_eq!(readings("tokio::time::Instant::now()", true), 0);
    assert_eq!(readings("use tokio::time::Instant; fn f() { Instant::now() }", false), 1);
    assert_eq!(readings("self.clock.now(); SystemClock.now()", false), 0);
}

impl Row {
    fn violations(&self, paths: &[SourcePath], crates: &BTreeSet<String>) -> Vec<String> {
        let module = self.module;
        let found: BTreeSet<_> = paths
            .iter()
            .filter_map(|path| match path {
                SourcePath::Ours(ours) if !self.may_import(ours) => {
                    Some(format!("{module} may not import crate::{ours}"))
                }
                SourcePath::Other(path) => {
                    let name = path.split("::").next().unwrap_or_default();
                    let denied = crates.contains(name) && !self.may_name(path);
                    denied.then(|| format!("{module} may not import {path}"))
                }
                SourcePath::Ours(_) => None,
            })
            .collect();
        found.into_iter().collect()
    }

    fn may_import(&self, ours: &str) -> bool {
        ours == self.module
            || self.ours.contains(&ours)
            || EVERYBODY.contains(&ours)
            || (COMMON.contains(&ours) && !PURE.contains(&self.module))
    }

    fn may_name(&self, path: &str) -> bool {
        let is_below = |prefix: &&str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        match &self.others {
            Any => true,
            Only(allowed) => allowed.iter().any(is_below),
            Never(denied) => !denied.iter().any(|group| group.iter().any(is_below)),
        }
    }
}

/// Paths that read a clock, such as `Timestamp::now`.
fn clock_readings(paths: &[SourcePath], may_read_tokio_instant: bool) -> Vec<String> {
    let others = || paths.iter().filter_map(SourcePath::other);
    let instant_is_tokios = others().any(|path| path == "tokio::time::Instant");
    others()
        .filter(|path| {
            let mut from_the_end = path.rsplit("::");
            let reads = from_the_end.next() == Some("now")
                && matches!(
                    from_the_end.next(),
                    Some("Timestamp" | "SystemTime" | "Instant" | "Zoned" | "Utc")
                );
            let is_tokios =
                *path == "tokio::time::Instant::now" || (*path == "Instant::now" && instant_is_tokios);
            reads && !(may_read_tokio_instant && is_tokios)
        })
        .map(str::to_owned)
        .collect()
}

struct SourceFile {
    name: PathBuf,
    /// The top-level module.
    module: String,
    /// How many `super` lead to the crate's root.
    depth: usize,
    text: String,
}

fn sources() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    assert!(!files.is_empty());
    files
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<SourceFile>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let is_tests = path.file_stem().is_some_and(|stem| stem == "tests");
        if path.is_dir() && !is_tests {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_tests {
            let name = path.strip_prefix(root).unwrap().to_owned();
            let module = name.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let depth = name.iter().count();
            files.push(SourceFile { module, depth, text: fs::read_to_string(&path).unwrap(), name });
        }
    }
}

/// The crates that the package names, as Rust writes them. `std` is nobody's business.
fn other_crates() -> BTreeSet<String> {
    let manifest = include_str!("../Cargo.toml");
    let mut in_dependencies = false;
    let mut crates = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = line.ends_with("dependencies]");
        } else if let (true, Some((name, _))) = (in_dependencies, line.split_once([' ', '=', '.'])) {
            crates.insert(name.replace('-', "_"));
        }
    }
    assert!(crates.contains("tokio") && crates.contains("k8s_openapi"));
    crates
}
