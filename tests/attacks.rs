//! Holds `docs/attacks.md` against the tests that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const TABLE: &str = include_str!("../docs/attacks.md");

/// IDs that run on without a gap. Later ones may be there before those between.
const SERIES: [(char, u32); 3] = [('T', 39), ('P', 15), ('A', 28)];

/// One row: an attack, and the tests that show what becomes of it.
struct Row<'a> {
    id: &'a str,
    is_e2e: bool,
    tests: Vec<&'a str>,
}

#[test]
fn every_attack_has_its_row() {
    let place = |id: &str| {
        let (series, number) = id.split_at(1);
        let at = SERIES.iter().position(|(letter, _)| series.starts_with(*letter)).expect(id);
        (at, number.parse::<u32>().expect(id))
    };
    let ids: Vec<_> = rows().iter().map(|row| place(row.id)).collect();
    let all = SERIES.iter().enumerate().flat_map(|(at, &(_, last))| (1..=last).map(move |n| (at, n)));
    assert_eq!(all.filter(|id| !ids.contains(id)).collect::<Vec<_>>(), [], "these have no row");
    assert!(ids.is_sorted_by(|a, b| a < b), "the rows are out of order, or one stands twice");
}

#[test]
fn every_row_names_tests_of_its_id_and_all_of_them_exist() {
    let functions = functions();
    for Row { id, is_e2e, tests } in rows() {
        let prefix = format!("{}_", id.to_ascii_lowercase());
        assert!(!tests.is_empty(), "{id} names no test");
        for test in &tests {
            assert!(test.starts_with(&prefix), "{test} stands beside {id}");
            assert!(functions.contains_key(*test), "{id} names {test}, which is no function");
        }
        let in_e2e = tests.iter().any(|test| functions[*test].contains("e2e"));
        assert!(in_e2e || !is_e2e, "{id} is marked e2e, and no test of its is there");
    }
}

#[test]
fn the_threat_model_names_each_attack_once_with_a_test_of_its_row() {
    let model = include_str!("../docs/threat-model.md");
    let rows: BTreeMap<_, _> = rows().into_iter().map(|row| (row.id, row.tests)).collect();
    let mut named = BTreeSet::new();
    for line in model.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let Some(tests) = rows.get(cells[1]) else { continue };
        assert!(named.insert(cells[1]), "{} stands twice", cells[1]);
        assert!(tests.contains(&cells[4].trim_matches('`')), "{line}");
    }
    assert_eq!(named, rows.keys().copied().collect());
}

#[test]
fn a_function_is_found_where_it_is_defined_and_not_where_it_is_mentioned() {
    let source = "/// see fn a()\nasync fn b() {}\n    pub fn c<T>() {}\nd();\nlarge!(x, e);\n";
    assert_eq!(defined(source).collect::<Vec<_>>(), ["b", "c", "e"]);
}

fn rows() -> Vec<Row<'static>> {
    let cells = |line: &'static str| line.split('|').map(str::trim).collect::<Vec<_>>();
    let rows = TABLE.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ID"));
    rows.map(|line| match cells(line)[..] {
        ["", id, _, tests, ""] => {
            let (id, mark) = id.split_once(' ').unwrap_or((id, ""));
            Row { id, is_e2e: mark == "(e2e)", tests: tests.split('`').skip(1).step_by(2).collect() }
        }
        _ => panic!("not a row of three cells: {line}"),
    })
    .collect()
}

/// All functions of the package, each with the top folders in which it is defined.
fn functions() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut functions = BTreeMap::<String, BTreeSet<_>>::new();
    for top in ["src", "tests", "e2e"] {
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(top), &mut |source| {
            for name in defined(source) {
                functions.entry(name.to_owned()).or_default().insert(top);
            }
        });
    }
    functions
}

fn collect(folder: &Path, found: &mut dyn FnMut(&str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// The names of the functions that `source` defines, by themselves or as the last argument of a macro.
fn defined(source: &str) -> impl Iterator<Item = &str> {
    source.lines().map(str::trim).filter(|line| !line.starts_with("//")).filter_map(|line| {
        let of_a_macro = || line.strip_suffix(");")?.rsplit_once(", ").map(|(_, name)| name);
        let by_itself = || {
            let (before, rest) = line.split_once("fn ")?;
            let is_definition = before.split(' ').all(|word| matches!(word, "" | "pub" | "async" | "const"));
            is_definition.then_some(rest)
        };
        let rest = by_itself().or_else(of_a_macro)?;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        Some(&rest[..end])
    })
}
