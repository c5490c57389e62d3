//! What is written is read back; what is torn is a miss; nobody reads another's files.

use std::sync::Arc;

use super::*;
use crate::policy::{SecretRef, TrustServer};
use crate::source::{Requester, Who};
use crate::trust::PodIdentity;
use crate::tuf::{Anchor, Anchors, KeyId, RootRotation};

fn key(server: &str, ca: Option<&str>, anchors: &str) -> CacheKey {
    let server = TrustServer { ca_pem: ca.map(Arc::from), ..TrustServer::at(server.parse().unwrap()) };
    CacheKey {
        server: Arc::new(server),
        gun: Gun::new("registry.example.com/shop/web").unwrap(),
        anchors: Arc::new(Anchors::new(vec![anchor(anchors)], RootRotation::Follow, false)),
    }
}

fn anchor(name: &str) -> Anchor {
    Anchor::KeyId(KeyId::new(Digest::of(name.as_bytes())))
}

fn note() -> Note {
    let pod = PodIdentity {
        namespace: "shop".to_owned(),
        service_account: "default".to_owned(),
        pull_secrets: vec!["regcred".to_owned()],
    };
    let requester = |who| Requester {
        who,
        registry: "mirror.example.com".to_owned(),
        repository: "hub/web".to_owned(),
        token_realms: vec!["auth.example.com".to_owned()],
    };
    let at = "2026-11-21T12:00:00Z".parse().unwrap();
    let policy = Who::Policy { namespace: "tagseal".to_owned(), name: "notary".to_owned() };
    let grants = [Who::Pod(pod), policy, Who::Anybody].map(|who| (requester(who), at));
    Note { vouched: at, grants: grants.into(), recorded: true, record: Some("uid-1".to_owned()) }
}

fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

fn some_files() -> Vec<(RoleName, Bytes)> {
    ["timestamp", "targets", "targets/a", "targets/a/b"]
        .map(|name| (role(name), Bytes::from(format!("file of {name}"))))
        .into()
}

#[test]
fn what_is_written_is_read_back_in_notarys_layout() {
    let directory = tempfile::tempdir().unwrap();
    let cache = DiskCache::new(directory.path().to_owned());
    let key = key("https://notary.example.com", None, "a");
    cache.save(&key, &some_files(), &[(3, Bytes::from("root 3"))], None, &note()).unwrap();
    let stored = cache.load(&key);
    assert_eq!(stored.note, Some(note()));
    assert_eq!(stored.tree.files, some_files().into_iter().collect());
    assert_eq!(stored.tree.roots, [(3, Bytes::from("root 3"))].into());
    assert_eq!(stored.tree.delegations(), [role("targets/a"), role("targets/a/b")].into());
    let file = metadata(&cache.home(&key), &key.gun).join("targets/a/b.json");
    assert!(file.ends_with("tuf/registry.example.com/shop/web/metadata/targets/a/b.json"));
    assert!(file.exists());
}

/// Attack T30; and the servers' authorities, and what is shown to them.
#[test]
fn t30_other_servers_authorities_and_anchors_have_other_directories() {
    let directory = tempfile::tempdir().unwrap();
    let cache = DiskCache::new(directory.path().to_owned());
    let one = key("https://notary.example.com", None, "a");
    cache.save(&one, &some_files(), &[], None, &note()).unwrap();
    let mut shown = key("https://notary.example.com", None, "a");
    let secret = SecretRef { namespace: "shop".to_owned(), name: "client".to_owned() };
    Arc::make_mut(&mut shown.server).client_certificate = Some(secret);
    assert_ne!(shown, one);
    for other in [
        key("https://other.example.com", None, "a"),
        key("https://notary.example.com", Some("PEM"), "a"),
        key("https://notary.example.com", None, "b"),
        shown,
    ] {
        assert_eq!(cache.load(&other).tree, Tree::default());
    }
    assert_eq!(cache.seed(&one.gun), Tree::default(), "a seed has no prefix");
}

