//! The corpus of the real client's verdicts, through the production resolver: `local_cache` as a tree that notary left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Value;
use tagseal::clock::ManualClock;
use tagseal::policy::Reason;
use tagseal::trust::{
    BoxFuture, MemoryState, MetadataSource, PodIdentity, Refusal, Report, ReportQuestion, Resolver,
    ResolverConfig, SourceError, SourceRequest,
};
use tagseal::tuf::Selector;
use tokio::time::Instant;

use crate::support::demand::DemandBuilder;
use crate::support::{FakeCredentials, t};

const NOW: &str = "2026-11-21T12:00:00Z";

#[derive(Deserialize)]
struct Manifest {
    gun: String,
    cases: Vec<Case>,
}

#[derive(Debug, Clone, Deserialize)]
struct Case {
    id: u32,
    group: String,
    corruption: String,
    role: String,
    local_cache: Option<BTreeMap<String, String>>,
    server: BTreeMap<String, String>,
    not_found_status: u16,
    expect: Expect,
    stricter_recommended: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Expect {
    ok: bool,
    targets: BTreeSet<(String, String)>,
}

fn data() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn corpus() -> Manifest {
    serde_json::from_slice(&std::fs::read(data().join("conformance/manifest.json")).unwrap()).unwrap()
}

fn blob(hash: &str) -> Bytes {
    std::fs::read(data().join("conformance/blobs").join(hash)).unwrap().into()
}

/// Serving ignores the hash in file names.
#[derive(Debug)]
struct CaseServer(Case);

impl MetadataSource for CaseServer {
    fn fetch<'a>(&'a self, request: SourceRequest<'a>) -> BoxFuture<'a, Result<Option<Bytes>, SourceError>> {
        let file = &request.fetch.file;
        let name = match file.selector {
            Selector::Version(version) => format!("{version}.{}", file.role),
            Selector::Current | Selector::Hash(_) => file.role.to_string(),
        };
        Box::pin(std::future::ready(match (self.0.server.get(&name), self.0.not_found_status) {
            (Some(hash), _) => Ok(Some(blob(hash))),
            (None, 404) => Ok(None),
            (None, status) => Err(SourceError::Unreachable { message: format!("{status}") }),
        }))
    }
}

/// Serves a dump of a real server.
#[derive(Debug)]
struct SampleServer(std::path::PathBuf);

impl MetadataSource for SampleServer {
    fn fetch<'a>(&'a self, request: SourceRequest<'a>) -> BoxFuture<'a, Result<Option<Bytes>, SourceError>> {
        let found = std::fs::read(self.0.join(request.fetch.file.to_string()));
        Box::pin(std::future::ready(Ok(found.ok().map(Bytes::from))))
    }
}

async fn report(
    gun: &str,
    source: Arc<dyn MetadataSource>,
    cache_dir: Option<&Path>,
) -> Result<Report, Refusal> {
    let config =
        ResolverConfig { seed: true, cache_dir: cache_dir.map(Path::to_owned), ..ResolverConfig::default() };
    let clock = Arc::new(ManualClock::at(t(NOW)));
    let credentials = Arc::new(FakeCredentials::new());
    let resolver = Resolver::new(config, source, credentials, Arc::new(MemoryState::new()), clock);
    let demand = DemandBuilder::new(gun).first_use().build();
    let deadline = Instant::now() + std::time::Duration::from_secs(60);
    let pod = PodIdentity::default();
    resolver
        .report(ReportQuestion { demand: &demand, registry: "registry.example.com", pod: &pod, deadline })
        .await
}

async fn run(gun: &str, case: &Case) -> Result<Report, Refusal> {
    let directory = tempfile::tempdir().unwrap();
    let metadata = directory.path().join("tuf").join(gun).join("metadata");
    for (role, hash) in case.local_cache.iter().flatten() {
        let path = metadata.join(format!("{role}.json"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, blob(hash)).unwrap();
    }
    report(gun, Arc::new(CaseServer(case.clone())), Some(directory.path())).await
}

fn targets(report: &Report) -> BTreeSet<(String, String)> {
    let roles = report.repository.roles(report.now, report.clock_skew);
    roles
        .into_iter()
        .flat_map(|role| {
            role.targets().map(|target| (target.name.to_owned(), role.name().to_string())).collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test]
async fn every_case_of_the_corpus_gets_the_real_clients_verdict_and_list() {
    let corpus = corpus();
    assert_eq!(corpus.cases.len(), 239);
    let mut wrong = Vec::new();
    for case in &corpus.cases {
        let reported = run(&corpus.gun, case).await;
        let found = reported.as_ref().map(targets).map_err(Refusal::reason);
        // Where the real client is too lenient, the stricter verdict is ours; anything else there is wrong too.
        let expected = match case.id {
            431 => Err(Reason::ThresholdNotMet),
            472 => Err(Reason::Rollback),
            _ if !case.expect.ok => {
                if found.is_ok() {
                    wrong.push(format!("{case:?}: {found:?}"));
                }
                continue;
            }
            _ => Ok(case.expect.targets.clone()),
        };
        assert_eq!(case.stricter_recommended.is_some(), matches!(case.id, 431 | 472), "{}", case.id);
        if found != expected {
            let (id, group, corruption, role) = (case.id, &case.group, &case.corruption, &case.role);
            wrong.push(format!(
                "{id} {group} / {corruption} / {role}: expected {expected:?}, got {reported:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_sample_of_a_real_server_verifies_with_all_that_the_real_client_lists() {
    for name in ["s2-delegations", "algs-rsa-p384-p521", "s4-root-rotated-twice", "edge-names"] {
        let directory = data().join("samples").join(name);
        let expected: Value =
            serde_json::from_slice(&std::fs::read(directory.join("expected.json")).unwrap()).unwrap();
        let gun = expected["gun"].as_str().unwrap();
        let source = SampleServer(directory.join("v2").join(gun).join("_trust/tuf"));
        let report = report(gun, Arc::new(source), None).await.unwrap();
        assert_eq!(report.unusable(), [], "{name}");
        assert_eq!(report.clock_skew, SignedDuration::from_secs(60));
        // The client's own table was split at line breaks, U+2028 included.
        let last_line = |name: &str| name.rsplit('\u{2028}').next().unwrap().to_owned();
        let listed: BTreeSet<_> =
            targets(&report).into_iter().map(|(name, role)| (last_line(&name), role)).collect();
        let rows: BTreeSet<_> = expected["list_default"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row[0].as_str().unwrap().to_owned(), row[3].as_str().unwrap().to_owned()))
            .collect();
        assert!(!rows.is_empty() && rows.is_subset(&listed), "{name}: {rows:?} is not in {listed:?}");
    }
}
