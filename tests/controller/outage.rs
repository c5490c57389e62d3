//! The API server goes away and comes back.

use super::api_server::{ApiServer, Fault};
use super::world::{World, asks, cluster_policy};
use crate::support::Log;

#[tokio::test]
async fn a_set_that_was_in_force_stays_while_the_api_server_is_away() {
    let log = Log::text();
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("production", "registry.example.com/shop/**"));
    let mut world = World::start(&server);
    let production = [("ClusterTrustPolicy production", true)];
    world.policies(&production).await;
    server.served("WATCH clustertrustpolicies", 1).await;

    server.fail("", Fault::Refused);
    server.break_watches();
    server.served("LIST clustertrustpolicies", 4).await;
    let set = world.policies(&production).await;
    assert_eq!(asks(&set, "shop", "registry.example.com/shop/web:1").unwrap().len(), 1);
    assert!(world.runs());
    let told = |text: &str| log.read().lines().filter(|line| line.contains(text)).count();
    // That the connection broke off is no news, that it is refused is told once however often it is tried.
    assert_eq!(told("ClusterTrustPolicy objects cannot be watched"), 1, "{}", log.read());
    assert_eq!(told("connection reset"), 0, "{}", log.read());

    server.put("clustertrustpolicies", cluster_policy("later", "registry.example.com/shop/**"));
    server.heal();
    world.policies(&[("ClusterTrustPolicy later", true), production[0]]).await;
    assert_eq!(told("ClusterTrustPolicy objects watched again"), 1, "{}", log.read());
    assert_eq!(told("policy added policy=ClusterTrustPolicy later"), 1, "{}", log.read());
}
