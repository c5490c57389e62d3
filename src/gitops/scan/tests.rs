mod charts;
mod hostile;
mod kustomizations;
mod named;
mod objects;
mod shared;

use super::*;
use crate::gitops::source::FileRole;
use crate::gitops::tree::Tree;

fn file(name: &str, role: FileRole, text: &str) -> SourceFile {
    let tree = Tree::parse(text).unwrap_or_else(|errors| panic!("{text}\n{errors:?}"));
    SourceFile { name: name.to_owned(), role, text: text.to_owned(), tree }
}

fn options(image_paths: &[&str]) -> ScanOptions {
    let image_paths = image_paths.iter().map(|path| path.parse().unwrap()).collect();
    ScanOptions { namespace: "default".to_owned(), image_paths }
}

/// The scan of one file of objects.
fn scanned(text: &str) -> Scan {
    scan(&[file("a.yaml", FileRole::Manifest, text)], &options(&[]))
}

/// Where each site is and what it names: `LINE:COLUMN FIELD IMAGE`.
fn lines(scan: &Scan) -> Vec<String> {
    scan.sites.iter().map(|site| format!("{} {} {}", site.place, site.field, site.image)).collect()
}

fn problems(scan: &Scan) -> Vec<String> {
    scan.problems.iter().map(ToString::to_string).collect()
}

/// The sites of one file of objects, which has no problem.
#[track_caller]
fn sites(text: &str) -> Vec<String> {
    let scan = scanned(text);
    assert_eq!(problems(&scan), [""; 0], "{text}");
    lines(&scan)
}

#[track_caller]
fn is_problem(scan: &Scan, place: &str, what: &str) {
    let problems = problems(scan);
    let is_it = |problem: &String| problem.contains(&format!(":{place}: ")) && problem.contains(what);
    assert!(problems.iter().any(is_it), "{place} {what}: {problems:#?}");
}
