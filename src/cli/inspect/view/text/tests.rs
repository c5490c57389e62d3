//! The text of an inspection, as its reader sees it.

use crate::cli::inspect::view::{Base, Delegation, Inspection, RoleView, Root, Target, Unusable};

const ALICE: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const BOB: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const ADMIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const ROOT: &str = "1111111111111111111111111111111111111111111111111111111111111111";

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn target(role: &str, name: &str, digest: &str) -> Target {
    Target { role: role.into(), name: name.into(), digest: format!("sha256:{digest}"), length: 500 }
}

fn role(name: &str, key_ids: Vec<String>) -> RoleView {
    RoleView {
        name: name.into(),
        version: 2,
        expires: "2029-01-01T00:00:00Z".into(),
        threshold: 1,
        signed_by: key_ids.clone(),
        key_ids,
    }
}

fn delegation(name: &str, keys: &[&str], threshold: u64, paths: &[&str]) -> Delegation {
    Delegation { name: name.into(), threshold, key_ids: owned(keys), paths: owned(paths) }
}

fn inspection(targets: Vec<Target>, delegations: Vec<Delegation>) -> Inspection {
    let mut roles = vec![role("targets", owned(&[ADMIN]))];
    roles.extend(delegations.iter().map(|delegation| role(&delegation.name, delegation.key_ids.clone())));
    Inspection {
        repository: "r.test/web".into(),
        server: "https://r.test".into(),
        verified: true,
        root: Root {
            version: 1,
            threshold: 1,
            expires: "2034-01-01T00:00:00Z".into(),
            key_ids: owned(&[ROOT]),
        },
        snapshot: Base { version: 4, expires: "2029-01-02T00:00:00Z".into() },
        timestamp: Base { version: 7, expires: "2026-01-14T00:00:00Z".into() },
        roles,
        delegations,
        targets,
        unusable: Vec::new(),
        warnings: Vec::new(),
        tag: None,
    }
}

#[test]
fn signers_are_named_as_docker_named_them() {
    let targets = vec![
        target("targets", "0.9", "ee"),
        target("targets/releases", "1.4", "aa"),
        target("targets/bob", "1.4", "aa"),
        target("targets/alice", "1.4", "aa"),
        target("targets/releases", "1.5", "bb"),
    ];
    let delegations = vec![
        delegation("targets/releases", &[ALICE, BOB], 1, &[""]),
        delegation("targets/bob", &[BOB], 1, &[""]),
        delegation("targets/alice", &[ALICE], 1, &[""]),
    ];
    let text = inspection(targets, delegations).text();
    let docker = "Signatures for r.test/web\n\n\
                  SIGNED TAG   DIGEST      SIGNERS\n\
                  0.9          sha256:ee   (Repo Admin)\n\
                  1.4          sha256:aa   alice, bob\n\
                  1.5          sha256:bb   (Repo Admin)\n\n\
                  List of signers and their keys for r.test/web\n\n\
                  SIGNER   KEYS\n\
                  alice    aaaaaaaaaaaa\n\
                  bob      bbbbbbbbbbbb\n\n\
                  Administrative keys for r.test/web\n\n  \
                  Repository Key:   0000000000000000000000000000000000000000000000000000000000000000\n  \
                  Root Key:         1111111111111111111111111111111111111111111111111111111111111111\n\n\
                  Base roles\n\n\
                  ROLE        VERSION   EXPIRES\n\
                  root        1         2034-01-01T00:00:00Z\n\
                  targets     2         2029-01-01T00:00:00Z\n\
                  snapshot    4         2029-01-02T00:00:00Z\n\
                  timestamp   7         2026-01-14T00:00:00Z\n\n";
    assert!(text.starts_with(docker), "{text}");
    assert!(!text.contains("not what docker pull takes"), "{text}");
}

#[test]
fn a_tag_that_docker_would_not_pull_stands_apart_with_its_roles() {
    let targets = vec![
        target("targets", "1.4", "01d"),
        target("targets/releases", "1.4", "ff"),
        target("targets/qa", "1.6", "cc"),
    ];
    let delegations =
        vec![delegation("targets/releases", &[ALICE], 1, &[""]), delegation("targets/qa", &[BOB], 1, &[""])];
    let text = inspection(targets, delegations).text();
    let (released, rest) = text.split_once("Signed, but not what docker pull takes").unwrap();
    assert!(released.contains("1.4          sha256:ff   (Repo Admin)"), "{text}");
    assert!(!released.contains("01d") && !released.contains("1.6"), "{text}");
    assert!(
        rest.contains("1.4          sha256:01d   targets\n1.6          sha256:cc    targets/qa"),
        "{text}"
    );
}

#[test]
fn roles_are_shown_in_full_published_or_not() {
    let delegations = vec![
        delegation("targets/releases", &[ALICE, BOB], 2, &["v1-", "v2-"]),
        delegation("targets/qa/nightly", &[BOB], 1, &[""]),
        delegation("targets/empty", &[], 1, &[]),
    ];
    let mut inspection = inspection(Vec::new(), delegations);
    inspection.roles.retain(|role| role.name != "targets/empty");
    inspection.unusable.push(Unusable {
        role: "targets/empty".into(),
        reason: "DelegationMissing",
        message: "it is not in the snapshot".into(),
    });
    let text = inspection.text();
    let words: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split("   ").map(str::trim).filter(|word| !word.is_empty()).collect())
        .collect();
    for row in [
        vec!["ROLE", "KEYS", "THRESHOLD", "PATHS", "VERSION", "EXPIRES"],
        vec![
            "targets/releases",
            "aaaaaaaaaaaa, bbbbbbbbbbbb",
            "2 of 2",
            "v1-*, v2-*",
            "2",
            "2029-01-01T00:00:00Z",
        ],
        vec!["targets/qa/nightly", "bbbbbbbbbbbb", "1 of 1", "all", "2", "2029-01-01T00:00:00Z"],
        vec!["targets/empty", "1 of 0", "none", "-", "-"],
        vec!["targets/empty", "DelegationMissing", "it is not in the snapshot"],
    ] {
        assert!(words.contains(&row), "{row:?} in\n{text}");
    }
    // The role that docker pulls from is no signer, nor is one further down.
    assert!(text.contains("SIGNER   KEYS\nempty\n\n"), "{text}");
}

#[test]
fn nothing_signed_is_said_of_what_was_asked() {
    let mut inspection = inspection(Vec::new(), Vec::new());
    assert!(inspection.text().starts_with("No signatures for r.test/web\n"));
    inspection.tag = Some("1.4".into());
    assert!(inspection.text().starts_with("No signatures for r.test/web:1.4\n"));
}
