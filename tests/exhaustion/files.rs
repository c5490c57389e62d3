//! Metadata whose every list, field and string is as long as it can be.

use futures::future::join_all;
use serde_json::{Map, Value, json};

use super::hostile::{Hostile, PIECES, gun, items, now, repository, trusting};
use super::process::Process;
use crate::support::random::is_soak;
use crate::support::{TestKey, TestRepository, image_digest};

/// Bytes of a large file: a quarter of what it may have, or half. A debug build takes long over more.
fn file() -> usize {
    if is_soak() { 8 << 20 } else { 4 << 20 }
}

/// Has each repository asked for at once, each at a server of its own; what is said of each tag `1`.
fn asked(repositories: &[TestRepository], more: &Value, judge: impl Fn(&str, &str)) {
    let servers: Vec<_> = repositories.iter().map(|repository| Hostile::serving([repository])).collect();
    let of = |(repository, server): (&TestRepository, &Hostile)| trusting(repository, server.url(), more);
    let policies: Vec<_> = repositories.iter().zip(&servers).map(of).collect();
    Process::start(&policies).attacked(async |process| {
        let images: Vec<_> =
            repositories.iter().map(|repository| format!("{}:1", repository.gun())).collect();
        let said = join_all(images.iter().map(|image| process.decided(image))).await;
        for (image, said) in images.iter().zip(said) {
            judge(image, &said);
        }
    });
}

/// A repository in which the file of `role` has this text; its parents list it as it is.
fn stuffed(name: &str, role: &str, text: String) -> TestRepository {
    let mut repository = repository(name);
    repository.sign_target("targets", "1", image_digest("a"));
    repository.tamper(role, |bytes| *bytes = text.into_bytes()).publish(now());
    repository
}

