//! Roots that nobody pinned: whoever answers for the name of an image makes as many as it likes.

use bytes::Bytes;
use futures::future::join_all;
use serde_json::json;

use super::hostile::{Hostile, PIECES, gun, items, now, pinning};
use super::process::Process;
use crate::cli::run::policy;
use crate::support::TestKey;
use crate::support::random::is_soak;
use crate::support::signer::canonical;
use crate::support::trust_server::url_path;

/// No root lists it.
const KEY: &str = "5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f";

/// What a root may have in bytes.
const ROOT: usize = 1 << 20;

/// A root of its own key, signed by it, with `content` beside what a root has.
fn root(gun: &str, version: u64, content: &str) -> Bytes {
    let key = TestKey::root(gun, now());
    let json = String::from_utf8(canonical(&key.json())).unwrap();
    let id = key.id();
    let role = |name: &str| format!(r#""{name}":{{"keyids":["{id}"],"threshold":1}}"#);
    let roles = ["root", "snapshot", "targets", "timestamp"].map(role).join(",");
    let signed = format!(
        r#"{{"_type":"Root","consistent_snapshot":false,"expires":"2099-01-01T00:00:00Z","keys":{{"{id}":{json}}},"roles":{{{roles}}},"version":{version},"x":{content}}}"#
    );
    let signature = key.sign(signed.as_bytes()).json();
    format!(r#"{{"signed":{signed},"signatures":[{signature}]}}"#).into()
}

/// A server that has such a root for each of these names, and beside it a timestamp that nobody signed.
fn serving(contents: &[String]) -> Hostile {
    let of = |(n, content): (usize, &String)| {
        let gun = gun(&n.to_string());
        let timestamp = Bytes::from(r#"{"signed":{},"signatures":[]}"#);
        [(url_path(&gun, "root.json"), root(&gun, 1, content)), (url_path(&gun, "timestamp.json"), timestamp)]
    };
    Hostile::of(contents.iter().enumerate().flat_map(of))
}

/// What is said of an image of each of so many names, asked for at once.
async fn decided(process: &Process, names: usize) -> Vec<String> {
    let images: Vec<_> = (0..names).map(|n| format!("{}:1", gun(&n.to_string()))).collect();
    join_all(images.iter().map(|image| process.decided(image))).await
}

fn of_attacker(server: &str, first_use: bool) -> serde_json::Value {
    let images = json!({"include": ["registry.test/attacker/**"]});
    match first_use {
        true => policy("attacker", server, &json!({"images": images})),
        false => pinning("attacker", KEY, server, &json!({"images": images})),
    }
}

#[test]
fn t36_a_root_of_nested_empty_values_that_carries_no_pin_is_dropped() {
    let contents: Vec<_> = PIECES.iter().cycle().take(8).map(|piece| items(piece, ROOT - 10_000)).collect();
    let server = serving(&contents);
    Process::start(&[of_attacker(server.url(), false)]).attacked(async |process| {
        for said in decided(process, contents.len()).await {
            assert!(said.starts_with("RootMismatch: "), "{said}");
            assert!(said.contains("no pinned key is in the root role of version 1"), "{said}");
        }
    });
}

#[test]
fn t36_a_root_of_nested_empty_values_of_a_name_that_nobody_pinned_is_read_within_the_budget() {
    let contents: Vec<_> = PIECES.iter().cycle().take(8).map(|piece| items(piece, ROOT - 10_000)).collect();
    let server = serving(&contents);
    Process::start(&[of_attacker(server.url(), true)]).attacked(async |process| {
        for said in decided(process, contents.len()).await {
            // The root is sound, but nothing is under it.
            assert!(said.starts_with("InvalidSignature: "), "{said}");
            assert!(said.contains("timestamp metadata carries no signatures"), "{said}");
        }
    });
}

#[test]
fn t36_a_root_of_five_megabytes_is_not_read() {
    for first_use in [true, false] {
        let contents: Vec<_> = PIECES.iter().map(|piece| items(piece, 5 << 20)).collect();
        let server = serving(&contents);
        Process::start(&[of_attacker(server.url(), first_use)]).attacked(async |process| {
            for said in decided(process, contents.len()).await {
                assert!(said.starts_with("InvalidMetadata: "), "{said}");
                assert!(said.contains("larger than the 1048576 bytes"), "{said}");
            }
        });
    }
}

/// Versions of a root, each signed by another key, each of about so many bytes, of so many names.
fn chains(names: usize, versions: u64, bytes: usize) -> Hostile {
    let filling = items("[]", bytes - 4_000);
    let of = |n: usize| {
        let gun = gun(&n.to_string());
        let roots: Vec<_> = (1..=versions)
            .map(|version| (url_path(&gun, &format!("{version}.root.json")), root(&gun, version, &filling)))
            .collect();
        let (_, newest) = roots.last().unwrap().clone();
        roots.into_iter().chain([(url_path(&gun, "root.json"), newest)])
    };
    Hostile::of((0..names).flat_map(of))
}

#[test]
fn t37_sixty_four_self_signed_roots_of_the_largest_size_are_bounded_together() {
    let server = chains(4, 64, ROOT);
    Process::start(&[of_attacker(server.url(), false)]).attacked(async |process| {
        let image = format!("{}:1", gun("0"));
        let said = process.decided(&image).await;
        assert!(said.starts_with("InvalidMetadata: "), "{said}");
        assert!(said.contains("exceeds the limit of 16777216 bytes of root files"), "{said}");
        // And many names at once.
        for said in decided(process, 4).await {
            assert!(said.starts_with("InvalidMetadata: "), "{said}");
        }
    });
}

#[test]
fn t37_sixty_four_self_signed_roots_that_are_within_the_bound_lead_nowhere() {
    let server = chains(2, 70, if is_soak() { 240_000 } else { 60_000 });
    Process::start(&[of_attacker(server.url(), false)]).attacked(async |process| {
        for said in decided(process, 2).await {
            assert!(said.starts_with("RootMismatch: "), "{said}");
            assert!(said.contains("none of the versions 7 to 70 carries a pinned key"), "{said}");
        }
    });
}
