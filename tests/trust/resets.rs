//! Resets: what began under a record that was deleted is of no account, whenever it ends.

use std::path::Path;
use std::sync::Arc;

use tagseal::policy::{Demand, Reason};
use tagseal::trust::{
    BoxFuture, RepositoryKey, Resolver, ResolverConfig, Revision, StateError, TrustRecord, TrustState,
};
use tagseal::tuf::RoleName;

use super::world::{GUN, IMAGE, QA, RELEASES, World, both, reason, resolve, sealed, web};
use crate::support::{
    DemandBuilder, FakeState, Fault, Gate, SERVER, ServedFiles, hours, image_digest, minutes, seconds,
};

/// Trust state whose writes wait at a gate.
#[derive(Debug)]
struct GatedState(FakeState, Gate);

impl TrustState for GatedState {
    fn load<'a>(
        &'a self,
        key: &'a RepositoryKey,
    ) -> BoxFuture<'a, Result<Option<(TrustRecord, Revision)>, StateError>> {
        self.0.load(key)
    }

    fn store<'a>(
        &'a self,
        key: &'a RepositoryKey,
        expected: Option<&'a Revision>,
        record: &'a TrustRecord,
    ) -> BoxFuture<'a, Result<Revision, StateError>> {
        Box::pin(async move {
            self.1.pass().await;
            self.0.store(key, expected, record).await
        })
    }
}

/// A repository that was published twice: as it was at version 1, and as it is.
struct Published {
    world: World,
    demand: Demand,
    old: ServedFiles,
    new: ServedFiles,
}

impl Published {
    fn new() -> Self {
        let (world, (mut repository, ..)) = (World::new(), web());
        let old = repository.publish(world.now());
        for role in [RELEASES, QA] {
            repository.sign_target(role, "1.4", image_digest("two"));
        }
        let new = repository.publish(world.now());
        let demand = both(&repository).build();
        Self { world, demand, old, new }
    }

    fn serves(&self, files: &ServedFiles) {
        self.world.source.serve(SERVER, GUN, files);
    }

    /// Another process, with this cache directory.
    fn starts(&self, state: impl TrustState + 'static, cache: Option<&Path>) -> Resolver {
        let world = &self.world;
        let (source, credentials) = (Arc::new(world.source.clone()), Arc::new(world.credentials.clone()));
        let config = ResolverConfig { cache_dir: cache.map(Path::to_owned), ..ResolverConfig::default() };
        Resolver::new(config, source, credentials, Arc::new(state), Arc::new(world.clock.clone()))
    }

    /// The floor of `targets/releases`.
    fn floor(&self) -> u64 {
        self.world.state.record().floors[&RoleName::parse(RELEASES).unwrap()].version
    }

    /// The key of the only record, which an admin deletes.
    fn deletes(&self) -> RepositoryKey {
        let (key, _) = self.world.state.records().remove(0);
        self.world.state.delete(&key);
        key
    }

    async fn seals(&self, resolver: &Resolver, name: &str) {
        let resolved = resolve(resolver, &self.demand, IMAGE).await;
        assert_eq!(sealed(&resolved), image_digest(name));
        assert_eq!(resolved.unwrap().warnings, Vec::<String>::new());
    }
}

/// Another replica made the record anew before this one looked.
#[tokio::test(start_paused = true)]
async fn a_record_that_was_made_anew_resets_what_rested_on_the_old_one() {
    let published = Published::new();
    let (one, other) = (published.world.replica(), published.world.replica());
    published.serves(&published.new);
    published.seals(&one, "two").await;
    published.deletes();
    published.serves(&published.old);
    published.seals(&other, "one").await;
    published.world.advance(seconds(61));
    published.seals(&one, "one").await;
    assert_eq!(published.floor(), 1);
}

