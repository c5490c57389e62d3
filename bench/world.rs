//! A webhook without HTTP: signed repositories in memory, policies for them, an admission to ask.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tagseal::admission::{Admission, DecisionCounts, Hook};
use tagseal::clock::{Clock as _, SystemClock};
use tagseal::policy::{
    CompileContext, CompiledPolicy, Labels, LabelsFuture, NamespaceLabels, NoObjects, PolicyKind, PolicySet,
    PolicySnapshot, SetOptions, UnknownFields, UnmatchedImages, compile,
};
use tagseal::telemetry::Metrics;
use tagseal::trust::{MemoryState, Resolver, ResolverConfig};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::support::{
    CertificateSpec, FakeCredentials, FakeSource, SERVER, TestKey, TestRepository, image_digest,
};

/// Both are required.
pub const ROLES: [&str; 2] = ["targets/releases", "targets/qa"];

/// A webhook in memory, and the runtime in which it answers.
pub struct World {
    runtime: Runtime,
    source: FakeSource,
    publisher: Publisher,
    admission: Admission,
    _policies: watch::Sender<PolicySnapshot>,
}

impl World {
    /// A world with so many policies, whose shares of `repositories` are equal. Nothing is published or cached yet.
    pub fn new(repositories: usize, policies: usize, credentials: bool) -> Self {
        let publisher = Publisher::new();
        let share = repositories / policies;
        let include = |n: usize| match policies {
            1 => vec!["registry.example.com/shop/**".to_owned()],
            _ => (n * share..(n + 1) * share).map(name).collect(),
        };
        let compiled = (0..policies).map(|n| publisher.policy(n, &include(n), credentials));
        let options = SetOptions { unmatched: UnmatchedImages::Deny, ..SetOptions::default() };
        let set = Arc::new(PolicySet::new(compiled, options));
        let (sender, watched) = watch::channel(PolicySnapshot::Synced(set));
        let source = FakeSource::new();
        let resolver = Resolver::new(
            ResolverConfig::default(),
            Arc::new(source.clone()),
            Arc::new(FakeCredentials::new()),
            Arc::new(MemoryState::default()),
            Arc::new(SystemClock),
        );
        // As `serve` wires it: what is counted costs, too.
        let metrics = Metrics::default();
        let resolver = Arc::new(resolver.with_metrics(metrics.clone()));
        let admission = Admission::new(resolver, watched, Some(Arc::new(Production::new())));
        let admission = admission.observed_by(Arc::new(DecisionCounts::new(metrics)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, source, publisher, admission, _policies: sender }
    }

    /// Publishes a repository of so many tags a role, has it cached by a first admission and takes its files away.
    pub fn cache(&self, repository: usize, tags: usize) {
        let signed = self.publisher.sign(&name(repository), tags);
        self.source.serve(SERVER, signed.gun(), signed.files());
        let review = super::review::pod_creation("shop", &[&image(repository, 0)]);
        assert_sealed(&self.answer(Hook::Mutate, &review), 1);
        self.source.withdraw(SERVER, signed.gun());
        self.source.forget();
    }

    /// Bytes in to bytes out.
    pub fn answer(&self, hook: Hook, body: &[u8]) -> Vec<u8> {
        self.block_on(async {
            let deadline = Instant::now() + Duration::from_secs(9);
            self.admission
                .answer(hook, &bytes::Bytes::copy_from_slice(body), deadline)
                .await
                .expect("an answer")
                .bytes
        })
    }

    /// As admissions are run.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

/// The repository with this number.
fn name(repository: usize) -> String {
    format!("registry.example.com/shop/app-{repository}/web")
}

/// One of its tags.
pub fn image(repository: usize, tag: usize) -> String {
    format!("{}:1.{tag}", name(repository))
}

/// Whether an answer lets pass, and writes so many digests.
pub fn assert_sealed(answer: &[u8], digests: usize) {
    let answer: serde_json::Value = serde_json::from_slice(answer).expect("JSON");
    let response = &answer["response"];
    assert_eq!(response["allowed"], true, "{response}");
    let patch = response["patch"].as_str().map(|patch| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(patch).expect("base64")
    });
    let patch: Vec<serde_json::Value> =
        patch.map_or_else(Vec::new, |patch| serde_json::from_slice(&patch).expect("JSON"));
    assert_eq!(patch.iter().filter(|operation| operation["op"] == "replace").count(), digests, "{response}");
}

/// Signs all repositories with one root key, as docker's users do; every other key of a repository is its own.
struct Publisher {
    now: Timestamp,
    root: TestKey,
}

impl Publisher {
    fn new() -> Self {
        Self { now: SystemClock.now(), root: TestKey::ecdsa() }
    }

    fn sign(&self, gun: &str, tags: usize) -> TestRepository {
        let mut repository = TestRepository::new(gun, self.now);
        repository.rotate("root", &[&self.root.certified(&CertificateSpec::new(gun, self.now))]);
        for role in ROLES {
            repository.delegate(role, &[&TestKey::ecdsa()]);
            for tag in (0..tags).map(|tag| format!("1.{tag}")) {
                let digest = image_digest(&format!("{gun}:{tag}"));
                repository.sign_target(role, &tag, digest);
            }
        }
        repository.publish(self.now);
        repository
    }

    /// A policy that revalidates so rarely that nothing but admissions is measured.
    fn policy(&self, n: usize, include: &[String], credentials: bool) -> Arc<CompiledPolicy> {
        let object = json!({
            "apiVersion": "tagseal.dev/v1alpha1",
            "kind": "ClusterTrustPolicy",
            "metadata": {"name": format!("policy-{n}")},
            "spec": {
                "namespaceSelector": {"matchLabels": {"env": "production"}},
                "images": {"include": include},
                "notary": {"server": SERVER, "credentials": {"imagePullSecrets": credentials}},
                "roots": [{"keyID": self.root.canonical_id()}],
                "requiredDelegations": ROLES.map(|role| json!({"role": role})),
                "freshness": {"revalidateAfter": "3h", "maxStaleness": "24h"},
            },
        });
        let context = CompileContext {
            system_namespace: "tagseal-system",
            objects: &NoObjects,
            unknown_fields: UnknownFields::Refuse,
        };
        let policy = compile(PolicyKind::Cluster, &object, &context);
        assert_eq!(policy.errors(), []);
        Arc::new(policy)
    }
}

/// Every namespace has the label `env: production`.
#[derive(Debug)]
struct Production(Arc<Labels>);

impl Production {
    fn new() -> Self {
        Self(Arc::new([("env".to_owned(), "production".to_owned())].into()))
    }
}

impl NamespaceLabels for Production {
    fn cached(&self, _: &str) -> Option<Arc<Labels>> {
        Some(Arc::clone(&self.0))
    }

    fn read<'a>(&'a self, _: &'a str) -> LabelsFuture<'a> {
        Box::pin(std::future::pending())
    }
}
