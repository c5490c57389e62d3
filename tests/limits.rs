//! What it may cost (design §10): requests, round trips and connections, counted at a trust server on loopback.

mod admissions;
mod bodies;
mod cold;
mod server;
mod warm;

use std::sync::Arc;

use jiff::Timestamp;
use tagseal::clock::ManualClock;
use tagseal::notary::{Limits, NotaryClient, Proxies};
use tagseal::trust::{MetadataSource, Resolver, ResolverConfig};

use crate::support::{FakeCredentials, FakeSource, FakeState, TestKey, TestRepository, image_digest, t};

/// The repository that everybody asks for.
const WEB: &str = "registry.example.com/shop/web";

fn now() -> Timestamp {
    t("2026-11-21T12:00:00Z")
}

/// `gun`, whose tag 1.4 is signed by `releases` and `qa`. A third role, `docs`, matters to nobody.
fn repository(gun: &str) -> TestRepository {
    let mut repository = TestRepository::new(gun, now());
    for role in ["targets/releases", "targets/qa", "targets/docs"] {
        repository.delegate(role, &[&TestKey::ecdsa()]);
        repository.sign_target(role, "1.4", image_digest(gun));
    }
    repository.publish(now());
    repository
}

/// The production resolver with the production client, and its clock.
fn resolver() -> (Arc<Resolver>, ManualClock) {
    let clock = ManualClock::at(now());
    let proxies = Proxies::default();
    let client = NotaryClient::with(Arc::new(clock.clone()), Limits::default(), proxies);
    (resolver_with(Arc::new(client), &clock), clock)
}

/// The production resolver with trust servers in memory.
fn resolver_of(source: &FakeSource) -> Arc<Resolver> {
    resolver_with(Arc::new(source.clone()), &ManualClock::at(now()))
}

fn resolver_with(source: Arc<dyn MetadataSource>, clock: &ManualClock) -> Arc<Resolver> {
    Arc::new(Resolver::new(
        ResolverConfig::default(),
        source,
        Arc::new(FakeCredentials::new()),
        Arc::new(FakeState::new()),
        Arc::new(clock.clone()),
    ))
}
