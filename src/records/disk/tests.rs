//! Records survive the process; what cannot be read is never taken for "none yet".

use std::os::unix::fs::PermissionsExt as _;

use jiff::Timestamp;

use super::*;
use crate::trust::{RoleVersion, RootPin};
use crate::tuf::{Floor, Gun, KeyId, KeyIdentity, RoleName};

fn key(gun: &str) -> RepositoryKey {
    RepositoryKey {
        server: "https://notary.example.com/".to_owned(),
        gun: Gun::new(gun).unwrap(),
        anchors: Digest::of(b"anchors"),
    }
}

fn record() -> TrustRecord {
    let seen: Timestamp = "2026-11-21T12:00:00.5Z".parse().unwrap();
    let signers = [KeyIdentity::from_digest(Digest::of(b"alice"))].into_iter().collect();
    TrustRecord {
        pin: Some(RootPin {
            version: 3,
            sha256: Digest::of(b"root"),
            key_ids: vec![KeyId::new(Digest::of(b"id"))],
        }),
        floors: [(RoleName::targets(), Floor { version: 1 << 53, signers })].into(),
        recent: vec![RoleVersion {
            role: RoleName::parse("targets/releases").unwrap(),
            version: 7,
            sha256: Digest::of(b"file"),
            first_seen: seen,
            superseded: Some(seen),
        }],
    }
}

#[tokio::test]
async fn a_record_outlives_the_process_and_is_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let key = key("registry.example.com/shop/web");
    assert_eq!(DiskState::new(&path).load(&key).await, Ok(None));
    let written = DiskState::new(&path).store(&key, None, &record()).await.unwrap();
    assert_eq!(DiskState::new(&path).load(&key).await, Ok(Some((record(), written))));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let files: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.iter().map(|file| mode(file)).collect::<Vec<_>>(), [0o600]);
}

#[tokio::test]
async fn who_read_an_older_revision_may_not_write() {
    let directory = tempfile::tempdir().unwrap();
    let (state, key) = (DiskState::new(directory.path()), key("registry.example.com/shop/web"));
    let first = state.store(&key, None, &record()).await.unwrap();
    assert_eq!(state.store(&key, None, &record()).await, Err(StateError::Conflict));
    let second = state.store(&key, Some(&first), &TrustRecord::default()).await.unwrap();
    assert_eq!(state.store(&key, Some(&first), &record()).await, Err(StateError::Conflict));
    assert_eq!(state.load(&key).await, Ok(Some((TrustRecord::default(), second))));
}

/// Somebody deletes the file, and the next refresh makes a new one: it is not the one from before.
#[tokio::test]
async fn a_record_that_was_deleted_and_made_anew_is_another_one() {
    let directory = tempfile::tempdir().unwrap();
    let (state, key) = (DiskState::new(directory.path()), key("registry.example.com/shop/web"));
    let first = state.store(&key, None, &record()).await.unwrap();
    let second = state.store(&key, Some(&first), &TrustRecord::default()).await.unwrap();
    let third = state.store(&key, Some(&second), &record()).await.unwrap();
    assert_eq!((&third, third.is_of_another_record(&first)), (&first, false), "the same content");
    std::fs::remove_file(state.0.path(&key)).unwrap();
    let anew = DiskState::new(directory.path()).store(&key, None, &record()).await.unwrap();
    assert!(anew.is_of_another_record(&first));
    assert_eq!(state.store(&key, Some(&third), &record()).await, Err(StateError::Conflict));
    assert_eq!(state.load(&key).await, Ok(Some((record(), anew))));
}

/// Files from before records had IDs.
#[tokio::test]
async fn a_record_without_an_id_stays_the_record_that_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (state, key) = (DiskState::new(directory.path()), key("registry.example.com/shop/web"));
    state.store(&key, None, &record()).await.unwrap();
    let path = state.0.path(&key);
    let mut document: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert!(document.as_object_mut().unwrap().remove("id").is_some());
    std::fs::write(&path, document.to_string()).unwrap();
    let (_, old) = state.load(&key).await.unwrap().unwrap();
    let next = state.store(&key, Some(&old), &TrustRecord::default()).await.unwrap();
    assert!(!next.is_of_another_record(&old));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_unavailable_for_its_repository_alone() {
    let directory = tempfile::tempdir().unwrap();
    let state = DiskState::new(directory.path());
    let (web, api) = (key("registry.example.com/shop/web"), key("registry.example.com/shop/api"));
    state.store(&web, None, &record()).await.unwrap();
    let path = state.0.path(&web);
    let good = std::fs::read_to_string(&path).unwrap();
    for bad in [&good[..good.len() / 2], "", "{}", &good.replace("\"format\": 1", "\"format\": 2")] {
        std::fs::write(&path, bad).unwrap();
        assert!(matches!(state.load(&web).await, Err(StateError::Unavailable(_))), "{bad:?}");
        let stored = state.store(&web, None, &record()).await;
        assert_eq!(
            stored,
            Err(StateError::Conflict),
            "what cannot be read is not overwritten as if it were not there"
        );
    }
    assert_eq!(state.load(&api).await, Ok(None));
    std::fs::write(state.0.path(&api), good).unwrap();
    let error = state.load(&api).await.unwrap_err().to_string();
    assert!(error.contains("it is about registry.example.com/shop/web"), "{error}");
}
