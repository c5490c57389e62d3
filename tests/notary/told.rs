//! The table of TLS messages in docs/operations.md, held against the messages that the code makes.

use std::fs;

/// What stands for something else, in a message of the code and in a row of the table.
const BLANK: char = '•';

fn file(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The messages of a file's errors, with what is filled in left blank.
fn messages(path: &str) -> Vec<String> {
    let source = file(path);
    let attributes = source.split("#[error(").skip(1);
    let texts = attributes.map(|attribute| {
        let text = attribute.trim_start().strip_prefix('"').unwrap_or_else(|| panic!("{attribute}"));
        let end = text.match_indices('"').find(|(at, _)| !text[..*at].ends_with('\\')).unwrap().0;
        let mut parts = text[..end].split(['{', '}']);
        // Every second part is what stands in braces.
        let first = parts.next().unwrap().to_owned();
        parts
            .collect::<Vec<_>>()
            .chunks(2)
            .fold(first, |text, parts| format!("{text}{BLANK}{}", parts.get(1).copied().unwrap_or_default()))
    });
    texts.filter(|text| *text != BLANK.to_string()).collect()
}

/// The first column of the table, with single capitals and dots left blank.
fn rows() -> Vec<String> {
    let text = file("docs/operations.md");
    let table = text.lines().skip_while(|line| !line.starts_with("| the message says that |")).skip(2);
    let cells =
        table.map_while(|line| line.strip_prefix('|')).map(|line| line.split('|').next().unwrap().trim());
    let is_blank = |word: &str| matches!(word.trim_end_matches(','), "X" | "A" | "B" | "C");
    cells
        .map(|cell| {
            let words = cell.replace('…', &BLANK.to_string()).replace("A, B", "A");
            let words = words.split(' ').map(|word| match is_blank(word) {
                true => format!("{BLANK}{}", if word.ends_with(',') { "," } else { "" }),
                false => word.to_owned(),
            });
            words.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// Whether a row tells of a message; what a row leaves blank may be anything, and a message may go on after it.
fn tells_of(row: &str, message: &str) -> bool {
    let mut rest = message;
    for (place, part) in row.split(BLANK).enumerate() {
        match rest.find(part) {
            Some(at) if place > 0 || at == 0 => rest = &rest[at + part.len()..],
            _ => return false,
        }
    }
    rest.is_empty() || rest.starts_with(" (") || row.ends_with(BLANK)
}

#[test]
fn every_tls_message_has_one_row_of_the_runbook_and_every_row_a_message() {
    let rows = rows();
    let is_of_tls = |message: &String| {
        ["TLS", "CA bundle", "roots to believe", "not plain http"].iter().any(|word| message.contains(word))
    };
    let mut told = messages("src/notary/peer.rs");
    assert!(told.len() >= 12, "{told:#?}");
    told.extend(messages("src/notary/fault.rs").into_iter().filter(is_of_tls));
    for message in &told {
        let telling: Vec<_> = rows.iter().filter(|row| tells_of(row, message)).collect();
        assert_eq!(telling.len(), 1, "rows of docs/operations.md for {message:?}: {telling:#?}");
    }
    for row in &rows {
        let told: Vec<_> = told.iter().filter(|message| tells_of(row, message)).collect();
        assert_eq!(told.len(), 1, "messages for the row {row:?} of docs/operations.md: {told:#?}");
    }
}
