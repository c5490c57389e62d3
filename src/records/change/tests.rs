//! What is forgotten of versions that were superseded.

use super::*;
use crate::digest::Digest;

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// `versions` versions of each of `roles` roles, a minute apart; the last of each is current.
fn recent(roles: usize, versions: u64) -> Vec<RoleVersion> {
    let of = |role: usize| {
        let role = RoleName::parse(&format!("targets/r{role}")).unwrap();
        (1..=versions).map(move |version| {
            let at = |ago: u64| now() - SignedDuration::from_mins((versions - ago).try_into().unwrap());
            let superseded = (version < versions).then(|| at(version + 1));
            let sha256 = Digest::of(&version.to_be_bytes());
            RoleVersion { role: role.clone(), version, sha256, first_seen: at(version), superseded }
        })
    };
    (0..roles).flat_map(of).collect()
}

fn kept(roles: usize, versions: u64) -> Vec<(String, Vec<u64>)> {
    let mut recent = recent(roles, versions);
    forget_old(&mut recent, now());
    let of = recent.chunk_by(|a, b| a.role == b.role);
    of.map(|of| (of[0].role.to_string(), of.iter().map(|version| version.version).collect())).collect()
}

#[test]
fn the_latest_versions_of_each_role_are_kept() {
    let kept = kept(2, 300);
    assert_eq!(kept.len(), 2);
    for (role, versions) in kept {
        assert_eq!(
            versions,
            (44..=300).collect::<Vec<_>>(),
            "{role}: 256 superseded ones and the current one"
        );
    }
}

#[test]
fn many_roles_share_what_one_object_can_hold() {
    let kept = kept(64, 100);
    assert_eq!(kept.len(), 64);
    for (role, versions) in kept {
        assert_eq!(versions, (68..=100).collect::<Vec<_>>(), "{role}");
    }
    assert!(kept_in_all(2048, 3) >= 2048, "what is current is never forgotten");
}

fn kept_in_all(roles: usize, versions: u64) -> usize {
    kept(roles, versions).iter().map(|(_, versions)| versions.len()).sum()
}
