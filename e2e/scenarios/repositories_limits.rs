//! What ten thousand repositories cost a replica and the API server at rest. A measurement, called by name:
//!
//! `cargo test --test e2e -- --ignored --nocapture ten_thousand`

use std::fs;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use jiff::SignedDuration;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tagseal::clock::{Clock as _, SystemClock};
use tagseal::controller::ClusterState;
use tagseal::digest::Digest;
use tagseal::telemetry::Metrics;
use tagseal::trust::{RepositoryKey, RoleVersion, TrustRecord, TrustState as _};
use tagseal::tuf::{Floor, Gun, KeyIdentity, RoleName};

use crate::harness::*;

const REPOSITORIES: usize = 10_000;
/// Versions of each role that were current once.
const VERSIONS: u64 = 10;
const ROLES: [&str; 6] = ["root", "timestamp", "snapshot", "targets", "targets/releases", "targets/qa"];
/// How long it is watched at rest.
const REST: Duration = Duration::from_secs(180);

#[test]
#[expect(clippy::disallowed_methods, reason = "what is at rest is watched for a while")]
#[ignore = "a measurement: ten thousand objects take minutes to make"]
fn ten_thousand_repositories_at_rest() {
    let mut fleet = Fleet::empty("repositories-limits", Route::Together, &[]);
    let starts = |fleet: &mut Fleet| {
        let started = now();
        fleet.adds(&[]);
        fleet.awaits_all();
        let ready = started.elapsed();
        std::thread::sleep(Duration::from_secs(5));
        (ready, resident(fleet.replicas[0].port()))
    };
    let (ready, empty) = starts(&mut fleet);
    println!("without repositories: ready after {ready:?}, {empty} KiB of memory");
    fleet.replicas.remove(0).ends();

    let began = now();
    RUNTIME.block_on(makes(fleet.cluster().kubeconfig()));
    println!("{REPOSITORIES} objects, {VERSIONS} versions of each of 3 roles, made in {:?}", began.elapsed());
    let (ready, full) = starts(&mut fleet);
    println!(
        "with them: ready after {ready:?}, {full} KiB of memory, {} KiB more",
        full.saturating_sub(empty)
    );

    let folder = fleet.control_plane.folder().to_owned();
    let asked = || {
        // A log that is full is renamed.
        let files = fs::read_dir(&folder).expect("the folder").filter_map(|entry| Some(entry.ok()?.path()));
        let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        let text: String = logs.filter_map(|path| fs::read_to_string(path).ok()).collect();
        let ended = text.lines().filter(|line| line.contains(r#""stage":"ResponseComplete""#));
        let mine = ended.filter(|line| line.contains("system:serviceaccount:tagseal-system:tagseal"));
        let about = |line: &&str| line.contains(r#""resource":"trustedrepositories""#);
        (mine.clone().count(), mine.filter(about).count())
    };
    let before = asked();
    std::thread::sleep(REST);
    let after = asked();
    let minutes = REST.as_secs_f64() / 60.0;
    let each = |before: usize, after: usize| (after - before) as f64 / minutes;
    println!(
        "at rest: {:.1} requests a minute, {:.1} of them about trusted repositories; {} KiB of memory",
        each(before.0, after.0),
        each(before.1, after.1),
        resident(fleet.replicas[0].port())
    );
    assert!(each(before.1, after.1) <= 3.0, "watches are renewed once a minute");
    assert!(full.saturating_sub(empty) <= 64 * 1024, "{full} KiB");
}

/// Resident memory of the tagseal that listens on `port` that is no file's, in KiB.
fn resident(port: u16) -> u64 {
    let listens = format!("127.0.0.1:{port}");
    let processes = fs::read_dir("/proc").expect("Linux").filter_map(|entry| Some(entry.ok()?.path()));
    let read = |path: std::path::PathBuf| fs::read_to_string(path).unwrap_or_default();
    let mut found = processes.filter(|process| {
        read(process.join("comm")).trim() == "tagseal"
            && read(process.join("cmdline")).split('\0').any(|argument| argument == listens)
    });
    let status = read(found.next().expect("a tagseal").join("status"));
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[expect(clippy::disallowed_methods, reason = "how long something takes")]
fn now() -> Instant {
    Instant::now()
}

async fn makes(kubeconfig: &std::path::Path) {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let client = kube::Client::try_from(config.expect("a configuration")).expect("a client");
    let state = ClusterState::new(client, Metrics::default(), std::sync::Arc::new(SystemClock));
    let made = stream::iter(0..REPOSITORIES).map(|number| {
        let state = state.clone();
        async move {
            let key = RepositoryKey {
                server: "https://notary.example.com/".to_owned(),
                gun: Gun::new(&format!("registry.example.com/team-{}/app-{number}", number % 100)).unwrap(),
                anchors: Digest::of(b"anchors"),
            };
            // In the beginning it is not known what is there: each is created, and none was.
            state.store(&key, None, &record(number)).await.expect("an object");
        }
    });
    made.buffer_unordered(32).collect::<Vec<()>>().await;
}

fn record(number: usize) -> TrustRecord {
    let role = |name: &&str| RoleName::parse(name).unwrap();
    let signer = KeyIdentity::from_digest(Digest::of(&number.to_be_bytes()));
    let floor = || Floor { version: VERSIONS, signers: [signer].into_iter().collect() };
    let now = SystemClock.now();
    let version = |name: &&str, version: u64| {
        let at = |version: u64| now - SignedDuration::from_hours((VERSIONS - version) as i64);
        RoleVersion {
            role: role(name),
            version,
            sha256: Digest::of(format!("{number} {name} {version}").as_bytes()),
            first_seen: at(version),
            superseded: (version < VERSIONS).then(|| at(version + 1)),
        }
    };
    let recent = ROLES[3..].iter().flat_map(|name| (1..=VERSIONS).map(move |number| version(name, number)));
    TrustRecord {
        pin: None,
        floors: ROLES.iter().map(|name| (role(name), floor())).collect(),
        recent: recent.collect(),
    }
}
