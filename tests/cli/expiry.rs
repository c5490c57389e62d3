//! Roles that ended, or end soon, as those see them who publish and those who look.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use tagseal::clock::{Clock as _, ManualClock, SystemClock};
use tagseal::publish::operation::Operation;
use tagseal::sandbox::server::NotaryServer;

use super::run::{Machine, REPOSITORY, digest, policy};
use crate::support::days;
use crate::support::deal::{add, delegate, init};
use crate::support::past::{Past, ROLE_DAYS};
use crate::support::trust_server::TrustServer;

/// A trust server that was there in the past.
pub struct Times {
    clock: ManualClock,
    pub server: TrustServer,
}

impl Times {
    pub fn new() -> Self {
        let clock = ManualClock::at(SystemClock.now());
        let server = NotaryServer::new(None, Arc::new(clock.clone())).unwrap();
        Self { clock, server: TrustServer::serve(server.router()) }
    }

    /// Publishes from the machine as of so many days ago; when the roles end that it signed.
    pub fn published(&self, machine: &Machine, ago: i64, gun: &str, operations: &[Operation]) -> Timestamp {
        let now = SystemClock.now();
        self.clock.set(now - days(ago));
        let past = Past {
            server: self.server.url(),
            trust_dir: &machine.file(".docker/trust"),
            passphrase: |role| if role == "root" { "root passphrase" } else { "repository passphrase" },
            now: now - days(ago),
        };
        past.publish(gun, operations);
        self.clock.set(now);
        (now + days(ROLE_DAYS - ago)).round(jiff::Unit::Second).unwrap()
    }
}

fn sign(tag: &str) -> String {
    format!("sign {REPOSITORY}:{tag} --digest {} --size 500", digest(tag))
}

pub fn listed(tag: &str) -> Operation {
    let Operation::AddTarget { roles, name, digest, .. } = add(tag, tag, &[]) else { unreachable!() };
    Operation::AddTarget { roles, name, digest, length: 500 }
}

#[test]
fn a_nightly_sign_of_the_same_digest_renews_what_ends_within_six_months() {
    let times = Times::new();
    let machine = Machine::of_publisher(&times.server);
    times.published(&machine, ROLE_DAYS - 100, REPOSITORY, &[init(), listed("1.0")]);
    let renewed = machine.trust(&sign("1.0"));
    let expected = format!("Signed {REPOSITORY}:1.0@{}\n  targets   version 2, renewed\n", digest("1.0"));
    assert_eq!((renewed.done(), renewed.errors()), (expected, String::new()));
    let again = machine.trust(&format!("{} -o json", sign("1.0"))).json();
    assert_eq!(again["published"], json!([]));
    times.published(&machine, ROLE_DAYS - 100, "registry.test/other", &[init(), listed("1.0")]);
    let line = format!("sign registry.test/other:1.0 --digest {} --size 500 -o json", digest("1.0"));
    let renewed = machine.trust(&line).json();
    assert_eq!(renewed["published"], json!([{"role": "targets", "version": 2, "renewed": true}]));
}

#[test]
fn a_signer_below_an_expired_role_is_told_who_mends_it_and_the_status_is_1() {
    let times = Times::new();
    let (owner, jeff) = (Machine::of_publisher(&times.server), Machine::of_publisher(&times.server));
    jeff.trust("key generate jeff").done();
    let pem = std::fs::read_to_string(jeff.file("jeff.pub")).unwrap();
    let key = tagseal::publish::key::PublicForm::from_pem(&pem).unwrap();
    let both = ["targets/releases", "targets/jeff"].map(|role| delegate(role, &[&key], None, &[""]));
    let operations = [&[init()], &both[..]].concat();
    let ended = times.published(&owner, ROLE_DAYS + 1, REPOSITORY, &operations);
    let keys = owner.trust("key list -o json").json();
    let of = |role: &str| {
        keys.as_array().unwrap().iter().find(|key| key["role"] == role).unwrap()["keyID"].clone()
    };
    let (root, targets) = (of("root"), of("targets"));
    let (root, targets) = (root.as_str().unwrap(), targets.as_str().unwrap());

    let signed = jeff.trust(&sign("1.0"));
    let warning = format!(
        "warning: targets of {REPOSITORY} expired at {ended}, and clusters and clients deny all that is below it: whoever has \
         {targets} renews it with `tagseal trust witness targets {REPOSITORY}`\n"
    );
    let first_use = format!(
        "warning: this trust directory had never seen {REPOSITORY}, and believed the root that the server showed; its root \
         key is {root}: compare it with what the owner tells you\n"
    );
    assert_eq!(signed.failed(1), format!("{first_use}{warning}"));
    assert_eq!(
        signed.printed(),
        format!(
            "Signed {REPOSITORY}:1.0@{}, without effect\n  targets/jeff       version 1\n  targets/releases   version 1\n",
            digest("1.0")
        )
    );
    let again = jeff.trust(&format!("{} -o json", sign("1.0")));
    assert_eq!(again.failed(1), "");
    let again: serde_json::Value = serde_json::from_str(&again.printed()).unwrap();
    assert_eq!((&again["published"], &again["withoutEffect"]), (&json!([]), &json!(true)));

    std::fs::write(jeff.file("policy.json"), policy("p", times.server.url(), &json!({})).to_string())
        .unwrap();
    let verify = ["verify", &format!("{REPOSITORY}:1.0"), "--policy", "policy.json"];
    assert!(jeff.run(&verify).failed(1).is_empty());
    owner.trust(&format!("witness targets {REPOSITORY}")).done();
    jeff.run(&verify).done();
    let again = jeff.trust(&sign("1.0"));
    assert_eq!(
        again.done(),
        format!("Nothing was changed: {REPOSITORY}:1.0@{} is signed already\n", digest("1.0"))
    );
    assert_eq!(again.errors(), "");
}

