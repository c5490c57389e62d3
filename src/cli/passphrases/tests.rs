//! Whom a passphrase comes from, how often, and what is said when there is none.

use std::collections::VecDeque;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex};

use super::*;

/// Somebody who types these lines.
#[derive(Default, Clone)]
struct Typist {
    lines: Arc<Mutex<VecDeque<&'static str>>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Typist {
    fn types(lines: &[&'static str]) -> Self {
        Self { lines: Arc::new(Mutex::new(lines.iter().copied().collect())), heard: Arc::default() }
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().join("\n")
    }
}

impl Terminal for Typist {
    fn ask(&self, prompt: &str) -> std::io::Result<String> {
        self.heard.lock().unwrap().push(prompt.to_owned());
        let line = self.lines.lock().unwrap().pop_front();
        line.map(str::to_owned).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
    }

    fn tell(&self, text: &str) {
        self.heard.lock().unwrap().push(text.to_owned());
    }
}

fn sources(
    fds: &[FdSource],
    variables: &'static [(&'static str, &'static str)],
    typist: Option<&Typist>,
) -> PassphraseSources {
    let environment =
        |wanted: &str| variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).into());
    PassphraseSources::new(fds, Box::new(environment), typist.map(|typist| Box::new(typist.clone()) as _))
}

const ID: &str = "e83f4249f18ae710e3ba82e83f4249f18ae710e3ba82e83f4249f18ae710e3ba";

fn ask(role: &str, is_new: bool, attempt: u32) -> Ask<'_> {
    Ask { role, key_id: KeyId::from_hex(ID).unwrap(), gun: None, is_new, attempt }
}

fn said(outcome: Result<Passphrase, PassphraseError>) -> Result<String, String> {
    outcome
        .map(|passphrase| String::from_utf8(passphrase.expose().to_vec()).unwrap())
        .map_err(|error| error.message)
}

