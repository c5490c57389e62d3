//! The session in the README is what the story says. `TAGSEAL_BLESS=1` writes it anew.

use std::collections::BTreeMap;
use std::path::Path;

use tagseal::cli::sandbox::{NOTARY_PORT, Places, REGISTRY_PORT, WEBHOOK_PORT, event_text, opening_text};
use tagseal::digest::Digest;
use tagseal::sandbox::stage::Stage;
use tagseal::sandbox::story::{self, Event, Line};

use super::story::options;

const BEGIN: &str = "<!-- session: begin -->\n```\n$ tagseal sandbox\n";
const END: &str = "\n```\n<!-- session: end -->\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_session_in_the_readme_is_what_the_story_says() {
    let stage = Stage::start(options()).await.unwrap();
    let mut stable = Stable::of(&stage);
    let mut session = opening_text(&stable.places);
    let steps = story::steps(&stage);
    let is_well = story::play(&stage, &mut |event| {
        let text = event_text(&stable.event(event), steps);
        if !text.is_empty() {
            session.push_str(&format!("\n\n{text}"));
        }
    })
    .await;
    assert!(is_well, "{session}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("the README has a session");
    let (recorded, after) = rest.split_once(END).expect("the session has an end");
    if std::env::var_os("TAGSEAL_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{session}{END}{after}")).unwrap();
        return;
    }
    for (recorded, said) in recorded.lines().zip(session.lines()) {
        assert_eq!(recorded, said, "the README's session is old: TAGSEAL_BLESS=1 writes it anew");
    }
    assert_eq!(recorded, session);
}

/// What differs from one run to the next, put the same: ports, the folder, keys, times.
struct Stable {
    places: Places,
    literal: Vec<(String, String)>,
    /// Key IDs and times, in the order in which they came.
    keys: BTreeMap<String, String>,
    times: BTreeMap<String, String>,
}

impl Stable {
    fn of(stage: &Stage) -> Self {
        let found = Places::of(stage);
        let places = Places {
            notary: format!("https://localhost:{NOTARY_PORT}"),
            registry: format!("https://localhost:{REGISTRY_PORT}"),
            webhook: format!("https://localhost:{WEBHOOK_PORT}"),
            folder: "/tmp/tagseal-sandbox-Rk3vQ9".to_owned(),
        };
        let host = |url: &str| url.trim_start_matches("https://").to_owned();
        let literal = [
            (&found.notary, &places.notary),
            (&found.registry, &places.registry),
            (&found.webhook, &places.webhook),
        ];
        let mut literal: Vec<_> = literal.into_iter().map(|(found, put)| (host(found), host(put))).collect();
        literal.push((found.folder, places.folder.clone()));
        Self { places, literal, keys: BTreeMap::new(), times: BTreeMap::new() }
    }

    fn event(&mut self, event: Event) -> Event {
        let Event::Step(mut step) = event else { return event };
        for line in &mut step.lines {
            // The webhook cuts warnings, here or there with the width of ports and times.
            if let Line::Saw { text, .. } = line
                && text.ends_with('…')
                && let Some(end) = text.rfind(' ')
            {
                text.replace_range(end + 1.., "…");
            }
            match line {
                Line::Typed { command: text, .. } | Line::Did { what: text, .. } | Line::Saw { text, .. } => {
                    *text = self.text(text);
                }
            }
        }
        for check in &mut step.checks {
            check.expected = self.text(&check.expected);
        }
        Event::Step(step)
    }

    fn text(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (found, put) in &self.literal {
            text = text.replace(found, put);
        }
        // Word by word, whatever stands around a word.
        let is_inner = |c: char| c.is_ascii_alphanumeric() || "-:.…".contains(c);
        let mut out = String::new();
        for piece in text.split_inclusive(|c| !is_inner(c)) {
            let word = piece.trim_end_matches(|c| !is_inner(c));
            out.push_str(&self.word(word));
            out.push_str(&piece[word.len()..]);
        }
        out
    }

    fn word(&mut self, word: &str) -> String {
        let bare = word.trim_end_matches(['.', ':']);
        // A record of trust state is a file that is named by a hash.
        let bare = bare.strip_suffix(".json").unwrap_or(bare);
        let rest = &word[bare.len()..];
        let is_hex = |id: &str| id.bytes().all(|b| b.is_ascii_hexdigit());
        let is_short_key = bare.strip_suffix('…').is_some_and(|id| id.len() == 12 && is_hex(id));
        let is_key = is_short_key || bare.len() == 64 && is_hex(bare);
        let is_time = bare.len() >= 20 && bare.ends_with('Z') && bare.as_bytes()[10] == b'T';
        let stable = if is_key {
            let next = self.keys.len();
            let id = || Digest::of(format!("key {next}").as_bytes()).hex();
            let id = self.keys.entry(bare[..12].to_owned()).or_insert_with(id);
            if is_short_key { format!("{}…", &id[..12]) } else { id.clone() }
        } else if is_time {
            let next = self.times.len();
            self.times
                .entry(bare.to_owned())
                .or_insert_with(|| format!("2027-01-{:02}T12:00:00Z", next + 1))
                .clone()
        } else {
            bare.to_owned()
        };
        format!("{stable}{rest}")
    }
}
