//! What is written down comes back, and what was not written by tagseal is not believed.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

fn role() -> impl Strategy<Value = RoleName> {
    let names = "root|timestamp|snapshot|targets|targets/[a-z0-9_-]{1,12}(/[a-z0-9_-]{1,5})?";
    names.prop_map(|name| RoleName::parse(&name).unwrap())
}

/// Versions as they come, and those at which readers of JSON begin to lie.
fn version() -> impl Strategy<Value = u64> {
    let edges = vec![0, 1, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, i64::MAX as u64, 1 << 63, u64::MAX];
    prop_oneof![any::<u64>(), prop::sample::select(edges)]
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0_i64..4_000_000_000, 0..1_000_000_000).prop_map(|(s, ns)| Timestamp::new(s, ns).unwrap())
}

fn a_record() -> impl Strategy<Value = TrustRecord> {
    let signers = prop::collection::btree_set(digest().prop_map(KeyIdentity::from_digest), 0..4);
    let floor = (version(), signers)
        .prop_map(|(version, signers)| Floor { version, signers: signers.into_iter().collect() });
    let recent = (role(), version(), digest(), time(), prop::option::of(time())).prop_map(
        |(role, version, sha256, first_seen, superseded)| RoleVersion {
            role,
            version,
            sha256,
            first_seen,
            superseded,
        },
    );
    let key_ids = prop::collection::vec(digest().prop_map(KeyId::new), 0..3);
    let pin = (version(), digest(), key_ids).prop_map(|(version, sha256, key_ids)| RootPin {
        version,
        sha256,
        key_ids,
    });
    let floors = prop::collection::btree_map(role(), floor, 0..8);
    (prop::option::of(pin), floors, prop::collection::vec(recent, 0..8))
        .prop_map(|(pin, floors, recent)| TrustRecord { pin, floors, recent })
}

fn a_key() -> RepositoryKey {
    RepositoryKey {
        server: "https://notary.example.com/".to_owned(),
        gun: Gun::new("registry.example.com/shop/web").unwrap(),
        anchors: Digest::of(b"anchors"),
    }
}

fn written() -> (String, TrustedRepositorySpec) {
    let version = RoleVersion {
        role: RoleName::targets(),
        version: 3,
        sha256: Digest::of(b"targets"),
        first_seen: "2026-03-01T12:00:00.123456789Z".parse().unwrap(),
        superseded: None,
    };
    let signers = [KeyIdentity::from_digest(Digest::of(b"key"))].into_iter().collect();
    let record = TrustRecord {
        pin: Some(RootPin { version: 1, sha256: Digest::of(b"root"), key_ids: vec![] }),
        floors: [(RoleName::targets(), Floor { version: 3, signers })].into(),
        recent: vec![version],
    };
    (object_name(&a_key()), spec(&a_key(), &record))
}

fn about_of(spec: &TrustedRepositorySpec) -> About {
    about(&serde_json::to_value(spec).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(crate::random::cases(256))]

    /// T26: a stolen key's version 2^53 and beyond is kept to the last digit, by JSON as well.
    #[test]
    fn t26_what_is_written_comes_back_to_the_last_digit(record in a_record()) {
        let spec = spec(&a_key(), &record);
        let json = serde_json::to_string(&spec).unwrap();
        let read: TrustedRepositorySpec = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(super::key(&object_name(&a_key()), &about_of(&read)).unwrap(), a_key());
        prop_assert_eq!(super::record(&read).unwrap(), record);
    }
}

/// T30: a record that is moved to another name, or edited to be about something else, is not believed.
#[test]
fn t30_an_object_is_believed_under_its_own_name_alone() {
    let (name, spec) = written();
    assert_eq!(key(&name, &about_of(&spec)), Ok(a_key()));
    let other = |error: Result<RepositoryKey, RecordError>| {
        assert!(matches!(error, Err(RecordError::OtherRepository { .. })), "{error:?}");
    };
    other(key("another-name", &about_of(&spec)));
    let edited = |edit: fn(&mut TrustedRepositorySpec)| {
        let mut spec = spec.clone();
        edit(&mut spec);
        key(&name, &about_of(&spec))
    };
    other(edited(|spec| spec.server = "https://other.example.com/".to_owned()));
    other(edited(|spec| spec.repository = "registry.example.com/shop/other".to_owned()));
    other(edited(|spec| spec.anchors = Digest::of(b"others").hex()));
}

#[test]
fn half_read_floors_are_no_floors() {
    let (_, spec) = written();
    let refused = |pointer: &str, value: serde_json::Value| {
        let mut json = serde_json::to_value(&spec).unwrap();
        *json.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        match serde_json::from_value::<TrustedRepositorySpec>(json) {
            Ok(spec) => record(&spec).expect_err(pointer).to_string(),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(
        refused("/floors/0/version", json!("18446744073709551616")),
        "spec.floors cannot be read: \"18446744073709551616\" is not a version"
    );
    for version in ["", "-1", "+1", "01", "1.0", "1e3", " 1"] {
        assert!(refused("/floors/0/version", json!(version)).contains("is not a version"), "{version:?}");
        assert!(refused("/recent/0/version", json!(version)).contains("is not a version"), "{version:?}");
    }
    for (pointer, value) in [
        ("/floors/0/version", json!(3)),
        ("/floors/0/role", json!("Targets")),
        ("/floors/0/signers/0", json!("ab")),
        ("/recent/0/sha256", json!("AB".repeat(32))),
        ("/recent/0/firstSeen", json!("yesterday")),
        ("/root/firstUse/sha256", json!("")),
        ("/root/firstUse/version", json!("one")),
        ("/root/pinnedBy", json!("Policy")),
        ("/root/firstUse", json!(null)),
        ("/root/pinnedBy", json!("Nobody")),
    ] {
        assert!(!refused(pointer, value.clone()).is_empty(), "{pointer} {value}");
    }
    let twice = TrustedRepositorySpec { floors: [spec.floors.clone(), spec.floors.clone()].concat(), ..spec };
    assert_eq!(record(&twice).unwrap_err().to_string(), "spec cannot be read: a role has two floors");
}