/// The floors of the deleted record do not come back by being merged into the new one.
#[tokio::test(start_paused = true)]
async fn a_commit_that_meets_a_record_made_anew_fetches_again() {
    let published = Published::new();
    let (state, gate) = (&published.world.state, Gate::new());
    gate.open();
    let resolver = published.starts(GatedState(state.clone(), gate.clone()), None);
    published.serves(&published.old);
    published.seals(&resolver, "one").await;
    let record = state.record();
    published.serves(&published.new);
    published.world.advance(seconds(61));
    gate.close();
    let reset = async {
        gate.arrived(2).await;
        let key = published.deletes();
        state.put(&key, record.clone());
        published.serves(&published.old);
        gate.open();
    };
    let (resolved, ()) = tokio::join!(resolve(&resolver, &published.demand, IMAGE), reset);
    assert_eq!(published.floor(), 1, "{resolved:?}");
    published.world.advance(seconds(61));
    published.seals(&resolver, "one").await;
}

/// The disk waits for a commit that is under way, memory does not. What that commit fetched never serves.
#[tokio::test]
async fn a_reset_drops_memory_at_once_and_a_slow_commit_brings_nothing_back() {
    let cache = tempfile::tempdir().unwrap();
    let published = Published::new();
    let (world, gate, again) = (&published.world, Gate::new(), Gate::new());
    gate.open();
    let resolver = published.starts(GatedState(world.state.clone(), gate.clone()), Some(cache.path()));
    published.serves(&published.old);
    published.seals(&resolver, "one").await;
    let homes = || std::fs::read_dir(cache.path()).unwrap().count();
    assert_eq!(homes(), 1);
    published.serves(&published.new);
    world.advance(seconds(61));
    world.source.forget();
    gate.close();
    let reset = async {
        gate.arrived(2).await;
        let (key, _) = world.state.records().remove(0);
        let cleared = resolver.forget(&key, None);
        assert!(resolver.status().is_empty(), "memory is dropped before anybody waits");
        assert_eq!(homes(), 1, "the commit may yet write");
        world.source.fault("timestamp.json", Fault::Delay(again.clone()));
        gate.open();
        cleared.await;
        assert_eq!((resolver.status().len(), homes()), (0, 0), "nothing of the commit is left");
        again.open();
    };
    let (resolved, ()) = tokio::join!(resolve(&resolver, &published.demand, IMAGE), reset);
    assert_eq!(sealed(&resolved), image_digest("two"));
    assert_eq!(world.source.count("timestamp.json"), 2, "what was fetched before the reset is fetched again");
    assert_eq!(homes(), 1);
}

/// A denial that the old record made is nobody's answer after the reset, neither of the refresh that was under way nor
/// because it was remembered.
#[tokio::test(start_paused = true)]
async fn a_refusal_under_the_old_record_outlives_no_reset() {
    let published = Published::new();
    let (world, gate) = (&published.world, Gate::new());
    published.serves(&published.new);
    published.seals(&world.resolver, "two").await;
    published.serves(&published.old);
    let resolver = world.replica();
    world.source.fault_on_request(1, "timestamp.json", Fault::Delay(gate.clone()));
    let reset = async {
        gate.arrived(1).await;
        resolver.forget(&published.deletes(), None).await;
        gate.open();
    };
    let (resolved, ()) = tokio::join!(resolve(&resolver, &published.demand, IMAGE), reset);
    assert_eq!(sealed(&resolved), image_digest("one"));

    let resolver = world.replica();
    world.advance(seconds(61));
    published.serves(&published.new);
    published.seals(&world.replica(), "two").await;
    published.serves(&published.old);
    assert_eq!(reason(&resolve(&resolver, &published.demand, IMAGE).await), Reason::Rollback);
    resolver.forget(&published.deletes(), None).await;
    published.seals(&resolver, "one").await;
}

