//! Signed repositories, and the real resolver over a trust server in memory.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tagseal::admission::judge::Resolve;
use tagseal::clock::{Clock as _, ManualClock};
use tagseal::digest::Digest;
use tagseal::trust::{
    BoxFuture, Question, Refusal, RepositoryKey, Resolved, Resolver, ResolverConfig, TrustRecord,
};

use super::certificate::now;
use crate::support::{
    FakeCredentials, FakeSource, FakeState, SERVER, TestKey, TestRepository, image_digest, minutes, seconds,
};

/// `web:1.4` is signed by releases and qa, `web:1.5` by releases alone, `web:1.6` by both with different digests.
pub const WEB: &str = "registry.example.com/shop/web";
/// `api:2` is signed by releases.
pub const API: &str = "registry.example.com/shop/api";

/// A resolver that remembers what it was asked.
pub struct Trust {
    resolver: Resolver,
    clock: ManualClock,
    state: FakeState,
    source: FakeSource,
    web: Mutex<TestRepository>,
    roots: Vec<String>,
    asked: Mutex<Vec<(String, bool)>>,
}

impl Trust {
    pub fn new() -> Arc<Self> {
        Self::of(web(), &[api()])
    }

    /// Of these repositories, the first of which can be published anew.
    pub fn of(web: TestRepository, others: &[TestRepository]) -> Arc<Self> {
        let source = FakeSource::new();
        let repositories = || others.iter().chain([&web]);
        for repository in repositories() {
            source.serve(SERVER, repository.gun(), repository.files());
        }
        let (clock, state) = (ManualClock::at(now()), FakeState::new());
        let resolver = Resolver::new(
            ResolverConfig::default(),
            Arc::new(source.clone()),
            Arc::new(FakeCredentials::new()),
            Arc::new(state.clone()),
            Arc::new(clock.clone()),
        );
        let roots = repositories().map(|repository| repository.root_key().canonical_id()).collect();
        let web = Mutex::new(web);
        Arc::new(Self { resolver, clock, state, source, web, roots, asked: Mutex::default() })
    }

    /// The first repository's publisher changes something, and a while later everybody has seen it.
    pub fn publishes(&self, change: impl FnOnce(&mut TestRepository)) {
        let mut web = self.web.lock().unwrap();
        change(&mut web);
        web.publish(self.clock.now());
        self.source.serve(SERVER, web.gun(), web.files());
        self.clock.advance(minutes(2));
    }

    /// The images that were resolved since the last call, sorted, each with whether it was a dry run.
    pub fn asked(&self) -> Vec<(String, bool)> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort();
        asked
    }

    /// The records of trust state.
    pub fn records(&self) -> Vec<(RepositoryKey, TrustRecord)> {
        self.state.records()
    }

    /// The admin deletes all records: what first use pinned is forgotten.
    pub fn forget_records(&self) {
        self.state.records().iter().for_each(|(key, _)| self.state.delete(key));
    }

    /// A policy for the shop's images that requires `roles`, with `more` on top.
    pub fn spec(&self, roles: &[&str], more: Value) -> Value {
        let roots: Vec<_> = self.roots.iter().map(|id| json!({ "keyID": id })).collect();
        let roles: Vec<_> = roles.iter().map(|role| json!({ "role": role })).collect();
        let mut spec = json!({
            "images": {"include": ["registry.example.com/shop/**"]},
            "notary": {"server": SERVER},
            "roots": roots,
            "requiredDelegations": roles
        });
        for (field, value) in more.as_object().unwrap() {
            spec[field] = value.clone();
        }
        spec
    }
}

impl Resolve for Trust {
    fn resolve<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Resolved, Refusal>> {
        // A denial asks the trust server anew, at most once a second: this is the next second.
        self.clock.advance(seconds(2));
        self.asked.lock().unwrap().push((question.image.original().to_owned(), question.dry_run));
        Resolve::resolve(&self.resolver, question)
    }
}

/// The digest that is signed for an image.
pub fn digest(image: &str) -> Digest {
    image_digest(image)
}

/// The image with its digest.
pub fn sealed(image: &str) -> String {
    format!("{image}@{}", digest(image))
}

fn web() -> TestRepository {
    let (releases, qa) = (TestKey::ecdsa(), TestKey::ecdsa());
    let mut repository = TestRepository::new(WEB, now());
    repository.delegate("targets/releases", &[&releases]).delegate("targets/qa", &[&qa]);
    for role in ["targets/releases", "targets/qa"] {
        repository.sign_target(role, "1.4", digest(&format!("{WEB}:1.4")));
        repository.sign_target(role, "1.6", digest(role));
    }
    repository.sign_target("targets/releases", "1.5", digest(&format!("{WEB}:1.5")));
    repository.publish(now());
    repository
}

fn api() -> TestRepository {
    let releases = TestKey::ecdsa();
    let mut repository = TestRepository::new(API, now());
    repository.delegate("targets/releases", &[&releases]);
    repository.sign_target("targets/releases", "2", digest(&format!("{API}:2")));
    repository.publish(now());
    repository
}
