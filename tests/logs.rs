//! docs/logs.md names every field that a line of the log can have: who searches a log finds one name for one thing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The fields of each call of a logging macro in `source`: `policy = %id` and `%policy` are `policy`.
fn fields(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for level in ["error", "warn", "info", "debug", "trace"] {
        let call = format!("tracing::{level}!(");
        for (at, _) in source.match_indices(&call) {
            let arguments = arguments(&source[at + call.len()..]);
            let fields = arguments.iter().take_while(|argument| !argument.starts_with('"'));
            found.extend(fields.map(|field| {
                let name = field.split(['=', ' ', '.', '(']).next().unwrap_or_default();
                name.trim_start_matches(['%', '?']).to_owned()
            }));
        }
    }
    found.remove("message");
    found.remove("");
    found
}

/// The arguments of a call, without those inside of others.
fn arguments(rest: &str) -> Vec<String> {
    let (mut arguments, mut depth, mut in_text, mut escaped) = (vec![String::new()], 0, false, false);
    for character in rest.chars() {
        let is_escape = escaped;
        escaped = in_text && character == '\\' && !is_escape;
        match character {
            '"' if !is_escape => in_text = !in_text,
            '(' | '[' | '{' if !in_text => depth += 1,
            ')' if !in_text && depth == 0 => break,
            ')' | ']' | '}' if !in_text => depth -= 1,
            ',' if !in_text && depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        arguments.last_mut().expect("there is one").push(character);
    }
    arguments.into_iter().map(|argument| argument.trim().to_owned()).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_document_names_every_field_that_a_line_can_have_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    let mut used = BTreeMap::<String, PathBuf>::new();
    for file in files.iter().filter(|file| !file.components().any(|part| part.as_os_str() == "tests")) {
        let source = fs::read_to_string(file).unwrap();
        used.extend(fields(&source).into_iter().map(|field| (field, file.clone())));
    }
    let document = fs::read_to_string(root.join("docs/logs.md")).unwrap();
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('|'));
    let named: BTreeSet<String> = rows
        .flat_map(|(fields, _)| fields.split(", ").map(|field| field.trim_matches(['`', ' ']).to_owned()))
        .collect();
    let unnamed: Vec<_> = used.iter().filter(|(field, _)| !named.contains(*field)).collect();
    assert!(unnamed.is_empty(), "docs/logs.md does not name these: {unnamed:?}");
    let unused: Vec<_> = named.iter().filter(|field| !used.contains_key(*field)).collect();
    assert!(unused.is_empty(), "no line has these fields of docs/logs.md: {unused:?}");
}

#[test]
fn fields_are_found_in_every_form_that_the_macros_take() {
    let source = r#"
        tracing::warn!(policy = %old.id(), error, "a, \"b\" = {c}");
        tracing::info!(%address, lasted_s = since(now, 1).as_secs(), ?step, "{x} {}", other = 1);
        tracing::debug!("nothing");
        tracing::error!(kind = a.map(|(b, _)| b), message);
    "#;
    let found: Vec<_> = fields(source).into_iter().collect();
    assert_eq!(found, ["address", "error", "kind", "lasted_s", "policy", "step"]);
}
