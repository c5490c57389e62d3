//! `tagseal serve` ends as it is asked to, by the program itself.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

/// A `tagseal serve` of the policies in `home`, which can serve as soon as they are read.
struct Serving {
    child: Child,
    log: std::io::Lines<BufReader<ChildStderr>>,
}

impl Serving {
    fn start(home: &Path) -> Self {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(home.join("tls.crt"), certified.cert.pem()).unwrap();
        std::fs::write(home.join("tls.key"), certified.signing_key.serialize_pem()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagseal"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--policies"]).arg(home);
        command.arg("--cert-dir").arg(home).args(["--metrics-listen", "none"]);
        command.arg("--cache-dir").arg(home.join("cache")).arg("--state-dir").arg(home.join("state"));
        let mut child = command.stderr(Stdio::piped()).env_remove("RUST_LOG").spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, log }
    }

    fn is_asked_to_end(&self) {
        let kill = format!("kill -s TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    fn says(&mut self, what: &str) {
        let mut said = Vec::new();
        for line in self.log.by_ref().map_while(Result::ok) {
            if line.contains(what) {
                return;
            }
            said.push(line);
        }
        panic!("it never said {what:?}: {said:#?}");
    }

    fn status(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

#[test]
fn a_second_request_to_end_is_obeyed_at_once() {
    let home = tempfile::tempdir().unwrap();
    let mut serving = Serving::start(home.path());
    serving.says("serving");
    serving.is_asked_to_end();
    serving.says("shutting down");
    serving.is_asked_to_end();
    serving.says("asked twice to end");
    assert_eq!(serving.status(), Some(1));
}

#[test]
fn a_request_to_end_is_obeyed_before_it_serves() {
    let home = tempfile::tempdir().unwrap();
    let held = home.path().join("held.yaml");
    assert!(Command::new("mkfifo").arg(&held).status().unwrap().success());
    let mut serving = Serving::start(home.path());
    // Opens when the other end does: it is reading its policies, and will be for as long as this lives.
    let _held = File::options().write(true).open(&held).unwrap();
    serving.is_asked_to_end();
    serving.says("stopped before it served");
    assert_eq!(serving.status(), Some(0));
}
