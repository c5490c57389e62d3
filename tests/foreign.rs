//! Text from outside is shown by `foreign` alone: nothing else in the crate escapes text for people, and no command prints but by
//! `cli::output`, which lets nothing through that is not printable.

use std::fs;
use std::path::{Path, PathBuf};

/// What escapes text, and where it may stand.
const ESCAPES: &[&str] = &["is_control", "escape_default", "escape_debug", "escape_unicode"];
const MAY_ESCAPE: &[&str] = &["foreign.rs"];
/// Not for showing: what may be signed, and what stands in a key file.
const JUDGES: &[&str] = &["publish/publisher/apply/targets.rs", "publish/key_file.rs"];

/// What prints, and where it may stand.
const PRINTS: &[&str] = &[
    "println!",
    "print!",
    "eprintln!",
    "eprint!",
    "io::stdout()",
    "io::stderr()",
    "stdout().lock",
    "stderr().lock",
];
const MAY_PRINT: &[&str] = &["cli/output.rs"];
/// Which ask whether it is a terminal, write a script of clap's own making, or take a handle for the log.
const HANDLES: &[&str] = &[
    "cli/sandbox.rs",
    "cli/passphrases.rs",
    "cli/progress.rs",
    "cli/completions.rs",
    "publish/external/program.rs",
    "telemetry/log.rs",
];

#[test]
fn t40_one_function_escapes_text() {
    assert_eq!(found(ESCAPES, &[MAY_ESCAPE, JUDGES].concat(), &sources()), Vec::<String>::new());
}

#[test]
fn t40_one_module_prints() {
    assert_eq!(found(PRINTS, &[MAY_PRINT, HANDLES].concat(), &sources()), Vec::<String>::new());
    let handles: Vec<_> =
        sources().into_iter().filter(|(name, _)| HANDLES.contains(&name.as_str())).collect();
    assert_eq!(handles.len(), HANDLES.len());
    assert_eq!(found(&PRINTS[..4], &[], &handles), Vec::<String>::new());
}

#[test]
fn another_way_is_found() {
    let file = |text: &str| vec![("cli/new.rs".to_owned(), text.to_owned())];
    for text in
        ["    eprintln!(\"{name}\");\n", "fn f() { let _ = writeln!(std::io::stdout(), \"{name}\"); }\n"]
    {
        assert_eq!(found(PRINTS, MAY_PRINT, &file(text)).len(), 1, "{text}");
    }
    assert_eq!(found(ESCAPES, MAY_ESCAPE, &file("name.chars().filter(|c| !c.is_control())\n")).len(), 1);
    assert_eq!(found(ESCAPES, MAY_ESCAPE, &file("name.chars().any(char::is_control)\n")).len(), 1);
    assert_eq!(found(ESCAPES, MAY_ESCAPE, &file("subject.is_controlled\n")), Vec::<String>::new());
    assert_eq!(
        found(PRINTS, MAY_PRINT, &file("// println!(\"{name}\")\nprint(name);\n")),
        Vec::<String>::new()
    );
    let tested = "#[cfg(test)]\nmod tests {\n    fn f() { println!() }\n}\n";
    assert_eq!(found(PRINTS, MAY_PRINT, &file(tested)), Vec::<String>::new());
}

/// The lines that hold one of `words`, in files other than `allowed`; comments and tests are left out.
fn found(words: &[&str], allowed: &[&str], files: &[(String, String)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, text) in files.iter().filter(|(name, _)| !allowed.contains(&name.as_str())) {
        let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let text = if text.starts_with("#[cfg(test)]") { "" } else { text };
        for (line, number) in text.lines().zip(1..) {
            let code = line.split("//").next().unwrap_or_default();
            if words.iter().any(|word| is_called(code, word)) {
                lines.push(format!("{name}:{number}: {}", line.trim()));
            }
        }
    }
    lines
}

/// Whether the word stands there, and is no part of another one.
fn is_called(code: &str, word: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(is_inner) && !code[at + word.len()..].starts_with(is_inner))
}

/// The files below `src`, by their names there, but for tests.
pub fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.file_stem() {
                Some(stem) if stem == "tests" => {}
                _ if path.is_dir() => folders.push(path),
                _ => {
                    let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                    found.push((name, fs::read_to_string(&path).unwrap()));
                }
            }
        }
    }
    found
}
