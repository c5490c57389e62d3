//! Warm-up: which repositories are looked at after a start, and when a replica is ready.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tagseal::controller::WarmUp;
use tagseal::image::ImageReference;
use tagseal::policy::{Demand, NamespaceView, PolicySet, PolicySnapshot, Selection};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::api_server::ApiServer;
use super::repositories::replica::{Cluster, GUN, Replica};
use super::world::{World, cluster_policy, with};
use crate::support::{Fault, Gate, TestRepository, days, image_digest, seconds};

/// A published repository; its floors are pinned by the policies of [`set`].
pub fn web(cluster: &Cluster) -> TestRepository {
    let mut repository = TestRepository::new(GUN, cluster.now());
    repository.sign_target("targets", "1.4", image_digest("one"));
    cluster.publish(&mut repository);
    repository
}

/// The set with one policy for `images` that pins the root of `repository`, and rewrites names by `rewrite`.
pub async fn set(images: &str, repository: &TestRepository, rewrite: Value) -> Arc<PolicySet> {
    let server = ApiServer::new();
    let root = json!(repository.root_key().canonical_id());
    let policy = with(cluster_policy("a", images), "/spec/roots/0/keyID", root);
    server.put("clustertrustpolicies", with(policy, "/spec/notary/rewrite", rewrite));
    World::start(&server).policies(&[("ClusterTrustPolicy a", true)]).await
}

pub fn demand(set: &PolicySet, image: &str) -> Demand {
    match set.select(&NamespaceView::unlabelled("shop"), &ImageReference::parse(image).unwrap()) {
        Selection::Require { mut deny, .. } => deny.remove(0),
        other => panic!("{other:?}"),
    }
}

/// Warms `replica` up for `policies`; how long it took until it was ready.
async fn ready(cluster: &Cluster, replica: &Replica, policies: watch::Receiver<PolicySnapshot>) -> Duration {
    let clock = Arc::new(cluster.clock.clone());
    let warm_up = WarmUp::new(replica.state.clone(), Arc::clone(&replica.resolver), policies, clock);
    let (sender, is_ready) = oneshot::channel();
    let began = Instant::now();
    tokio::spawn(warm_up.run(|| sender.send(()).unwrap()));
    is_ready.await.expect("ready");
    began.elapsed()
}

