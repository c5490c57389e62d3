//! [`Program`]: a signing program, and running it with a bound on what it may take and say.

use std::io::{ErrorKind, IsTerminal as _, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{ExternalError, ExternalFault};
use crate::foreign::{cut, plain};
use crate::limits::{EXTERNAL_ANSWER, EXTERNAL_WORDS};

/// A program with its first arguments, and how long it may take for one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    words: Vec<String>,
    patience: Duration,
}

/// How a run ended.
enum End {
    TooLarge,
    Exited { status: ExitStatus, out: Vec<u8>, said: Vec<u8> },
    Lost(String),
}

impl Program {
    /// The program that is the first of these words, with the others as arguments; no shell reads them. `None` without a word.
    pub fn new(words: Vec<String>, patience: Duration) -> Option<Self> {
        (!words.is_empty()).then_some(Self { words, patience })
    }

    /// The program and its arguments.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// How long it may take for one answer.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// The words on one line.
    pub fn shown(&self) -> String {
        self.words.join(" ")
    }

    /// Has the program make a key of this ID, if it is one of tagseal's own.
    ///
    /// # Errors
    /// [`ExternalError`] when the program fails.
    pub fn generate(&self, key_id: &str) -> Result<(), ExternalError> {
        super::protocol::generate(self, key_id)
    }

    pub(super) fn fails(&self, fault: ExternalFault) -> ExternalError {
        ExternalError { program: self.shown(), fault }
    }

    /// Runs the program with `command` as its last argument and `request` on its standard input; gives its standard output.
    pub(super) fn ask(&self, command: &'static str, request: Vec<u8>) -> Result<Vec<u8>, ExternalError> {
        // On a terminal the program may ask for a PIN, which only the foreground's group may.
        let is_apart = !std::io::stdin().is_terminal() && !std::io::stderr().is_terminal();
        let child =
            self.start(command, is_apart).map_err(|why| self.fails(ExternalFault::NotStarted(why)))?;
        let id = child.id();
        let (sender, receiver) = sync_channel(1);
        // These threads end with the program; one that a grandchild of it holds up is left behind.
        thread::spawn(move || sender.send(attend(child, request)));
        let end = receiver.recv_timeout(self.patience);
        if !matches!(end, Ok(End::Exited { .. })) {
            end_it(id, is_apart);
        }
        let fault = match end {
            Ok(End::Exited { status, out, .. }) if status.success() => return Ok(out),
            Ok(End::Exited { status, said, .. }) => failed(command, status, &said),
            Ok(End::TooLarge) => ExternalFault::TooLarge { command, limit: EXTERNAL_ANSWER },
            Ok(End::Lost(why)) => ExternalFault::Malformed { command, why },
            Err(RecvTimeoutError::Timeout) => {
                ExternalFault::TooSlow { command, seconds: self.patience.as_secs() }
            }
            Err(RecvTimeoutError::Disconnected) => {
                ExternalFault::Malformed { command, why: "its answer was lost".to_owned() }
            }
        };
        Err(self.fails(fault))
    }

    fn start(&self, command: &str, is_apart: bool) -> Result<Child, String> {
        let (program, arguments) = self.words.split_first().ok_or("no program is named")?;
        let mut started = Command::new(program);
        started.args(arguments).arg(command);
        started.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if is_apart {
            started.process_group(0);
        }
        started.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => "there is no such program".to_owned(),
            ErrorKind::PermissionDenied => "it may not be run (permission denied)".to_owned(),
            _ => error.to_string(),
        })
    }
}

/// Gives the request, and waits for the end.
fn attend(mut child: Child, request: Vec<u8>) -> End {
    if let Some(mut stdin) = child.stdin.take() {
        // A program that answers without reading is in its right.
        thread::spawn(move || stdin.write_all(&request));
    }
    let said = child.stderr.take().map(|stderr| {
        thread::spawn(move || {
            let mut stderr = stderr;
            let mut said = Vec::new();
            let _ = stderr.by_ref().take(EXTERNAL_WORDS as u64).read_to_end(&mut said);
            // What is beyond is read all the same, so that the program goes on.
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
            said
        })
    });
    let mut out = Vec::new();
    if let Some(stdout) = child.stdout.take()
        && let Err(error) = stdout.take(EXTERNAL_ANSWER as u64 + 1).read_to_end(&mut out)
    {
        return End::Lost(error.to_string());
    }
    if out.len() > EXTERNAL_ANSWER {
        let _ = child.kill();
        let _ = child.wait();
        return End::TooLarge;
    }
    match child.wait() {
        Ok(status) => {
            let said = said.and_then(|said| said.join().ok()).unwrap_or_default();
            End::Exited { status, out, said }
        }
        Err(error) => End::Lost(error.to_string()),
    }
}

/// Ends the program, and what it started where that is a group of its own.
fn end_it(id: u32, is_group: bool) {
    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return };
    // One that has ended meanwhile needs no end.
    let _ = match is_group {
        true => kill_process_group(pid, Signal::KILL),
        false => kill_process(pid, Signal::KILL),
    };
}

fn failed(command: &'static str, status: ExitStatus, said: &[u8]) -> ExternalFault {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Error {
        error_code: String,
        error_message: Option<String>,
        #[serde(default)]
        error_metadata: std::collections::BTreeMap<String, String>,
    }
    /// Characters of it that are shown.
    const SHOWN: usize = 500;
    let status = status.to_string();
    match serde_json::from_slice::<Error>(said) {
        Ok(mut error) => {
            let message = error.error_message.unwrap_or_default();
            let said = format!(": {} {}", plain(&error.error_code, 64), plain(message.trim(), SHOWN));
            let reason = error.error_metadata.remove("reason").map(|reason| cut(&reason, 64).into_owned());
            ExternalFault::Failed { command, status, said, reason }
        }
        Err(_) => {
            let text = String::from_utf8_lossy(said);
            let said = match text.trim() {
                "" => String::new(),
                text => format!(", and said: {}", plain(text, SHOWN)),
            };
            ExternalFault::Failed { command, status, said, reason: None }
        }
    }
}