#[test]
fn a_torn_note_is_no_note() {
    let directory = tempfile::tempdir().unwrap();
    let cache = DiskCache::new(directory.path().to_owned());
    let key = key("https://notary.example.com", None, "a");
    cache.save(&key, &some_files(), &[], None, &note()).unwrap();
    let path = cache.home(&key).join("tagseal.json");
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert_eq!(cache.load(&key).note, None);
}

#[test]
fn what_is_put_away_is_never_read_again_and_deleted_at_the_next_start_at_the_latest() {
    let directory = tempfile::tempdir().unwrap();
    let key = key("https://notary.example.com", None, "a");
    let names = || {
        let entries = std::fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let seed = directory.path().join("tuf.reset-1");
    std::fs::create_dir(&seed).unwrap();
    let cache = DiskCache::new(directory.path().to_owned());
    let mut graves = Vec::new();
    for _ in 0..3 {
        cache.save(&key, &some_files(), &[], None, &note()).unwrap();
        assert!(cache.knows(&key));
        graves.extend(cache.bury(&key).unwrap());
        assert_eq!((cache.load(&key).tree, cache.knows(&key)), (Tree::default(), false));
        assert_eq!(cache.bury(&key).unwrap(), None);
    }
    cache.delete(&graves[0]).unwrap();
    assert_eq!(names().len(), 3, "two graves, and what is none: {:?}", names());
    let next = DiskCache::new(directory.path().to_owned());
    assert!(!next.knows(&key));
    next.save(&key, &some_files(), &[], None, &note()).unwrap();
    let last = next.bury(&key).unwrap().unwrap();
    assert!(!graves.contains(&last), "{last:?}");
    let mut looks = 0;
    while graves.iter().any(|grave| grave.exists()) {
        looks += 1;
        assert!(looks < 30_000, "{:?}", names());
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    assert!(seed.exists() && last.exists());
}

#[test]
fn a_replaced_file_of_a_role_goes_to_the_history_which_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let cache = DiskCache::new(directory.path().to_owned());
    let key = key("https://notary.example.com", None, "a");
    let file = |n: usize| Bytes::from(format!("version {n}"));
    for n in 0..=MAX_HISTORY + 8 {
        cache
            .save(
                &key,
                &[(RoleName::targets(), file(n)), (RoleName::timestamp(), file(n))],
                &[],
                None,
                &note(),
            )
            .unwrap();
    }
    let newest_old = MAX_HISTORY + 7;
    let history = |file: &Bytes| cache.history(&key, Digest::of(file), file.len() as u64);
    assert_eq!(cache.history(&key, Digest::of(&file(newest_old)), 9), Found::Larger);
    assert_eq!(history(&file(newest_old)), Found::File(file(newest_old)));
    assert_eq!(history(&file(MAX_HISTORY + 8)), Found::Absent, "the current one is not old");
    let kept = std::fs::read_dir(cache.home(&key).join("history")).unwrap().count();
    assert_eq!(kept, MAX_HISTORY);
}

/// What an older tagseal wrote goes on counting for what it was: the name that the image was signed under.
#[test]
fn a_grant_without_a_repository_is_for_the_name_that_was_signed() {
    let older = r#"{"format":1,"vouched":"2026-11-21T12:00:00Z","recorded":true,"grants":[
        {"registry":"registry.example.com","tokenRealms":[],"at":"2026-11-21T12:00:00Z","who":"pod",
         "namespace":"shop","serviceAccount":"default","pullSecrets":[]},
        {"registry":"registry.example.com","tokenRealms":[],"at":"2026-11-21T12:00:00Z","who":"anybody"}]}"#;
    let note = Note::read(older.as_bytes(), &Gun::new("registry.example.com/shop/web").unwrap()).unwrap();
    let repositories: Vec<_> =
        note.grants.iter().map(|(requester, _)| requester.repository.as_str()).collect();
    assert_eq!(repositories, ["shop/web", ""]);
}