pub fn synced(set: &Arc<PolicySet>) -> watch::Receiver<PolicySnapshot> {
    watch::channel(PolicySnapshot::Synced(Arc::clone(set))).1
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_no_status_speaks_of_is_found_by_its_own_name() {
    let cluster = Cluster::new();
    let set = set("registry.example.com/shop/**", &web(&cluster), json!([])).await;
    let demand = demand(&set, &format!("{GUN}:1.4"));
    cluster.replica().await.seals(&demand).await;
    let replica = cluster.replica().await;
    assert_eq!(replica.state.known()[0].image, None, "nobody leads");
    ready(&cluster, &replica, synced(&set)).await;
    assert_eq!(replica.resolver.status().len(), 1);
    assert_eq!(replica.resolver.status()[0].image, None);
    cluster.source.fault("*", Fault::Unreachable("connection refused"));
    assert_eq!(replica.seals(&demand).await, image_digest("one"));
}

#[tokio::test(start_paused = true)]
async fn a_repository_whose_use_no_status_speaks_of_was_used_when_its_record_was_made() {
    let cluster = Cluster::new();
    let set = set("registry.example.com/shop/**", &web(&cluster), json!([])).await;
    cluster.replica().await.seals(&demand(&set, &format!("{GUN}:1.4"))).await;
    let made = cluster.now() - days(20);
    let object = with(cluster.object(), "/metadata/creationTimestamp", json!(made.to_string()));
    cluster.server.put("trustedrepositories", object);
    let replica = cluster.replica().await;
    assert_eq!(replica.state.known()[0].last_used, Some(made));
    ready(&cluster, &replica, synced(&set)).await;
    assert_eq!(replica.resolver.status()[0].last_used, made, "nobody used it today");
    cluster.clock.advance(days(11));
    let replica = cluster.replica().await;
    ready(&cluster, &replica, synced(&set)).await;
    assert!(replica.holds_nothing());
}

#[tokio::test(start_paused = true)]
async fn a_rewritten_name_is_found_by_the_image_that_the_leader_wrote_down() {
    let cluster = Cluster::new();
    let rewrite = json!([{"from": "mirror.example.com/**", "to": "registry.example.com/**"}]);
    let set = set("mirror.example.com/**", &web(&cluster), rewrite).await;
    let image = "mirror.example.com/shop/web:1.4";
    let demand = demand(&set, image);
    assert_eq!(demand.gun.as_str(), GUN);
    let leader = cluster.replica().await;
    let asks = leader.resolve(&demand, image);
    asks.await.unwrap();

    leader.leads(true);
    cluster.passes(seconds(30)).await;
    let late = cluster.replica().await;
    ready(&cluster, &late, synced(&set)).await;
    assert_eq!(late.resolver.status()[0].image.as_ref().map(ToString::to_string).as_deref(), Some(image));
    cluster.clock.advance(days(31));
    let later = cluster.replica().await;
    ready(&cluster, &later, synced(&set)).await;
    assert!(later.holds_nothing(), "nobody used it for 30 days");
}

#[tokio::test(start_paused = true)]
async fn a_rewritten_name_that_no_status_speaks_of_is_found_by_the_rule_that_leads_to_it() {
    let (cluster, mirror) = (Cluster::new(), "mirror.example.com/shop/web:1.4");
    let repository = web(&cluster);
    let rule = json!({"from": "mirror.example.com/**", "to": "registry.example.com/**"});
    let rewrites = set("mirror.example.com/**", &repository, json!([rule])).await;
    cluster.replica().await.resolve(&demand(&rewrites, mirror), mirror).await.unwrap();
    let replica = cluster.replica().await;
    assert_eq!(replica.state.known()[0].image, None);
    ready(&cluster, &replica, synced(&rewrites)).await;
    assert_eq!(replica.resolver.status().len(), 1);
    assert_eq!(replica.resolver.status()[0].image, None, "nobody asked for what was guessed");

    // Where a rule before it takes that image elsewhere, none leads there.
    let before = json!({"from": "mirror.example.com/shop/web", "to": "registry.example.com/blog/web"});
    let elsewhere = set("mirror.example.com/**", &repository, json!([before, rule])).await;
    let replica = cluster.replica().await;
    ready(&cluster, &replica, synced(&elsewhere)).await;
    assert!(replica.holds_nothing());
}

#[tokio::test(start_paused = true)]
async fn a_policy_for_some_tags_alone_asks_for_a_repository_that_no_status_speaks_of() {
    let cluster = Cluster::new();
    let set = set("registry.example.com/shop/**:1.*", &web(&cluster), json!([])).await;
    cluster.replica().await.seals(&demand(&set, &format!("{GUN}:1.4"))).await;
    let replica = cluster.replica().await;
    ready(&cluster, &replica, synced(&set)).await;
    assert_eq!(replica.resolver.status().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_no_policy_asks_for_is_left_alone() {
    let cluster = Cluster::new();
    let repository = web(&cluster);
    let set_then = set("registry.example.com/shop/**", &repository, json!([])).await;
    cluster.replica().await.seals(&demand(&set_then, &format!("{GUN}:1.4"))).await;
    let other_root = TestRepository::new(GUN, cluster.now());
    for set_now in [
        set("registry.example.com/blog/**", &repository, json!([])).await,
        set("registry.example.com/shop/**", &other_root, json!([])).await,
    ] {
        let replica = cluster.replica().await;
        cluster.source.forget();
        ready(&cluster, &replica, synced(&set_now)).await;
        assert!(replica.holds_nothing());
        assert_eq!(cluster.source.paths(), Vec::<String>::new());
    }
}

/// Each of four requests, one after the other, takes nearly as long as one may.
#[tokio::test(start_paused = true)]
async fn a_slow_server_holds_up_readiness_for_a_while_and_no_longer() {
    let cluster = Cluster::new();
    web(&cluster);
    let server = ApiServer::new();
    let policy = with(cluster_policy("a", "registry.example.com/shop/**"), "/spec/roots", json!([]));
    server.put("clustertrustpolicies", with(policy, "/spec/firstUse", json!("Trust")));
    let set = World::start(&server).policies(&[("ClusterTrustPolicy a", true)]).await;
    let demand = demand(&set, &format!("{GUN}:1.4"));
    cluster.replica().await.seals(&demand).await;
    let replica = cluster.replica().await;
    let steps = ["root.*.json", "timestamp.json", "snapshot.*", "targets.*"].map(|path| (path, Gate::new()));
    for (path, gate) in &steps {
        cluster.source.fault(path, Fault::Delay(gate.clone()));
    }
    let slowly = async {
        for (_, gate) in &steps {
            gate.arrived(1).await;
            tokio::time::sleep(Duration::from_millis(4900)).await;
            gate.open();
        }
    };
    let ready = async {
        let took = ready(&cluster, &replica, synced(&set)).await;
        assert_eq!(took.as_secs(), 15);
        assert!(replica.holds_nothing());
    };
    tokio::join!(ready, slowly);
    replica.awaits("warm after all", |replica| !replica.holds_nothing()).await;
    let pinned = cluster.object()["spec"]["root"]["pinnedBy"].clone();
    assert_eq!(pinned, "FirstUse", "by the admission before");
}

#[tokio::test(start_paused = true)]
async fn with_nothing_known_a_replica_is_ready_as_soon_as_policies_are_there() {
    let cluster = Cluster::new();
    let set = set("registry.example.com/shop/**", &web(&cluster), json!([])).await;
    let replica = cluster.replica().await;
    let (sender, policies) = watch::channel(PolicySnapshot::default());
    let syncs = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        sender.send_replace(PolicySnapshot::Synced(Arc::clone(&set)));
    };
    let (took, ()) = tokio::join!(ready(&cluster, &replica, policies), syncs);
    assert_eq!(took.as_secs(), 3);
}
