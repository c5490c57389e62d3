//! Several holders of the root's key, and of the repository key, who sign on machines of their own, without a network too.

use serde_json::Value;

use super::life::released;
use super::run::{Ended, Machine, REPOSITORY, digest, trust_server};
use crate::support::trust_server::TrustServer;

/// A machine without a server's address.
fn offline() -> Machine {
    Machine::new()
        .with("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "root passphrase")
        .with("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "repository passphrase")
}

/// Carries a file from one machine to another.
fn carry(from: &Machine, to: &Machine, name: &str) {
    std::fs::copy(from.file(name), to.file(name)).unwrap();
}

fn root_key(machine: &Machine) -> String {
    let keys = machine.trust("key list -o json").json();
    let root = keys.as_array().unwrap().iter().find(|key| key["role"] == "root").unwrap();
    root["keyID"].as_str().unwrap().to_owned()
}

/// Makes a root key there, and brings its certificate.
fn certificate(from: &Machine, to: &Machine, name: &str) -> String {
    let said = from.trust(&format!("key certificate {REPOSITORY} -o {name}.crt")).done();
    let id = root_key(from);
    assert!(
        said.starts_with(&format!(
            "Wrote a certificate of the new root key {id} for {REPOSITORY} to {name}.crt\n"
        )),
        "{said}"
    );
    carry(from, to, &format!("{name}.crt"));
    id
}

struct Holders {
    _server: TrustServer,
    alice: Machine,
    bob: Machine,
    carol: Machine,
    /// Their root keys.
    ids: [String; 3],
}

/// A repository whose root takes two of three holders: Alice has the network, and the other two have none.
fn two_of_three() -> Holders {
    let server = trust_server();
    let [alice, bob, carol] = [Machine::of_publisher(&server), offline(), offline()];
    alice.trust(&format!("init {REPOSITORY}")).done();
    alice.sign("1", "1");
    let ids = [root_key(&alice), certificate(&bob, &alice, "bob"), certificate(&carol, &alice, "carol")];
    let [a, b, c] = &ids;
    let rotate = format!("rotate root {REPOSITORY} --threshold 2 --add-key bob.crt --add-key carol.crt");
    let error = alice.trust(&rotate).failed(2);
    assert_eq!(
        error,
        format!(
            "tagseal: insufficient signatures for root: 2 keys have to sign, of which {a} is here, and {b}, {c} not; nothing was \
             published. Sign with `--pending FILE` what can be signed here, and hand the file to whoever has a missing key: \
             `tagseal trust witness root {REPOSITORY} --pending FILE` adds a signature, and publishes when there are enough\n"
        )
    );
    let begun = alice.trust(&format!("{rotate} --pending root.json"));
    assert_eq!(
        begun.done(),
        "Begun, and nothing is published yet: 1 of 2 signatures of root, in root.json\n"
    );
    assert_eq!(
        begun.errors(),
        format!(
            "warning: hand root.json to 1 of those who have {b}, {c}, who signs and publishes it with `tagseal trust witness root \
             {REPOSITORY} --pending FILE`; without a network, `tagseal trust sign-offline FILE` signs it\n"
        )
    );
    assert_eq!(quorum(&alice), (1, 1));
    carry(&alice, &bob, "root.json");
    bob.trust("sign-offline root.json --yes").done();
    carry(&bob, &alice, "root.json");
    let published = alice.trust(&format!("witness root {REPOSITORY} --pending root.json --yes")).done();
    assert!(
        published.starts_with(&format!("Signed and published what was begun of {REPOSITORY}\n")),
        "{published}"
    );
    assert_eq!(quorum(&alice), (2, 3));
    Holders { _server: server, alice, bob, carol, ids }
}

/// How many of how many root keys have to sign.
fn quorum(machine: &Machine) -> (u64, usize) {
    let root = machine.trust(&format!("inspect {REPOSITORY} -o json")).json()["root"].clone();
    (root["threshold"].as_u64().unwrap(), root["keyIDs"].as_array().unwrap().len())
}

/// Begins something at Alice's, has it signed by another holder without a network, and publishes it.
fn together(holders: &Holders, other: &Machine, command: &str, name: &str) -> Ended {
    let Holders { alice, .. } = holders;
    alice.trust(&format!("{command} --pending {name}")).done();
    carry(alice, other, name);
    other.trust(&format!("sign-offline {name} --yes")).done();
    carry(other, alice, name);
    let pending: Value = serde_json::from_str(&std::fs::read_to_string(alice.file(name)).unwrap()).unwrap();
    let role = pending["roles"].as_object().unwrap().keys().next().unwrap().clone();
    alice.trust(&format!("witness {role} {REPOSITORY} --pending {name} --yes"))
}

#[test]
fn one_of_three_lost_root_keys_is_replaced_by_the_two_others() {
    let holders = two_of_three();
    let Holders { alice, bob, carol, ids: [a, b, c], .. } = &holders;
    let text = alice.trust(&format!("inspect {REPOSITORY}")).done();
    assert!(text.contains(&format!("Root Key:         {a}, {b}, {c} (2 of 3 have to sign)")), "{text}");

    // Carol's key is lost: Dave takes her place.
    let dave = offline();
    let d = certificate(&dave, alice, "dave");
    let rotate = format!("rotate root {REPOSITORY} --remove-key {c} --add-key dave.crt", c = &c[..12]);
    alice.trust(&format!("{rotate} --pending lost.json")).done();
    carry(alice, bob, "lost.json");
    // Bob signed the root before, and so knows what this follows.
    let shown = bob.trust("sign-offline lost.json").failed(2);
    for line in [
        format!("To be signed for {REPOSITORY}:\n"),
        "  root version 3, which expires at 20".to_owned(),
        format!("    - root key {c} (certificate "),
        format!("    + root key {d} (certificate "),
        "    root: 2 of 3 keys have to sign (before: 2 of 3 keys have to sign)".to_owned(),
        format!("    signed so far by: {a}\n"),
        format!("    to be signed here with: {b}\n"),
        "It follows the root of version 2, which keys of version 1, the one in this trust directory, signed."
            .to_owned(),
        "Sign it? There is no terminal to confirm this on: say --yes".to_owned(),
    ] {
        let line = line.trim_start();
        assert!(shown.contains(line), "{line:?} is not in {shown}");
    }
    let said = bob.trust("sign-offline lost.json --yes --to signed.json").done();
    assert!(
        said.ends_with(&format!(
            "Signed with {b}, in signed.json\nIt has all signatures: where there is a network, `tagseal trust witness root {REPOSITORY} \
             --pending FILE` publishes it\n"
        )),
        "{said}"
    );
    carry(bob, alice, "signed.json");
    // What Alice began, and what Bob signed, are two copies of the same.
    alice.trust(&format!("witness root {REPOSITORY} --pending lost.json --pending signed.json --yes")).done();
    let root = alice.trust(&format!("inspect {REPOSITORY} -o json")).json()["root"].clone();
    let keys: Vec<&str> = root["keyIDs"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!((keys.len(), keys.contains(&d.as_str()), keys.contains(&c.as_str())), (3, true, false));
    assert_eq!(released(alice), ["1: (Repo Admin)"]);

    // It is signed once: the same file again is over, for everybody.
    let again = alice.trust(&format!("witness root {REPOSITORY} --pending signed.json --yes")).failed(2);
    assert!(
        again.contains(
            "it is version 3, and the server has version 3 by now (it is published already); begin anew"
        ),
        "{again}"
    );
    carry(alice, &dave, "signed.json");
    let error = dave.trust("sign-offline signed.json --yes").done();
    assert!(error.contains(&format!("Signed with {d}")), "{error}");
    let error = carol.trust("sign-offline root.json --yes").failed(2);
    assert!(error.contains("cannot read root.json"), "{error}");

    // Every other change of the root goes the same way, and back to one holder.
    together(&holders, bob, &format!("rotate timestamp {REPOSITORY}"), "timestamp.json").done();
    together(&holders, bob, &format!("rotate snapshot --server-managed {REPOSITORY}"), "snapshot.json")
        .done();
    together(&holders, bob, &format!("rotate targets {REPOSITORY}"), "targets.json").done();
    together(&holders, bob, &format!("witness root {REPOSITORY}"), "again.json").done();
    alice.sign("2", "2");
    let one = format!("rotate root {REPOSITORY} --threshold 1 --remove-key {b} --remove-key {d}");
    together(&holders, bob, &one, "one.json").done();
    assert_eq!(quorum(alice), (1, 1));
    alice.trust(&format!("rotate root {REPOSITORY}")).done();
    assert_eq!(released(alice), ["1: (Repo Admin)", "2: (Repo Admin)"]);
}

#[test]
fn what_cannot_be_is_refused_and_what_changes_nothing_is_said() {
    let holders = two_of_three();
    let Holders { alice, bob, ids: [a, b, c], .. } = &holders;
    let rotate = |more: &str| alice.trust(format!("rotate root {REPOSITORY} {more}").trim_end());
    let none = "0000000000000000000000000000000000000000000000000000000000000000";
    bob.trust("key generate bob").done();
    carry(bob, alice, "bob.pub");
    let bare = bob.trust("key list -o json").json();
    let bare = bare.as_array().unwrap().iter().find(|key| key["role"] == "bob").unwrap()["keyID"].clone();
    for (more, expected) in [
        ("--threshold 4", "root would have 3 distinct keys, and 4 have to sign it, so nobody could: add keys first, or lower the threshold".to_owned()),
        (&format!("--remove-key {a} --remove-key {b} --remove-key {c}"), "root would have 0 distinct keys, and 2 have to sign it, so nobody could: add keys first, or lower the threshold".to_owned()),
        (&format!("--remove-key {a} --remove-key {b}"), "root would have 1 distinct keys, and 2 have to sign it, so nobody could: add keys first, or lower the threshold".to_owned()),
        (&format!("--remove-key {none}"), format!("{none} is no key of root; its keys are {a}, {b}, {c}")),
        ("--remove-key 00000000", format!("\"00000000\" is no key of root: its keys are {a}, {b}, {c}")),
        ("--add-key bob.pub", format!(
            "{} cannot be a root key of {REPOSITORY}: a root key is listed by a certificate, and this is a bare key. Its holder makes \
             the certificate with `tagseal trust key certificate {REPOSITORY} -o FILE`, and hands you that file", bare.as_str().unwrap())),
        (&format!("--add-key bob.crt --remove-key {b}"), format!(
            "{b} is to be added and removed: say one of the two (a new certificate of a key takes the place of its old one by itself)")),
        ("", format!(
            "root of {REPOSITORY} has several keys, of which 2 have to sign: {a}, {b}, {c}. Say which goes and which comes: `tagseal trust \
             rotate root {REPOSITORY} --remove-key ID --add-key KEY`")),
    ] {
        assert_eq!(rotate(more).failed(2), format!("tagseal: {expected}\n"), "{more}");
    }
    let error = rotate("--threshold 0").failed(2);
    assert!(error.contains("0 is not in 1.."), "{error}");
    let same = rotate(&format!("--threshold 2 --add-key bob.crt --add-key {a}")).done();
    assert_eq!(
        same,
        format!(
            "Nothing was changed: the root keys of {REPOSITORY}, and how many of them have to sign, are that already\n"
        )
    );
    // A key under another certificate is the same key: it counts once.
    bob.trust(&format!("key certificate {b} {REPOSITORY} -o again.crt")).done();
    carry(bob, alice, "again.crt");
    let error = rotate("--add-key again.crt --threshold 4").failed(2);
    assert!(error.contains("root would have 3 distinct keys"), "{error}");
    for (role, more, expected) in [
        (
            "timestamp",
            "--threshold 2",
            "--threshold, --add-key and --remove-key are for root and targets: a server signs timestamp with one key",
        ),
        (
            "targets/releases",
            "--threshold 2",
            "the keys and the threshold of a delegation are changed by `tagseal trust delegation add targets/releases registry.test/shop/web` and `tagseal trust delegation remove targets/releases registry.test/shop/web`",
        ),
    ] {
        let error = alice.trust(&format!("rotate {role} {REPOSITORY} {more}")).failed(2);
        assert_eq!(error, format!("tagseal: {expected}\n"));
    }
    // A certificate of another repository stands for that one alone.
    bob.trust(&format!("key certificate {b} registry.test/other -o other.crt")).done();
    carry(bob, alice, "other.crt");
    let error = rotate("--add-key other.crt").failed(2);
    assert!(error.contains(&format!("{b} cannot be a root key of {REPOSITORY}: ")), "{error}");
    assert_eq!(quorum(alice), (2, 3));
    // A renewal says who else has to act, and how they begin.
    let table = alice.trust(&format!("renew {REPOSITORY} --within 4000d")).done();
    let who = format!("whoever has 1 of {b}, {c}: `tagseal trust witness root {REPOSITORY} --pending FILE`");
    assert!(table.contains(&who), "{table}");
}

#[test]
fn a_file_that_is_not_what_it_says_is_signed_by_nobody() {
    let holders = two_of_three();
    let Holders { alice, bob, carol, ids: [_, b, c], .. } = &holders;
    alice.trust(&format!("rotate root {REPOSITORY} --threshold 3 --pending three.json")).done();
    let text = std::fs::read_to_string(alice.file("three.json")).unwrap();
    let begun: Value = serde_json::from_str(&text).unwrap();
    let engine = base64::engine::general_purpose::STANDARD;
    let changed = |part: &str, change: &dyn Fn(String) -> String| {
        use base64::Engine as _;
        let mut changed = begun.clone();
        let file = engine.decode(changed[part]["root"].as_str().unwrap()).unwrap();
        changed[part]["root"] = engine.encode(change(String::from_utf8(file).unwrap())).into();
        changed.to_string()
    };
    let nothing = "nothing is signed for registry.test/shop/web: ";
    for (written, expected) in [
        (
            changed("roles", &|file| file.replace("\"threshold\":3", "\"threshold\":2")),
            "does not fit what the file says, so one of the two was changed afterwards",
        ),
        (
            changed("roles", &|file| file.replace("\"threshold\":3", "\"threshold\":9")),
            "it lists 3 keys of root, of which 9 have to sign",
        ),
        (
            changed("roles", &|file| file.replace("\"version\":3", "\"version\":5")),
            "does not fit what the file says, so one of the two was changed afterwards",
        ),
        (
            changed("before", &|file| file.replace("\"threshold\":2", "\"threshold\":1")),
            "the root that it says was published before is not signed by enough of its own keys",
        ),
        (text.replace("shop/web", "shop/other"), "its root key"),
        ("{}".to_owned(), "it is no file of pending signatures: "),
        (
            {
                let mut none = begun.clone();
                none.as_object_mut().unwrap().remove("before");
                none.to_string()
            },
            "it does not say which root was published before",
        ),
        (" ".repeat((32 << 20) + 1), "it is larger than 33554432 bytes"),
    ] {
        std::fs::write(bob.file("forged.json"), &written).unwrap();
        let error = bob.trust("sign-offline forged.json --yes").failed(2);
        assert!(error.contains(expected), "{expected:?} is not in {error}");
        assert_eq!(std::fs::read_to_string(bob.file("forged.json")).unwrap(), written, "nothing is written");
    }
    // Of what was signed meanwhile by others a root follows that is another one.
    for holder in [bob, carol] {
        carry(alice, holder, "three.json");
        holder.trust("sign-offline three.json --yes").done();
    }
    carry(bob, alice, "three.json");
    std::fs::copy(carol.file("three.json"), alice.file("carol.json")).unwrap();
    // Of three signatures Bob's copy has two, and Carol's the third.
    let witness = format!("witness root {REPOSITORY} --yes --pending three.json");
    let said = alice.trust(&witness);
    assert_eq!(
        said.done(),
        "Begun, and nothing is published yet: 2 of 3 signatures of root, in three.json\n"
    );
    assert!(
        said.errors().contains(&format!("hand three.json to whoever has {c}, who signs")),
        "{}",
        said.errors()
    );
    alice.trust(&format!("rotate root {REPOSITORY} --threshold 1 --pending late.json")).done();
    let error = alice.trust(&format!("{witness} --pending late.json")).failed(2);
    assert_eq!(
        error,
        "tagseal: late.json: it is not about the same as the file before it: it says something else of root; merge only copies of one file\n"
    );
    alice.trust(&format!("{witness} --pending carol.json")).done();
    assert_eq!(quorum(alice), (3, 3));
    // What was begun before that is over: at the server, and for a holder who has seen what came after it.
    let error = alice.trust(&format!("witness root {REPOSITORY} --yes --pending late.json")).failed(2);
    assert!(error.contains("it is version 3, and the server has version 3 by now; begin anew"), "{error}");
    alice.trust(&format!("rotate root {REPOSITORY} --threshold 2 --pending two.json")).done();
    carry(alice, bob, "two.json");
    bob.trust("sign-offline two.json --yes").done();
    carry(alice, bob, "late.json");
    let error = bob.trust("sign-offline late.json --yes").failed(2);
    assert!(
        error.starts_with(&format!("tagseal: {nothing}it follows the root of version 2, and ")),
        "{error}"
    );
    assert!(
        error.contains(" has version 3 already: it is superseded; have it begun anew with `--pending`"),
        "{error}"
    );
    // Whoever has no key of it, or signed already, adds nothing.
    let error = bob.trust("sign-offline two.json --yes").failed(2);
    assert!(
        error.contains("no key is here that could add a signature: signed by ") && error.contains(b),
        "{error}"
    );
}

#[test]
fn the_repository_key_may_have_two_holders_too() {
    let server = trust_server();
    let [alice, bob] = [Machine::of_publisher(&server), offline()];
    alice.trust(&format!("init {REPOSITORY}")).done();
    bob.trust("key generate bob").done();
    carry(&bob, &alice, "bob.pub");
    let both = format!("rotate targets {REPOSITORY} --threshold 2 --add-key bob.pub");
    let begun = alice.trust(&format!("{both} --pending both.json"));
    assert_eq!(
        begun.done(),
        "Begun, and nothing is published yet: 1 of 2 signatures of targets, in both.json\n"
    );
    carry(&alice, &bob, "both.json");
    let shown = bob.trust("sign-offline both.json --yes").done();
    assert!(shown.contains("targets: 2 of 2 keys have to sign (before: its one key has to sign)"), "{shown}");
    assert!(
        shown.contains("This trust directory has no root of registry.test/shop/web to compare with."),
        "{shown}"
    );
    carry(&bob, &alice, "both.json");
    alice.trust(&format!("witness targets {REPOSITORY} --pending both.json --yes")).done();
    let targets = |machine: &Machine| {
        let roles = machine.trust(&format!("inspect {REPOSITORY} -o json")).json()["roles"].clone();
        let role = roles.as_array().unwrap().iter().find(|role| role["name"] == "targets").unwrap().clone();
        (role["threshold"].as_u64().unwrap(), role["signedBy"].as_array().unwrap().len())
    };
    assert_eq!(targets(&alice), (2, 2));

    // A tag takes both, and so does whoever signs besides.
    let sign = format!("sign {REPOSITORY}:1 --digest {} --size 5", digest("1"));
    assert!(
        alice.trust(&sign).failed(2).contains("insufficient signatures for targets: 2 keys have to sign")
    );
    alice.trust("key generate dev").done();
    for (command, name) in [
        (sign, "tag.json"),
        (format!("signer add --key dev.pub dev {REPOSITORY}"), "signer.json"),
        (format!("delegation add targets/qa {REPOSITORY} --key dev.pub"), "qa.json"),
        (format!("delegation remove targets/qa {REPOSITORY} --yes"), "no-qa.json"),
        (format!("witness targets {REPOSITORY}"), "witness.json"),
    ] {
        let begun = alice.trust(&format!("{command} --pending {name}")).done();
        assert!(
            begun.starts_with("Begun, and nothing is published yet: 1 of 2 signatures of targets"),
            "{begun}"
        );
        carry(&alice, &bob, name);
        bob.trust(&format!("sign-offline {name} --yes")).done();
        carry(&bob, &alice, name);
        alice.trust(&format!("witness targets {REPOSITORY} --pending {name} --yes")).done();
    }
    assert_eq!(released(&alice), ["1: (Repo Admin)"]);
    // Back to one: the root's key alone decides that.
    alice.trust(&format!("rotate targets {REPOSITORY} --threshold 1")).done();
    alice.sign("2", "2");
}
