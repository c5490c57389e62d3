//! The fake source itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tagseal::trust::{Access, MetadataSource, SourceError, SourceRequest};
use tagseal::tuf::{Fetch, FileName, Gun, RoleName, Selector};

use super::{FakeSource, Fault, Gate};
use crate::support::demand::{SERVER, server};
use crate::support::{TestRepository, t};

const GUN: &str = "registry.example.com/shop/web";

async fn fetch_as(source: &FakeSource, role: &str, access: &Access) -> Result<Option<Bytes>, SourceError> {
    let file = FileName { role: RoleName::parse(role).unwrap(), selector: Selector::Current };
    let request = SourceRequest {
        server: &Arc::new(server(SERVER)),
        gun: &Gun::new(GUN).unwrap(),
        fetch: &Fetch { file, max_bytes: 10_000 },
        access,
        registry: "registry.example.com",
        known: false,
        timeout: Duration::from_secs(60),
    };
    source.fetch(request).await
}

async fn fetch(source: &FakeSource, role: &str) -> Result<Option<Bytes>, SourceError> {
    fetch_as(source, role, &Access::Anonymous).await
}

fn serving() -> (FakeSource, super::ServedFiles) {
    let files = TestRepository::new(GUN, t("2026-11-21T12:00:00Z")).publish(t("2026-11-21T12:00:00Z"));
    let source = FakeSource::new();
    source.serve(SERVER, GUN, &files);
    (source, files)
}

#[tokio::test]
async fn serves_what_it_was_given_until_that_is_withdrawn() {
    let (source, files) = serving();
    assert_eq!(fetch(&source, "root").await, Ok(Some(files.current("root").clone())));
    source.withdraw(SERVER, GUN);
    assert_eq!(fetch(&source, "root").await, Ok(None));
}

#[tokio::test]
async fn requests_made_at_once_are_one_round() {
    let (source, _) = serving();
    let (a, b) = tokio::join!(fetch(&source, "timestamp"), fetch(&source, "root"));
    assert!(a.is_ok() && b.is_ok());
    fetch(&source, "snapshot").await.unwrap();
    assert_eq!(source.rounds(), [vec!["root.json", "timestamp.json"], vec!["snapshot.json"]]);
    assert_eq!((source.most_at_once(), source.under_way(), source.count("*t.json")), (2, 0, 2));
}

#[tokio::test]
async fn faults_come_on_the_request_they_were_set_for() {
    let (source, _) = serving();
    source.fault_on_request(2, "timestamp.json", Fault::Unreachable("connection refused"));
    assert!(fetch(&source, "timestamp").await.unwrap().is_some());
    let refused = SourceError::Unreachable { message: "connection refused".to_owned() };
    assert_eq!(fetch(&source, "timestamp").await, Err(refused));
    assert!(fetch(&source, "timestamp").await.unwrap().is_some());
    source.fault_in("another/gun", "*", Fault::NotFound);
    assert!(fetch(&source, "timestamp").await.unwrap().is_some());
    source.fault("*", Fault::NotFound);
    assert_eq!(fetch(&source, "timestamp").await, Ok(None));
}

#[tokio::test]
async fn credentials_are_asked_for() {
    let (source, _) = serving();
    let good = Access::IdentityToken(tagseal::trust::Secret::new("token"));
    source.fault("*", Fault::UnauthorizedUnless(good.clone()));
    assert!(matches!(fetch(&source, "root").await, Err(SourceError::Unauthorized { .. })));
    assert!(fetch_as(&source, "root", &good).await.unwrap().is_some());
}

#[tokio::test]
async fn a_gate_holds_requests_back_and_cancelled_ones_end() {
    let (source, _) = serving();
    let gate = Gate::new();
    source.fault("root.json", Fault::Delay(gate.clone()));
    let task = tokio::spawn({
        let source = source.clone();
        async move { fetch(&source, "root").await }
    });
    gate.arrived(1).await;
    assert!(fetch(&source, "timestamp").await.unwrap().is_some());
    assert!(!task.is_finished());
    assert_eq!(source.under_way(), 1);
    gate.open();
    assert!(task.await.unwrap().unwrap().is_some());

    gate.close();
    let task = tokio::spawn({
        let source = source.clone();
        async move { fetch(&source, "root").await }
    });
    gate.arrived(2).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(source.under_way(), 0);
}

#[tokio::test]
async fn bodies_are_capped() {
    let (source, _) = serving();
    source.fault("root.json", Fault::bytes(vec![b' '; 10_001]));
    assert!(matches!(fetch(&source, "root").await, Err(SourceError::Invalid { .. })));
}
