//! The API server goes away and comes back.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use super::api_server::{ApiServer, Fault};
use super::world::{World, asks, cluster_policy};

#[tokio::test]
async fn a_set_that_was_in_force_stays_while_the_api_server_is_away() {
    let lines = Lines::default();
    // With one subscriber alone, tracing would ask the thread of whichever test comes first by a log line whether anybody
    // wants it.
    let _another = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_target(false);
    let _guard = tracing::subscriber::set_default(
        subscriber.with_max_level(tracing::Level::INFO).with_writer(lines.clone()).finish(),
    );
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
    let told = |text: &str| lines.read().lines().filter(|line| line.contains(text)).count();
    // Broken off, then refused: two different things, each told once however often it was tried.
    assert_eq!(told("ClusterTrustPolicy objects cannot be watched"), 2, "{}", lines.read());
    assert_eq!(told("connection refused"), 2, "one for each kind: {}", lines.read());

    server.put("clustertrustpolicies", cluster_policy("later", "registry.example.com/shop/**"));
    server.heal();
    world.policies(&[("ClusterTrustPolicy later", true), production[0]]).await;
    assert_eq!(told("ClusterTrustPolicy objects watched again"), 1, "{}", lines.read());
    assert_eq!(told("policy added policy=ClusterTrustPolicy later"), 1, "{}", lines.read());
}

/// What was logged.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn read(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
