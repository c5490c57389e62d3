//! Several holders of the root key and of the repository key, at a real notary-server, with the real `notary` as a client.

use crate::harness::Hand::{Notary, Tagseal};
use crate::harness::*;

/// One desk has something signed by others, who sign without a server, each a copy; and publishes it.
#[track_caller]
pub(super) fn together(desk: &Desk, others: &[&Desk], role: &str, command: &str, name: &str) {
    let begun = desk.tagseal(&format!("{command} --pending {name}.json")).passes();
    assert!(begun.starts_with("Begun, and nothing is published yet: "), "{begun}");
    let mut copies = String::new();
    for (number, other) in others.iter().enumerate() {
        let copy = format!("{name}-{number}.json");
        let offline = (*other).clone().with_server("http://127.0.0.1:1");
        offline.tagseal(&format!("sign-offline ../{name}.json --to ../{copy} --yes")).passes();
        copies.push_str(&format!(" --pending {copy}"));
    }
    let published = desk.tagseal(&format!("witness {role} WEB{copies} --yes")).passes();
    assert!(published.starts_with("Signed and published what was begun of "), "{published}");
}

#[test]
fn a_lost_root_key_is_replaced_by_two_of_three_holders_and_real_clients_follow() {
    let alice = Desk::new("holders");
    let [bob, carol, dave, reader] = ["bob", "carol", "dave", "reader"].map(|name| alice.neighbour(name));
    alice.tagseal("init WEB").passes();
    alice.sign(Tagseal, &["targets"], "1");
    // Whoever has seen the first root follows each of the next ones.
    reader.shows(&[("targets", "1")]);
    let first = alice.keys_of("root")[0].clone();
    for (holder, name) in [(&bob, "bob"), (&carol, "carol"), (&dave, "dave")] {
        holder.tagseal(&format!("key certificate WEB -o ../{name}.crt")).passes();
    }
    let all = |tags: &[(&str, &str)]| {
        alice.shows(tags);
        reader.shows(tags);
        // A consumer that pins the first root key alone, and has seen nothing before.
        let pinned = alice.neighbour("pinned").tagseal(&format!("inspect WEB --root-key {first}")).passes();
        assert!(pinned.contains("Signatures for "), "{pinned}");
    };

    // Two of three.
    let three = "rotate root WEB --threshold 2 --add-key bob.crt --add-key carol.crt";
    together(&alice, &[&bob], "root", three, "three");
    let root = alice.inspection()["root"].clone();
    assert_eq!((root["threshold"].as_u64(), root["keyIDs"].as_array().map(Vec::len)), (Some(2), Some(3)));
    all(&[("targets", "1")]);
    alice.sign(Notary, &["targets"], "2");
    all(&[("targets", "1"), ("targets", "2")]);

    // The real client, with one of the three keys, gets nowhere.
    let alone = alice.twin("alone").notary("key rotate WEB root");
    assert_eq!(alone.code, Some(1), "{}{}", alone.out, alone.errors);
    all(&[("targets", "1"), ("targets", "2")]);

    // The first key is lost: the two others put Dave in its place. Alice's machine has the network and no root key.
    alice.tagseal(&format!("key remove {first} --yes")).passes();
    let replace = format!("rotate root WEB --remove-key {first} --add-key dave.crt");
    together(&alice, &[&bob, &carol], "root", &replace, "lost");
    let root = alice.inspection()["root"].clone();
    assert!(!root["keyIDs"].as_array().expect("keys").iter().any(|id| *id == first.as_str()), "{root}");
    all(&[("targets", "1"), ("targets", "2")]);

    // The server's key, and then back to one holder.
    together(&alice, &[&dave, &carol], "root", "rotate timestamp WEB", "timestamp");
    all(&[("targets", "1"), ("targets", "2")]);
    let one = format!(
        "rotate root WEB --threshold 1 --remove-key {} --remove-key {}",
        bob.keys_of("root")[0],
        dave.keys_of("root")[0]
    );
    together(&alice, &[&dave, &carol], "root", &one, "one");
    alice.sign(Tagseal, &["targets"], "3");
    all(&[("targets", "1"), ("targets", "2"), ("targets", "3")]);
    carol.rotate(Tagseal, "root");
    all(&[("targets", "1"), ("targets", "2"), ("targets", "3")]);
}

#[test]
fn the_repository_key_may_take_two_holders() {
    let alice = Desk::new("two-holders");
    let [bob, reader] = ["bob", "reader"].map(|name| alice.neighbour(name));
    alice.tagseal("init WEB").passes();
    alice.sign(Tagseal, &["targets"], "1");
    reader.shows(&[("targets", "1")]);
    bob.tagseal("key generate bob --dir ..").passes();
    together(&alice, &[&bob], "targets", "rotate targets WEB --threshold 2 --add-key bob.pub", "both");
    reader.shows(&[("targets", "1")]);
    // Neither program signs with one of the two keys.
    let refused = alice.tagseal(&sign_args("2")).fails(2);
    assert!(refused.contains("insufficient signatures for targets: 2 keys have to sign"), "{refused}");
    let twin = alice.twin("alone");
    let hex = digest_of("2");
    twin.notary(&format!("addhash WEB 2 528 --sha256 {}", hex.trim_start_matches("sha256:"))).passes();
    let alone = twin.notary("publish WEB");
    assert_eq!(alone.code, Some(1), "{}{}", alone.out, alone.errors);
    reader.shows(&[("targets", "1")]);

    together(&alice, &[&bob], "targets", &sign_args("2"), "tag");
    alice.shows(&[("targets", "1"), ("targets", "2")]);
    reader.shows(&[("targets", "1"), ("targets", "2")]);
    // The root's key alone takes it back.
    alice.tagseal("rotate targets WEB --threshold 1").passes();
    alice.sign(Tagseal, &["targets"], "3");
    reader.shows(&[("targets", "1"), ("targets", "2"), ("targets", "3")]);
}
