//! One run of the suite: its folder, its free ports, its runtime, and where its tools are.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::runtime::Runtime;

/// What a run was started with, one argument a line.
const ARGUMENTS: &str = "arguments";

/// This run.
pub static RUN: LazyLock<Run> = LazyLock::new(Run::start);

/// Runs the suite's own servers and clients.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    // The second call of a process errs, and then a provider is there, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

/// The folder of this run: state and output of every process. It is kept until the next run.
pub struct Run {
    dir: PathBuf,
    next_port: AtomicU16,
    /// Held for as long as the process lives; a folder whose lock is free belongs to a run that ended.
    _lock: File,
}

impl Run {
    fn start() -> Self {
        let runs = folder_of_runs();
        fs::create_dir_all(&runs).expect("the folder of runs");
        remove_ended(&runs);
        let dir = runs.join(std::process::id().to_string());
        fs::create_dir_all(&dir).expect("the folder of this run");
        let lock = File::create(dir.join("lock")).expect("the lock of this run");
        lock.lock().expect("the lock of this run");
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        fs::write(dir.join(ARGUMENTS), arguments.join("\n")).expect("the arguments of this run");
        let told = dir.clone();
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            default(panic);
            eprintln!("state and output of every process: {}", told.display());
        }));
        // Below the ports that the kernel gives to clients, so that nobody takes one between choice and use.
        let first = 20_000 + u16::try_from(std::process::id() % 9_000).expect("below 9000");
        Self { dir, next_port: AtomicU16::new(first), _lock: lock }
    }

    /// A new folder `name` of this run.
    pub fn folder(&self, name: &str) -> PathBuf {
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        dir
    }

    /// A loopback port that nobody listens on, given out once.
    pub fn free_port(&self) -> u16 {
        for _ in 0..1_000 {
            let port = self.next_port.fetch_add(1, Ordering::Relaxed);
            if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
        }
        panic!("no free port on loopback")
    }
}

/// What an earlier run left.
pub struct EndedRun {
    /// Its folder.
    pub dir: PathBuf,
    /// What it was started with: empty when it was of the whole suite.
    pub arguments: Vec<String>,
}

/// The run before this process, which must not have started one of its own.
pub fn last_ended() -> EndedRun {
    let runs = fs::read_dir(folder_of_runs()).map(|runs| runs.flatten().collect::<Vec<_>>());
    let runs = runs.unwrap_or_default().into_iter().map(|run| run.path());
    let started = |run: &PathBuf| fs::metadata(run.join(ARGUMENTS)).and_then(|file| file.modified()).ok();
    let dir = runs.filter(|run| started(run).is_some()).max_by_key(started);
    let dir = dir.expect("there is a run to look at: run the suite first");
    let lock = File::open(dir.join("lock")).expect("the lock of the run");
    assert!(lock.try_lock().is_ok(), "the run in {} has not ended", dir.display());
    let arguments = fs::read_to_string(dir.join(ARGUMENTS)).expect("the arguments of the run");
    EndedRun { dir, arguments: arguments.lines().map(str::to_owned).collect() }
}

fn folder_of_runs() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e")
}

fn remove_ended(runs: &Path) {
    for run in fs::read_dir(runs).expect("the folder of runs").flatten() {
        let lock = File::open(run.path().join("lock"));
        // A folder without a lock file was left by a run that is about to make one, or by none at all.
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(run.path());
        }
    }
}

/// The component `name`: from `KUBEBUILDER_ASSETS` (envtest's convention) or from what `make tools` built.
pub fn tool(name: &str) -> PathBuf {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let candidates: Vec<_> = assets.into_iter().chain([built]).map(|dir| dir.join(name)).collect();
    match candidates.iter().find(|path| path.is_file()) {
        Some(path) => path.clone(),
        None => panic!("{name} is missing (looked for {candidates:?}): `make tools` builds it"),
    }
}

/// A file of the source tree.
pub fn source_path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The release binary: `TAGSEAL_BIN`, or where cargo puts it.
pub fn tagseal_binary() -> PathBuf {
    let path =
        std::env::var_os("TAGSEAL_BIN").map_or_else(|| source_path("target/release/tagseal"), PathBuf::from);
    assert!(
        path.is_file(),
        "{} is missing: `make release` builds it, TAGSEAL_BIN names another",
        path.display()
    );
    path
}