/// The steps after a theft, three years after the last publish.
#[test]
fn whatever_an_owner_does_to_roles_is_done_over_an_expired_targets_and_renews_it() {
    let times = Times::new();
    let machine = Machine::of_publisher(&times.server);
    for name in ["jeff", "ann", "new"] {
        machine.trust(&format!("key generate {name}")).done();
    }
    let key = |name: &str| {
        let pem = std::fs::read_to_string(machine.file(&format!("{name}.pub"))).unwrap();
        tagseal::publish::key::PublicForm::from_pem(&pem).unwrap()
    };
    let (jeff, ann) = (key("jeff"), key("ann"));
    let operations = [
        init(),
        delegate("targets/releases", &[&jeff, &ann], None, &[""]),
        delegate("targets/jeff", &[&jeff], None, &[""]),
        delegate("targets/ann", &[&ann], None, &[""]),
        listed("1.0"),
    ];
    let short = &jeff.id().to_string()[..8];
    for (number, line) in [
        "signer remove jeff WEB".to_owned(),
        "signer add --key new.pub new WEB".to_owned(),
        "rotate delegation targets/jeff WEB --key new.pub".to_owned(),
        "rotate targets WEB".to_owned(),
        "rotate snapshot WEB".to_owned(),
        "delegation add targets/qa WEB --key new.pub".to_owned(),
        "delegation remove targets/jeff WEB --yes".to_owned(),
        format!("delegation remove targets/releases WEB --key {short}"),
        "revoke WEB:1.0".to_owned(),
        "witness targets/jeff WEB".to_owned(),
        "init WEB".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let web = format!("registry.test/{number}/web");
        times.published(&machine, ROLE_DAYS + 1, &web, &operations);
        let listed = machine.trust(&format!("delegation list {web} -o json")).json();
        assert_eq!(listed.as_array().unwrap().len(), 3, "{listed}");
        let inspect = format!("inspect {web}");
        let error = machine.trust(&inspect).failed(1);
        assert!(error.starts_with("Expired: "), "{error}");
        machine.trust(&line.replace("WEB", &web)).done();
        machine.trust(&inspect).done();
    }
}

#[test]
fn who_looks_sees_when_each_role_ends() {
    let times = Times::new();
    let machine = Machine::of_publisher(&times.server);
    let ends = times.published(&machine, 100, REPOSITORY, &[init(), listed("1.0")]);
    let text = machine.trust(&format!("inspect {REPOSITORY}")).done();
    let json = machine.trust(&format!("inspect {REPOSITORY} -o json")).json();
    let [root, snapshot, timestamp] =
        ["root", "snapshot", "timestamp"].map(|role| json[role]["expires"].as_str().unwrap().to_owned());
    let table = format!(
        "Base roles\n\nROLE        VERSION   EXPIRES\nroot        1         {root}\ntargets     1         {ends}\nsnapshot    \
         {}         {snapshot}\ntimestamp   {}         {timestamp}",
        json["snapshot"]["version"], json["timestamp"]["version"]
    );
    assert!(text.contains(&table), "{text}\n{table}");

    std::fs::write(machine.file("policy.json"), policy("p", times.server.url(), &json!({})).to_string())
        .unwrap();
    let image = format!("{REPOSITORY}:1.0");
    let verify = ["verify", &image, "--policy", "policy.json"];
    let text = machine.run(&verify).done();
    let line = format!("ends: root {root}, timestamp {timestamp}, snapshot {snapshot}, targets {ends}\n");
    assert!(text.ends_with(&line), "{text}");
    let json = machine.run(&[&verify[..], &["-o", "json"]].concat()).json();
    let expected =
        [("root", &root), ("timestamp", &timestamp), ("snapshot", &snapshot), ("targets", &ends.to_string())]
            .map(|(role, expires)| json!({"role": role, "expires": expires}));
    assert_eq!(json[0]["ends"], json!(expected));
}
