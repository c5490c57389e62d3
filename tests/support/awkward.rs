//! Reads the awkward files of `tests/data/gitops/corpus`; its README says how they are written.

mod world;

use std::path::{Path, PathBuf};

pub use world::World;

/// One case: files, a command, and what must come of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// The file that it stands in, and its name.
    pub name: String,
    /// What stands after `tagseal`.
    pub arguments: Vec<String>,
    /// The exit status.
    pub exit: i32,
    /// What is told: the kind of expectation and its text.
    pub expectations: Vec<(String, String)>,
    /// The files, before and after.
    pub files: Vec<AwkwardFile>,
}

/// One file of a case.
#[derive(Debug, Clone)]
pub struct AwkwardFile {
    /// Its path, or `<stdin>`.
    pub name: String,
    /// What is in it before the run.
    pub before: Vec<u8>,
    /// What must be in it afterwards.
    pub after: Vec<u8>,
    /// Its mode, where that matters.
    pub mode: Option<u32>,
    /// Where it leads, if it is a symbolic link.
    pub link: Option<String>,
    /// The file that it is a hard link to.
    pub hard: Option<String>,
}

/// The name of standard input.
pub const STDIN: &str = "<stdin>";

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: web\n";

impl Case {
    /// Whether a run changes anything.
    pub fn changes(&self) -> bool {
        self.files.iter().any(|file| file.before != file.after)
    }
}

/// Every case. `named` says what `⟨NAME⟩` stands for, where that is not a character.
pub fn cases(named: &dyn Fn(&str) -> Option<String>) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gitops/corpus");
    let entries = std::fs::read_dir(&folder).expect("the corpus").map(|entry| entry.expect("a file").path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|is| is == "txt")).collect();
    files.sort();
    files.iter().flat_map(|path| in_file(path, named)).collect()
}

fn in_file(path: &Path, named: &dyn Fn(&str) -> Option<String>) -> Vec<Case> {
    let stem = path.file_stem().expect("a name").to_string_lossy();
    let text = std::fs::read_to_string(path).expect("a file of the corpus");
    let mut cases: Vec<Case> = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        let ends = line.starts_with("== ") || line.starts_with("-- ") || line.starts_with("$ ");
        if ends {
            close(&mut cases, open.take(), named);
        } else if let Some((_, content)) = &mut open {
            content.push_str(line);
            content.push('\n');
            continue;
        }
        if let Some(name) = line.strip_prefix("== ") {
            let arguments = words("pin -f a.yaml");
            let (expectations, files) = (Vec::new(), Vec::new());
            cases.push(Case { name: format!("{stem}: {name}"), arguments, exit: 0, expectations, files });
        } else if !line.is_empty() && !line.starts_with('#') {
            let case = cases.last_mut().expect("a line before the first case");
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "--" => open = Some((rest.to_owned(), String::new())),
                "$" => case.arguments = words(rest),
                "exit" => case.exit = rest.parse().expect("an exit status"),
                "tell" | "err" | "out" | "not" | "json" | "sarif" | "junit" => {
                    case.expectations.push((word.to_owned(), only(rest, named)));
                }
                _ => panic!("{}: what is this? {line}", case.name),
            }
        }
    }
    close(&mut cases, open, named);
    cases
}

fn close(cases: &mut [Case], open: Option<(String, String)>, named: &dyn Fn(&str) -> Option<String>) {
    let Some((header, content)) = open else { return };
    let case = cases.last_mut().expect("a case");
    // The line that parts cases belongs to none of them.
    let content = content.strip_suffix("\n\n").map_or(content.clone(), |text| format!("{text}\n"));
    case.files.push(file(&header, content, named));
}

fn file(header: &str, content: String, named: &dyn Fn(&str) -> Option<String>) -> AwkwardFile {
    let mut words: Vec<&str> = header.split(' ').collect();
    let mut flags = Vec::new();
    let is_flag = |word: &str| {
        let plain = ["pod", "crlf", "cr", "bom", "noeol", "utf16le", "utf16be"];
        plain.contains(&word) || ["mode=", "link=", "hard="].iter().any(|flag| word.starts_with(flag))
    };
    while words.last().is_some_and(|word| is_flag(word)) {
        flags.extend(words.pop());
    }
    let has = |flag: &str| flags.contains(&flag);
    let of = |flag: &str| flags.iter().find_map(|word| word.strip_prefix(flag));
    let mut text = if has("pod") { format!("{POD}{content}") } else { content };
    if has("noeol") {
        text.truncate(text.trim_end_matches('\n').len());
    }
    if has("crlf") || has("cr") {
        text = text.replace('\n', if has("cr") { "\r" } else { "\r\n" });
    }
    if has("bom") {
        text.insert(0, '\u{feff}');
    }
    let encode = |bytes: Vec<u8>| match (has("utf16le"), has("utf16be")) {
        (false, false) => bytes,
        (is_little, _) => {
            let text = String::from_utf8(bytes).expect("text");
            let bytes = |unit: u16| if is_little { unit.to_le_bytes() } else { unit.to_be_bytes() };
            text.encode_utf16().flat_map(bytes).collect()
        }
    };
    let (before, after) = expand(&text, named);
    AwkwardFile {
        name: words.join(" "),
        before: encode(before),
        after: encode(after),
        mode: of("mode=").map(|mode| u32::from_str_radix(mode, 8).expect("a mode")),
        link: of("link=").map(str::to_owned),
        hard: of("hard=").map(str::to_owned),
    }
}

fn only(text: &str, named: &dyn Fn(&str) -> Option<String>) -> String {
    String::from_utf8(expand(text, named).1).expect("text")
}

/// What `text` is before and after.
fn expand(text: &str, named: &dyn Fn(&str) -> Option<String>) -> (Vec<u8>, Vec<u8>) {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let (mut in_before, mut in_after) = (true, true);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut bytes = c.to_string().into_bytes();
        rest = &rest[c.len_utf8()..];
        match c {
            '«' => in_before = false,
            '‹' => in_after = false,
            '»' | '›' => (in_before, in_after) = (true, true),
            '⟨' => {
                let (name, more) = rest.split_once('⟩').expect("⟩");
                (bytes, rest) = (token(name, named), more);
            }
            _ => {}
        }
        if !['«', '‹', '»', '›'].contains(&c) {
            before.extend(bytes.iter().filter(|_| in_before));
            after.extend(bytes.iter().filter(|_| in_after));
        }
    }
    (before, after)
}

fn token(name: &str, named: &dyn Fn(&str) -> Option<String>) -> Vec<u8> {
    let code = |digits: &str| u32::from_str_radix(digits, 16).ok();
    let text = match name {
        "CR" => "\r".to_owned(),
        "TAB" => "\t".to_owned(),
        "SP" => " ".to_owned(),
        "NUL" => "\0".to_owned(),
        _ => {
            if let Some((count, of)) = name.split_once('*') {
                of.repeat(count.parse().expect("a number"))
            } else if let Some(byte) = name.strip_prefix('x').and_then(code) {
                return vec![u8::try_from(byte).expect("a byte")];
            } else if let Some(code) = name.strip_prefix('U').and_then(code) {
                char::from_u32(code).expect("a character").to_string()
            } else {
                named(name).unwrap_or_else(|| panic!("what is ⟨{name}⟩?"))
            }
        }
    };
    text.into_bytes()
}

/// The words of a command line; between single quotes there are no blanks that part.
pub fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            _ => words.last_mut().expect("a word").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