#[test]
fn t36_files_of_nested_empty_values_are_refused_at_a_bound() {
    for (role, bytes) in [("timestamp", 1_000_000), ("snapshot", file()), ("targets", file())] {
        let of = |(n, piece): (usize, &&str)| {
            let text = format!(r#"{{"signed":{},"signatures":[]}}"#, items(piece, bytes));
            stuffed(&format!("{role}-{n}"), role, text)
        };
        let repositories: Vec<_> = PIECES.iter().enumerate().map(of).collect();
        asked(&repositories, &json!({}), |image, said| {
            let what = match role {
                "timestamp" => "InvalidSignature: ",
                _ => "InvalidMetadata: ",
            };
            assert!(said.starts_with(what), "{image}: {said}");
        });
    }
}

/// A repository in which `edit` changes what `role` has before it is signed.
fn edited(name: &str, role: &str, edit: impl FnOnce(&mut Value) + Send + 'static) -> TestRepository {
    let mut repository = repository(name);
    repository.sign_target("targets", "1", image_digest("a"));
    repository.edit(role, edit).publish(now());
    repository
}

/// As many members of an object as fit into a file, with short names.
fn entries() -> usize {
    if is_soak() { 700_000 } else { 300_000 }
}

/// So many members with short names, each with this value.
fn members(prefix: &str, count: usize, value: &Value) -> Map<String, Value> {
    (0..count).map(|n| (format!("{prefix}{n:x}"), value.clone())).collect()
}

#[test]
fn t36_a_snapshot_of_as_many_roles_as_fit_is_held_within_the_budget() {
    let of = |n: usize| {
        edited(&n.to_string(), "snapshot", |signed| {
            signed["meta"].as_object_mut().unwrap().extend(members("targets/", entries(), &json!(0)));
        })
    };
    let repositories: Vec<_> = (0..2).map(of).collect();
    asked(&repositories, &json!({}), |image, said| {
        assert!(said.starts_with("InvalidMetadata: "), "{image}: {said}");
        assert!(said.contains("more than 16384 roles"), "{image}: {said}");
    });
}

#[test]
fn t36_a_targets_file_of_as_many_empty_targets_as_fit_is_held_within_the_budget() {
    let of = |n: usize| {
        edited(&n.to_string(), "targets", |signed| {
            signed["targets"].as_object_mut().unwrap().extend(members("", entries(), &json!({})));
        })
    };
    let repositories: Vec<_> = (0..2).map(of).collect();
    asked(&repositories, &json!({}), |image, said| {
        assert!(said.starts_with("InvalidMetadata: "), "{image}: {said}");
        assert!(said.contains("more than 262144 targets"), "{image}: {said}");
    });
}

/// A repository of so many delegations, in each of which `list` makes those below it.
fn of_lists(name: &str, count: usize, list: impl Fn(&mut Value) + Send + Clone + 'static) -> TestRepository {
    let mut repository = repository(name);
    let key = TestKey::ecdsa();
    for n in 0..count {
        let role = format!("targets/r{n}");
        repository.delegate(&role, &[&key]).delegate(&format!("{role}/a"), &[&key]);
        repository.sign_target(&role, "1", image_digest("a"));
        let list = list.clone();
        repository.edit(&role, move |signed| list(&mut signed["delegations"]));
    }
    repository.publish(now());
    repository
}

/// The roles of a delegations field: so many, each as `role` with its own name.
fn roles(delegations: &mut Value, count: usize, role: &Value) {
    let parent = delegations["roles"][0]["name"].as_str().unwrap().trim_end_matches("/a").to_owned();
    let one = |n: usize| {
        let mut role = role.clone();
        role["name"] = format!("{parent}/{n}").into();
        role
    };
    delegations["roles"] = (0..count).map(one).collect();
}

#[test]
fn t36_key_ids_and_paths_of_many_roles_are_held_within_the_budget() {
    let ids = of_lists("ids", 6, |delegations| {
        let key = delegations["keys"].as_object().unwrap().values().next().unwrap().clone();
        let ids: Vec<_> = (0..256).map(|n| format!("{n:x}")).collect();
        delegations["keys"] = ids.iter().map(|id| (id.clone(), key.clone())).collect::<Map<_, _>>().into();
        roles(delegations, 1024, &json!({"keyids": ids, "paths": [], "threshold": 1}));
    });
    let paths = of_lists("paths", 32, |delegations| {
        let keys: Vec<_> = delegations["keys"].as_object().unwrap().keys().cloned().collect();
        let paths: Vec<_> = (0..4096).map(|n| format!("{n:x}")).collect();
        roles(delegations, 16, &json!({"keyids": keys, "paths": paths, "threshold": 1}));
    });
    for (repository, count) in [(ids, 6), (paths, 32)] {
        let required: Vec<_> = (0..count).map(|n| json!({"role": format!("targets/r{n}")})).collect();
        asked(&[repository], &json!({"requiredDelegations": required}), |image, said| {
            assert!(said.starts_with("InvalidMetadata: "), "{image}: {said}");
            let what = "exceeds the limit of 33554432 bytes of memory of its roles";
            assert!(said.contains(what), "{image}: {said}");
        });
    }
}

#[test]
fn t36_long_strings_deep_levels_and_large_numbers_are_refused() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let signed = |x: &str| format!(r#"{{"signed":{{"_type":"Targets","x":{x}}},"signatures":[]}}"#);
    let bytes = file();
    let long = "x".repeat(bytes);
    let repositories = [
        ("deep", signed(&deep(bytes / 2))),
        ("half-deep", signed(&"[".repeat(bytes))),
        ("number", signed(&"9".repeat(bytes))),
        ("string", format!(r#"{{"signed":{{"_type":"{long}"}},"signatures":[]}}"#)),
        ("escaped", format!(r#"{{"signed":{{"_type":"{}"}},"signatures":[]}}"#, r"\u0041".repeat(bytes / 6))),
        ("name", format!(r#"{{"signed":{{"{long}":0}},"signatures":[]}}"#)),
        ("same", format!(r#"{{"signed":{{{}"a":0}},"signatures":[]}}"#, r#""a":0,"#.repeat(bytes / 6))),
        ("signatures", format!(r#"{{"signed":{{}},"signatures":{}}}"#, items("{}", bytes))),
        (
            "keyid",
            format!(r#"{{"signed":{{}},"signatures":[{{"keyid":"{long}","method":"ecdsa","sig":""}}]}}"#),
        ),
        ("outside", format!(r#"{{"signed":{{}},"signatures":[],"x":{}}}"#, items("[]", bytes))),
        ("spaces", " ".repeat(bytes)),
        ("binary", "\u{0}".repeat(bytes)),
    ];
    let repositories: Vec<_> =
        repositories.into_iter().map(|(name, text)| stuffed(name, "targets", text)).collect();
    // The others are read, and nobody signed them.
    let unreadable = ["deep", "half-deep", "same", "signatures", "outside", "spaces", "binary"];
    asked(&repositories, &json!({}), |image, said| {
        let is_unreadable = unreadable.iter().any(|name| *image == format!("{}:1", gun(name)));
        let reason = if is_unreadable { "InvalidMetadata: " } else { "InvalidSignature: " };
        assert!(said.starts_with(reason), "{image}: {said}");
        assert!(said.len() < 4_000, "{image}: {} bytes", said.len());
    });
}

#[test]
fn t36_keys_that_are_as_large_as_they_may_be_are_read_within_the_budget() {
    // A key is read where a role names it, so all of them are named.
    let repository = edited("keys", "targets", |signed| {
        let public = crate::support::signer::base64(&vec![b'x'; 200 << 10]);
        let key = json!({"keytype": "ecdsa-x509", "keyval": {"private": null, "public": public}});
        let ids: Vec<_> = (0..40).map(|n| format!("{n:064x}")).collect();
        signed["delegations"] = json!({
            "keys": ids.iter().map(|id| (id.clone(), key.clone())).collect::<Map<_, _>>(),
            "roles": (0..1024).map(|n| json!({
                "name": format!("targets/r{n}"), "keyids": ids, "paths": [""], "threshold": 1,
            })).collect::<Vec<_>>(),
        });
    });
    asked(&[repository], &json!({}), |image, said| {
        assert!(said.starts_with("NotSealed: "), "{image}: {said}");
    });
}

/// A repository of several large files, all of it signed.
fn heavy(name: &str) -> TestRepository {
    const LARGE: usize = 4 << 20;
    let mut repository = repository(name);
    let key = TestKey::ecdsa();
    let roles = ["targets/a", "targets/b", "targets/c"];
    for role in roles {
        repository.delegate(role, &[&key]).sign_target(role, "1", image_digest("a"));
    }
    for role in roles.into_iter().chain(["targets"]) {
        let filling = Value::from("x".repeat(LARGE));
        repository.edit(role, move |signed| signed["x"] = filling);
    }
    repository.publish(now());
    repository
}

#[test]
fn t37_large_repositories_of_three_servers_are_read_within_the_budget() {
    let required = json!({"requiredDelegations": [
        {"role": "targets/a"}, {"role": "targets/b"}, {"role": "targets/c"},
    ]});
    let repository = heavy("heavy");
    let servers: Vec<_> = (0..3).map(|_| Hostile::serving([&repository])).collect();
    let of = |(n, server): (usize, &Hostile)| {
        let mut policy = trusting(&repository, server.url(), &required);
        policy["metadata"]["name"] = format!("heavy-{n}").into();
        policy
    };
    let policies: Vec<_> = servers.iter().enumerate().map(of).collect();
    Process::start(&policies).attacked(async |process| {
        let image = format!("{}@{}", repository.gun(), image_digest("a"));
        assert_eq!(process.decided(&image).await, "Admitted");
    });
}
