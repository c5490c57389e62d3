//! Child processes that cannot outlive the suite.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::Duration;

/// Runs its arguments and waits for the end of its standard input, which only the suite holds: it comes however the
/// suite ends, SIGKILL included, and kills the program.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
( read -r _ <&3; kill -s KILL "$program" ) 2>/dev/null &
watchdog=$!
exec 3<&-
trap 'kill -s TERM "$program"' TERM
# A signal ends a wait, and not the program.
while kill -0 "$program" 2>/dev/null; do wait "$program"; status=$?; done
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
    /// Closed, it ends the program.
    lifeline: Option<ChildStdin>,
}

impl Process {
    /// Starts `program`; both its outputs go to `NAME.log` in `dir`.
    pub fn start<'a>(
        name: &str,
        program: &Path,
        args: impl IntoIterator<Item = &'a str>,
        dir: &Path,
    ) -> Self {
        Self::start_with(name, program, args, dir, &[])
    }

    /// The same with these environment variables.
    pub fn start_with<'a>(
        name: &str,
        program: &Path,
        args: impl IntoIterator<Item = &'a str>,
        dir: &Path,
        variables: &[(String, String)],
    ) -> Self {
        let log = dir.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).expect("the log");
        let mut child = command("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(program)
            .args(args)
            .current_dir(dir)
            // What it leaves behind when it is killed goes with the run's folder.
            .env("TMPDIR", dir)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("the log"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let lifeline = child.stdin.take();
        Self { name: name.to_owned(), log, child, lifeline }
    }

    /// Fails the test with the end of its output when it has exited.
    #[track_caller]
    pub fn runs(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a child") {
            panic!("{} exited: {status}\n{}", self.name, self.tail());
        }
    }

    /// What it printed so far.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Asks it to end (SIGTERM), and waits until it has; its exit status.
    pub fn ends(mut self) -> Option<i32> {
        let kill = format!("kill -s TERM {}", self.child.id());
        let asked = command("sh").args(["-c", &kill]).status().expect("a shell");
        assert!(asked.success(), "{} has ended before\n{}", self.name, self.tail());
        self.child.wait().expect("a child").code()
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
        drop(self.lifeline.take());
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

/// Starts a command and kills it (SIGKILL) after `moment`; whether it was still at work then.
#[expect(clippy::disallowed_methods, reason = "death comes at any moment, whatever the program does then")]
pub fn is_killed_after(command: &mut Command, moment: Duration) -> bool {
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    std::thread::sleep(moment);
    let is_at_work = child.try_wait().expect("a child").is_none();
    child.kill().expect("SIGKILL");
    child.wait().expect("a child");
    is_at_work
}
