//! `tagseal sandbox` as a process: exit status, messages, and what it leaves behind.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// In memory where there is such a folder: trust directories sync every file.
pub fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Any ports, and temporary files in a folder of the test's own.
fn sandbox(temporary: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagseal"));
    command.args(["sandbox", "--once", "--notary-port", "0", "--registry-port", "0", "--webhook-port", "0"]);
    command.env("TMPDIR", temporary).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[track_caller]
fn assert_failed(output: &Output, code: i32, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

#[test]
fn the_story_ends_by_itself_with_0_and_leaves_nothing_behind() {
    let temporary = folder();
    let output = sandbox(temporary.path()).output().unwrap();
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", text(&output.stderr));
    assert!(said.contains(" steps went as they should"), "{said}");
    assert!(!said.contains('\u{1b}') && !said.contains('\r'), "plain where there is no terminal");
    assert_eq!(text(&output.stderr), "");
    assert_eq!(entries(temporary.path()), Vec::<String>::new());
}

#[test]
fn a_port_in_use_is_named_with_the_option_that_helps() {
    let temporary = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (option, what) in
        [("--notary-port", "trust server"), ("--registry-port", "registry"), ("--webhook-port", "webhook")]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_tagseal"))
            .args(["sandbox", "--once", option, &port.to_string()])
            .env("TMPDIR", temporary.path())
            .output()
            .unwrap();
        assert_failed(&output, 2, &[&format!("127.0.0.1:{port}, for the {what}, is in use"), option]);
        assert_eq!(text(&output.stdout), "");
        assert_eq!(entries(temporary.path()), Vec::<String>::new());
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let temporary = folder();
    let file = temporary.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let output = sandbox(temporary.path()).arg("--data-dir").arg(file.join("below")).output().unwrap();
    assert_failed(&output, 2, &["file/below"]);
    let output = sandbox(&temporary.path().join("gone")).output().unwrap();
    assert_failed(&output, 2, &["gone"]);
}

#[test]
fn a_folder_with_somebody_elses_files_is_left_alone() {
    let folder = folder();
    std::fs::write(folder.path().join("thesis.tex"), "42").unwrap();
    let output = sandbox(folder.path()).arg("--data-dir").arg(folder.path()).output().unwrap();
    assert_failed(&output, 2, &["there are files in it that no sandbox made"]);
    assert_eq!(entries(folder.path()), ["thesis.tex"]);
}

#[test]
fn a_data_folder_stays_and_is_taken_up_again() {
    let folder = folder();
    let data = folder.path().join("data");
    let first = sandbox(folder.path()).arg("--data-dir").arg(&data).output().unwrap();
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stdout));
    assert_eq!(data.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(entries(folder.path()), ["data"]);
    let again = sandbox(folder.path()).arg("--data-dir").arg(&data).output().unwrap();
    let said = text(&again.stdout);
    assert_eq!(again.status.code(), Some(0), "{said}{}", text(&again.stderr));
    assert!(said.contains("[1/1] A pod asks for a tag, and gets the signed digest"), "{said}");
    let ports = |output: &Output| -> Vec<String> {
        let said = text(&output.stdout);
        said.lines().filter(|line| line.contains("https://localhost:")).take(3).map(str::to_owned).collect()
    };
    assert_eq!(ports(&first), ports(&again), "image names contain them");
}

/// Starts a sandbox, waits until it printed a line with `words`, sends it a signal, and waits for its end.
fn interrupted(temporary: &Path, data: Option<&Path>, words: &str, signal: &str) -> i32 {
    let mut command = sandbox(temporary);
    if let Some(data) = data {
        command.arg("--data-dir").arg(data);
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(words)), "never came to {words}");
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    // Read on, so that it does not wait for a reader.
    lines.for_each(drop);
    child.wait().unwrap().code().unwrap()
}

#[test]
fn interrupted_at_any_moment_it_leaves_nothing_behind() {
    for (words, signal) in
        [("tagseal sandbox:", "-INT"), ("[1/18]", "-TERM"), ("[3/18]", "-INT"), ("[9/18]", "-HUP")]
    {
        let temporary = folder();
        assert_eq!(interrupted(temporary.path(), None, words, signal), 130, "{words}");
        assert_eq!(entries(temporary.path()), Vec::<String>::new(), "{words}");
    }
}

#[test]
fn interrupted_it_leaves_no_half_written_data_folder() {
    for words in ["[1/18]", "[6/18]"] {
        let folder = folder();
        let data = folder.path().join("data");
        assert_eq!(interrupted(folder.path(), Some(&data), words, "-INT"), 130, "{words}");
        assert_eq!(entries(folder.path()), Vec::<String>::new(), "{words}");
    }
}

#[test]
fn a_data_folder_that_a_killed_sandbox_left_is_begun_anew() {
    let folder = folder();
    let data = folder.path().join("data");
    let mut child =
        sandbox(folder.path()).arg("--data-dir").arg(&data).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("[3/18]")));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(data.join("sandbox.json").exists());
    // It tells the story from its beginning; interrupted, it leaves the empty folder that it found, as it takes it.
    assert_eq!(interrupted(folder.path(), Some(&data), "[2/18]", "-INT"), 130);
    assert_eq!(entries(&data), Vec::<String>::new());
}