/// No pod asks: neither is a first use pinned, nor floors written down. Who joined the refresh asks.
#[tokio::test(start_paused = true)]
async fn a_refresh_that_nobody_waits_for_undoes_no_reset() {
    for (is_first_use, joins) in [(true, false), (true, true), (false, false), (false, true)] {
        let published = Published::new();
        let (world, gate) = (&published.world, Gate::new());
        let (state, resolver) = (&world.state, &world.resolver);
        let first_use = DemandBuilder::new(GUN).first_use().build();
        let demand = if is_first_use { &first_use } else { &published.demand };
        published.serves(&published.new);
        assert_eq!(sealed(&resolve(resolver, demand, IMAGE).await), image_digest("two"));
        match is_first_use {
            true => world.publish(&mut web().0),
            false => published.serves(&published.old),
        }
        world.advance(hours(7));
        resolver.maintain_once(world.now()).finished().await;
        assert!(resolver.health()[0].trouble.is_some(), "it was set up anew");
        world.advance(minutes(2));
        world.source.fault("timestamp.json", Fault::Delay(gate.clone()));
        let round = resolver.maintain_once(world.now());
        assert_eq!(round.started(), 1);
        let asks = async {
            match joins {
                true => Some(resolve(resolver, demand, IMAGE).await),
                false => None,
            }
        };
        let reset = async {
            gate.arrived(1).await;
            resolver.forget(&published.deletes(), None).await;
            world.source.clear_faults();
            gate.open();
            round.finished().await;
        };
        let (asked, ()) = tokio::join!(asks, reset);
        if let Some(asked) = asked {
            assert_eq!(sealed(&asked), image_digest("one"));
            continue;
        }
        for _ in 0..2 {
            assert_eq!((state.records().len(), resolver.health().len()), (0, 0), "first use {is_first_use}");
            world.advance(hours(7));
            assert_eq!(resolver.maintain_once(world.now()).started(), 0);
        }
        assert_eq!(sealed(&resolve(resolver, demand, IMAGE).await), image_digest("one"));
        assert_eq!(state.records().len(), 1);
    }
}

/// tagseal was down when the record was deleted, and another replica made it anew.
#[tokio::test]
async fn a_cache_from_before_the_record_was_made_anew_is_not_recalled() {
    let cache = tempfile::tempdir().unwrap();
    let published = Published::new();
    let world = &published.world;
    published.serves(&published.new);
    published.seals(&published.starts(world.state.clone(), Some(cache.path())), "two").await;
    // A restart alone changes nothing.
    world.source.fault("*", Fault::Unreachable("connection refused"));
    published.seals(&published.starts(world.state.clone(), Some(cache.path())), "two").await;
    world.source.clear_faults();
    published.deletes();
    published.serves(&published.old);
    published.seals(&published.starts(world.state.clone(), None), "one").await;
    let restarted = published.starts(world.state.clone(), Some(cache.path()));
    world.source.fault("*", Fault::Unreachable("connection refused"));
    let refused = resolve(&restarted, &published.demand, IMAGE).await;
    assert_eq!(reason(&refused), Reason::TrustServerUnreachable);
    world.source.clear_faults();
    world.advance(seconds(3));
    published.seals(&restarted, "one").await;
}

/// One repository under two authorities of its server has one record, and two entries. Another repository has its own.
#[tokio::test]
async fn a_reset_is_of_all_entries_of_the_repository_and_of_no_other() {
    let published = Published::new();
    let world = &published.world;
    published.serves(&published.new);
    let mut with_ca = published.demand.clone();
    with_ca.server = DemandBuilder::new(GUN).server_ca("PEM").build().server;
    let first_use = DemandBuilder::new(GUN).first_use().build();
    for demand in [&published.demand, &with_ca, &first_use] {
        assert_eq!(sealed(&world.resolve(demand, IMAGE).await), image_digest("two"));
    }
    assert_eq!(world.resolver.status().len(), 3);
    let anchors = published.demand.anchors.fingerprint();
    let (key, _) = world.state.records().into_iter().find(|(key, _)| key.anchors == anchors).unwrap();
    world.resolver.forget(&key, None).await;
    let left = world.resolver.status();
    assert_eq!(
        left.iter().map(|left| left.key.anchors).collect::<Vec<_>>(),
        [first_use.anchors.fingerprint()]
    );
}