#[test]
fn each_role_has_its_variable_dockers_before_notarys() {
    let sources = sources(
        &[],
        &[
            ("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "docker root"),
            ("NOTARY_ROOT_PASSPHRASE", "notary root"),
            ("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", ""),
            ("NOTARY_TARGETS_PASSPHRASE", "targets"),
            ("NOTARY_SNAPSHOT_PASSPHRASE", "snapshot"),
            ("NOTARY_DELEGATION_PASSPHRASE", "delegation"),
        ],
        None,
    );
    for (role, expected) in
        [("root", "docker root"), ("targets", "targets"), ("snapshot", "snapshot"), ("jeff", "delegation")]
    {
        // Another key each time: what was said of one is remembered.
        let id = KeyId::from_hex(&crate::digest::Digest::of(role.as_bytes()).hex()).unwrap();
        let ask = Ask { key_id: id, ..ask(role, false, 1) };
        assert_eq!(said(sources.passphrase(&ask)), Ok(expected.to_owned()));
    }
}

#[test]
fn a_variable_is_tried_once_then_the_next_and_then_all_are_named() {
    let sources = sources(
        &[],
        &[("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "one"), ("NOTARY_ROOT_PASSPHRASE", "two")],
        Some(&Typist::types(&["never asked"])),
    );
    assert_eq!(said(sources.passphrase(&ask("root", false, 1))), Ok("one".into()));
    assert_eq!(said(sources.passphrase(&ask("root", false, 2))), Ok("two".into()));
    let error = sources.passphrase(&ask("root", false, 3)).unwrap_err();
    assert!(error.is_final);
    assert_eq!(
        error.message,
        "what DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE and NOTARY_ROOT_PASSPHRASE have is not the passphrase of root key with \
         ID e83f424"
    );
}

#[test]
fn without_anybody_to_ask_the_variables_are_named() {
    let error = sources(&[], &[], None).passphrase(&ask("targets", false, 1)).unwrap_err();
    assert!(error.is_final);
    assert_eq!(
        error.message,
        "a passphrase is needed for repository key with ID e83f424, and there is no terminal to ask on: set \
         DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE or NOTARY_TARGETS_PASSPHRASE, or use --passphrase-fd"
    );
}

#[test]
fn a_key_is_asked_for_three_times_and_once_when_right() {
    let typist = Typist::types(&["wrong", "right"]);
    let sources = sources(&[], &[], Some(&typist));
    assert_eq!(said(sources.passphrase(&ask("jeff", false, 1))), Ok("wrong".into()));
    assert_eq!(said(sources.passphrase(&ask("jeff", false, 2))), Ok("right".into()));
    // Its second use: nobody types it again.
    assert_eq!(said(sources.passphrase(&ask("jeff", false, 1))), Ok("right".into()));
    assert_eq!(
        typist.heard(),
        "Enter passphrase for jeff key with ID e83f424: \nThat is not the passphrase. Please try again.\nEnter passphrase for \
         jeff key with ID e83f424: "
    );
    let error = sources.passphrase(&ask("jeff", false, 4)).unwrap_err();
    assert!(error.is_final && error.message.contains("wrong 3 times"), "{error}");
}

#[test]
fn a_new_passphrase_is_typed_twice_and_has_some_length() {
    let typist = Typist::types(&["short", "long enough", "mistyped", "long enough", "long enough"]);
    assert_eq!(
        said(sources(&[], &[], Some(&typist)).passphrase(&ask("root", true, 1))),
        Ok("long enough".into())
    );
    let heard = typist.heard();
    for text in
        ["nothing replaces it", "at least 8 characters", "not the same", "Repeat passphrase for new root key"]
    {
        assert!(heard.contains(text), "{text}: {heard}");
    }
}

#[test]
fn three_bad_new_passphrases_are_enough() {
    let typist = Typist::types(&["a", "b", "c", "long enough"]);
    let error = sources(&[], &[], Some(&typist)).passphrase(&ask("jeff", true, 1)).unwrap_err();
    assert_eq!(error.message, "no passphrase was chosen for new jeff key with ID e83f424");
}

#[test]
fn a_variables_passphrase_may_be_short_and_needs_nobody_to_repeat_it() {
    let sources = sources(&[], &[("NOTARY_DELEGATION_PASSPHRASE", "x")], None);
    assert_eq!(said(sources.passphrase(&ask("jeff", true, 1))), Ok("x".into()));
}

fn file_with(text: &str) -> std::fs::File {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.reopen().unwrap()
}

#[test]
fn the_descriptor_that_fits_best_wins_and_beats_variables() {
    let (all, repository, jeff) = (file_with("all\n"), file_with("repository\nmore\n"), file_with("jeff"));
    let fd = |role: &str, file: &std::fs::File| format!("{role}{}", file.as_raw_fd()).parse().unwrap();
    let fds = [fd("", &all), fd("repository=", &repository), fd("jeff=", &jeff)];
    let sources = sources(&fds, &[("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "variable")], None);
    for (role, expected) in [
        ("root", "all"),
        ("targets", "repository"),
        ("snapshot", "repository"),
        ("jeff", "jeff"),
        ("ann", "all"),
    ] {
        let id = KeyId::from_hex(&crate::digest::Digest::of(role.as_bytes()).hex()).unwrap();
        assert_eq!(
            said(sources.passphrase(&Ask { key_id: id, ..ask(role, false, 1) })),
            Ok(expected.to_owned())
        );
    }
}

#[test]
fn a_descriptor_is_tried_once_and_named_when_wrong_or_empty() {
    let (wrong, empty) = (file_with("wrong\n"), file_with("\nsecond line\n"));
    let fds: [FdSource; 1] = [wrong.as_raw_fd().to_string().parse().unwrap()];
    let one = sources(&fds, &[], Some(&Typist::default()));
    assert_eq!(said(one.passphrase(&ask("root", false, 1))), Ok("wrong".into()));
    let error = one.passphrase(&ask("root", false, 2)).unwrap_err();
    assert_eq!(
        error.message,
        format!(
            "what --passphrase-fd {} has is not the passphrase of root key with ID e83f424",
            wrong.as_raw_fd()
        )
    );
    let fds: [FdSource; 1] = [format!("root={}", empty.as_raw_fd()).parse().unwrap()];
    let error = sources(&fds, &[], None).passphrase(&ask("root", false, 1)).unwrap_err();
    assert_eq!(
        error.message,
        format!(
            "--passphrase-fd root={}: there is no passphrase in it: its first line is taken",
            empty.as_raw_fd()
        )
    );
}

#[test]
fn nothing_that_is_shown_has_a_passphrase_in_it() {
    let sources = sources(&[], &[("NOTARY_ROOT_PASSPHRASE", "hunter22")], None);
    let passphrase = sources.passphrase(&ask("root", false, 1)).unwrap();
    assert!(!format!("{sources:?} {passphrase:?}").contains("hunter22"));
}
