//! Child processes that cannot outlive the suite.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

/// Runs its arguments and watches its standard input, which only the suite holds: a line names a signal to pass on, and
/// the end of the input, which comes however the suite ends (SIGKILL included), kills the program.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
( while read -r signal <&3; do kill -s "$signal" "$program"; done; kill -s KILL "$program" ) 2>/dev/null &
watchdog=$!
exec 3<&-
wait "$program"
status=$?
kill -s KILL "$watchdog"
exit "$status"
"#;

/// What a child inherits must not send its loopback requests through a proxy.
const PROXY_VARIABLES: &[&str] =
    &["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

/// A command without the machine's proxy settings.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in PROXY_VARIABLES {
        command.env_remove(name);
    }
    command
}

/// A running program. Dropped, it is killed.
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    signals: Option<ChildStdin>,
}

impl Process {
    /// Starts `program`; both its outputs go to `NAME.log` in `dir`.
    pub fn start<'a>(
        name: &str,
        program: &Path,
        args: impl IntoIterator<Item = &'a str>,
        dir: &Path,
    ) -> Self {
        let log = dir.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).expect("the log");
        let mut child = command("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(program)
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("the log"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let signals = child.stdin.take();
        Self { name: name.to_owned(), log, child, signals }
    }

    /// Sends a signal: `TERM`, `STOP`, `CONT`, …
    pub fn signal(&mut self, signal: &str) {
        let signals = self.signals.as_mut().expect("the program runs");
        writeln!(signals, "{signal}").expect("the watchdog reads");
    }

    /// Fails the test with the end of its output when it has exited.
    #[track_caller]
    pub fn runs(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a child") {
            panic!("{} exited: {status}\n{}", self.name, self.tail());
        }
    }

    fn tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.signals.take());
        let _ = self.child.wait();
    }
}

/// Runs a command that ends by itself.
pub fn output_of(command: &mut Command, input: &[u8]) -> Output {
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // A program that does not read its input is no failure; what it says counts.
    let _ = child.stdin.take().expect("its input").write_all(input);
    child.wait_with_output().expect("its output")
}
