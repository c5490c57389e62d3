//! `tagseal trust move`, `promote` and `export`: from server to server, from name to name, to other tools.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};
use tagseal::clock::SystemClock;
use tagseal::publish::key::PublicForm;
use tagseal::sandbox::server::NotaryServer;

use super::expiry::{Times, listed};
use super::run::{Machine, REPOSITORY, digest, policy, trust_server};
use crate::support::deal::{delegate, init};
use crate::support::past::ROLE_DAYS;
use crate::support::trust_server::TrustServer;

const OTHER: &str = "registry.test/mirror/web";

fn move_line(from: &TrustServer, to: &TrustServer) -> String {
    format!("move {REPOSITORY} --from {} --to {}", from.url(), to.url())
}

fn version(server: &TrustServer, role: &str) -> u64 {
    server.signed(REPOSITORY, role)["version"].as_u64().unwrap()
}

fn file(server: &TrustServer, role: &str) -> bytes::Bytes {
    server.get(REPOSITORY, &format!("{role}.json")).body
}

#[test]
fn a_repository_is_moved_with_its_root_key_alone() {
    let (old, new) = (trust_server(), trust_server());
    let owner = Machine::of_publisher(&old);
    owner.sign("1.0", "1.0");
    owner.trust("key generate jeff").done();
    owner.trust(&format!("signer add --key jeff.pub jeff {REPOSITORY}")).done();
    owner.sign("1.1", "1.1");
    owner.trust(&format!("rotate root {REPOSITORY}")).done();

    // Somebody who has the root keys, and nothing else.
    let holder = Machine::of_publisher(&old);
    let keys = owner.trust("key list -o json").json();
    let private = ".docker/trust/private";
    holder.trust("key generate nobody").done();
    for key in keys.as_array().unwrap().iter().filter(|key| key["role"] == "root") {
        let name = format!("{private}/{}.key", key["keyID"].as_str().unwrap());
        std::fs::copy(owner.file(&name), holder.file(&name)).unwrap();
    }
    let planned = holder.trust(&format!("{} --dry-run -o json", move_line(&old, &new))).json();
    assert_eq!(new.get(REPOSITORY, "root.json").status, 404, "a dry run changes nothing");
    let moved = holder.trust(&format!("{} -o json", move_line(&old, &new))).json();
    assert_eq!((planned["status"].as_str(), moved["status"].as_str()), (Some("WouldMove"), Some("Moved")));
    for field in ["uploads", "roles", "snapshotIsLocal"] {
        assert_eq!(planned[field], moved[field], "{field}");
    }
    assert_eq!(moved["snapshotIsLocal"], false);
    for role in ["targets", "targets/jeff", "targets/releases"] {
        assert_eq!(file(&new, role), file(&old, role), "{role} is byte for byte what it was");
    }
    assert_eq!(version(&new, "root"), version(&old, "root") + 1);
    assert!(version(&new, "snapshot") > version(&old, "snapshot"));
    assert_eq!(version(&new, "timestamp"), version(&old, "timestamp") + 26);
    for role in ["timestamp", "snapshot"] {
        let listed = &new.signed(REPOSITORY, "root")["roles"][role]["keyids"];
        assert_ne!(*listed, old.signed(REPOSITORY, "root")["roles"][role]["keyids"]);
        let key = &new.key(REPOSITORY, role)["keyval"]["public"];
        let id = listed[0].as_str().unwrap();
        assert_eq!(new.signed(REPOSITORY, "root")["keys"][id]["keyval"]["public"], *key, "{role}");
    }

    // Signers go on there.
    let owner = owner.with("DOCKER_CONTENT_TRUST_SERVER", new.url());
    owner.sign("1.2", "1.2");
    owner.trust(&format!("rotate root {REPOSITORY}")).done();
    let again = holder.trust(&move_line(&old, &new)).done();
    let (from, to) = (old.url(), new.url());
    assert!(again.starts_with(&format!("Nothing was changed: {REPOSITORY} is at {to} already\n")), "{again}");
    assert!(again.contains(&format!("policies: spec.notary.server: {to}\n")), "{again}");
    assert!(
        again.contains(&format!("`tagseal trust delete {REPOSITORY} --server {from} --keep-local`")),
        "{again}"
    );
}

#[test]
fn an_unfinished_move_goes_on_where_it_ended() {
    let (old, new) = (trust_server(), trust_server());
    let owner = Machine::of_publisher(&old);
    owner.sign("1.0", "1.0");
    let few = owner.trust(&format!("{} --max-uploads 3", move_line(&old, &new)));
    assert_eq!(
        few.failed(2),
        format!(
            "tagseal: clients have seen version 1 of the timestamp of {REPOSITORY}, and the new server counts its own one up with \
             each upload: that would take 27 uploads, and at most 3 are made; allow more with `--max-uploads 27`\n"
        )
    );
    assert_eq!(new.get(REPOSITORY, "root.json").status, 404);

    // A server that is lost after five uploads.
    let server = NotaryServer::new(None, Arc::new(SystemClock)).unwrap();
    let (new, lost) = (TrustServer::serve(server.router()), losing(&server, 5));
    let said = owner.trust(&move_line(&old, &lost)).failed(2);
    assert!(said.ends_with("The server does not have the upload now: run the command again\n"), "{said}");
    assert_eq!((version(&new, "root"), version(&new, "timestamp")), (1, 5));
    let line = move_line(&old, &new);
    let (from, to) = (old.url(), new.url());
    let planned = owner.trust(&format!("{line} --dry-run")).done();
    let head = format!("Would go on moving {REPOSITORY} from {from} to {to}, in 22 more uploads\n");
    assert!(planned.starts_with(&head), "{planned}");
    let moved = owner.trust(&line).done();
    let head = format!("Finished moving {REPOSITORY} from {from} to {to}, in 22 more uploads\n");
    assert!(moved.starts_with(&head), "{moved}");
    assert_eq!(
        planned.lines().skip(1).take(4).collect::<Vec<_>>(),
        moved.lines().skip(1).take(4).collect::<Vec<_>>()
    );
    assert_eq!((version(&new, "root"), version(&new, "timestamp")), (3, 27));
    assert_eq!(file(&new, "targets"), file(&old, "targets"));
}

/// The same server, which answers no upload after so many.
fn losing(server: &NotaryServer, after: usize) -> TrustServer {
    let made = Arc::new(AtomicUsize::new(0));
    let lose = move |request: Request, next: Next| {
        let is_upload = request.method() == Method::POST;
        let is_lost = is_upload && made.fetch_add(1, Ordering::Relaxed) >= after;
        async move { if is_lost { StatusCode::BAD_GATEWAY.into_response() } else { next.run(request).await } }
    };
    TrustServer::serve(server.router().layer(axum::middleware::from_fn(lose)))
}

#[test]
fn what_stands_in_the_way_of_a_move_is_told() {
    let (old, new) = (trust_server(), trust_server());
    let owner = Machine::of_publisher(&old);
    owner.sign("1.0", "1.0");
    let line = move_line(&old, &new);
    let url = old.url();
    assert_eq!(
        owner.trust(&move_line(&old, &old)).failed(2),
        format!(
            "tagseal: {REPOSITORY} is to be moved from {url}/ to {url}/: name the server that is to have it with --to\n"
        )
    );
    let localhost = TrustServer::at(&url.replace("127.0.0.1", "localhost"));
    assert_eq!(
        owner.trust(&move_line(&old, &localhost)).failed(1),
        format!(
            "tagseal: {url} and {} show the same files of {REPOSITORY}, under the same keys: they are one server, and nothing is \
             to be moved\n",
            localhost.url()
        )
    );

    let stranger = Machine::of_publisher(&old);
    stranger.trust("key generate stranger").done();
    let said = stranger.trust(&line).failed(2);
    assert!(
        said.starts_with(&format!("tagseal: {url}: "))
            || said.starts_with(&format!("tagseal: moving {REPOSITORY} takes its root key: 1 of ")),
        "{said}"
    );
    assert!(said.ends_with("and of these (none) are here. Restore the others with `tagseal trust key restore`, or run this where they are\n"), "{said}");

    stranger.trust(&format!("init {REPOSITORY} --server {}", new.url())).done();
    let said = owner.trust(&line).failed(1);
    let to = new.url();
    assert!(
        said.starts_with(&format!(
            "tagseal: {to} has another repository {REPOSITORY}, and it is not written over: its root keys are "
        )),
        "{said}"
    );
    assert!(said.ends_with(&format!(
        "If nobody needs it, `tagseal trust delete {REPOSITORY} --server {to}` deletes it\n"
    )));
    assert_eq!(
        owner.trust(&format!("{line} --leave-out targets/none")).failed(2),
        format!("tagseal: --leave-out targets/none: {REPOSITORY} has no such delegation\n")
    );
}

#[test]
fn a_role_that_expired_is_renewed_or_stays_behind() {
    let (times, new) = (Times::new(), trust_server());
    let (owner, jeff) = (Machine::of_publisher(&times.server), Machine::of_publisher(&times.server));
    jeff.trust("key generate jeff").done();
    let key = PublicForm::from_pem(&std::fs::read_to_string(jeff.file("jeff.pub")).unwrap()).unwrap();
    let role = |name| delegate(name, &[&key], None, &[""]);
    let roles = [init(), role("targets/releases"), role("targets/jeff")];
    times.published(&owner, ROLE_DAYS + 2, REPOSITORY, &roles);
    times.published(&jeff, ROLE_DAYS + 1, REPOSITORY, &[listed("1.0")]);
    owner.trust(&format!("witness targets {REPOSITORY}")).done();
    let line = move_line(&times.server, &new);
    assert_eq!(
        owner.trust(&line).failed(1),
        format!(
            "tagseal: {} takes no role that has expired, or that its present keys did not sign: targets/jeff (expired), \
             targets/releases (expired). Whoever has its keys signs it anew at the old server, with `tagseal trust witness ROLE \
             {REPOSITORY}`; a delegation stays behind with `--leave-out ROLE`\n",
            new.url()
        )
    );
    let moved = owner.trust(&format!("{line} --leave-out targets/jeff,targets/releases"));
    moved.done();
    assert_eq!(moved.errors(), "warning: targets/jeff, targets/releases stayed behind\n");
    assert_eq!(new.get(REPOSITORY, "targets/jeff.json").status, 404);
}

#[test]
fn tags_are_promoted_under_another_name_in_one_publish() {
    let server = trust_server();
    let owner = Machine::of_publisher(&server);
    owner.sign("1.0", "1.0");
    owner.sign("1.1", "1.1");
    let line = format!("promote {REPOSITORY} {OTHER} --without-registry");
    let promoted = owner.trust(&line).done();
    assert!(promoted.starts_with(&format!("Promoted 2 tags of {REPOSITORY} to {OTHER}\n")), "{promoted}");
    assert_eq!(server.signed(OTHER, "targets")["version"], 1, "made and signed in one publish");
    let theirs = server.signed(REPOSITORY, "targets")["targets"].clone();
    assert_eq!(server.signed(OTHER, "targets")["targets"], theirs, "the same digests and lengths");
    let again = owner.trust(&line).done();
    assert_eq!(again, format!("Nothing was changed: 2 tags of {REPOSITORY} to {OTHER} signed already\n"));

    // Another tag, which had another digest.
    let line = format!("promote {REPOSITORY}:1.0 {OTHER}:1.1 --without-registry");
    let renamed = owner.trust(&line);
    let text = renamed.done();
    let head = format!("Promoted {REPOSITORY}:1.0 to {OTHER}:1.1@{}\n", digest("1.0"));
    assert!(text.starts_with(&head), "{text}");
    assert_eq!(
        renamed.errors(),
        format!("warning: {OTHER}:1.1 was signed in targets with another digest, {}\n", digest("1.1"))
    );
    let gone = owner.trust(&format!("promote {REPOSITORY}:9 {OTHER} --without-registry")).failed(1);
    assert!(gone.starts_with(&format!("tagseal: {REPOSITORY}:9 is not promoted: ")), "{gone}");
}

#[test]
fn nothing_is_promoted_or_exported_on_first_sight() {
    let server = trust_server();
    let owner = Machine::of_publisher(&server);
    owner.sign("1.0", "1.0");
    let stranger = Machine::of_publisher(&server);
    stranger.trust("key generate stranger").done();
    let said = format!(
        "the trust directory .docker/trust knows no root of {REPOSITORY}, and nothing is believed at first sight here: name a \
         policy that pins its root with --policy FILE, or a trust directory that knows it with --trust-dir DIR\n"
    );
    let said = said.replace(".docker/trust", &stranger.file(".docker/trust").display().to_string());
    let promoted = stranger.trust(&format!("promote {REPOSITORY}:1.0 {OTHER} --without-registry")).failed(2);
    assert_eq!(promoted, format!("tagseal: {said}"));
    let exported = stranger.trust(&format!("export {REPOSITORY}")).failed(2);
    assert_eq!(exported, format!("tagseal: {REPOSITORY}: {said}"));
}

#[test]
fn every_signed_image_is_exported() {
    let server = trust_server();
    let owner = Machine::of_publisher(&server);
    owner.sign("1.0", "1.0");
    owner.trust("key generate jeff").done();
    owner.trust(&format!("signer add --key jeff.pub jeff {REPOSITORY}")).done();
    owner.sign("1.1", "1.1");
    let exported = owner.trust(&format!("export {REPOSITORY}")).json();
    let rows = |exported: &Value| -> Vec<(String, String, String)> {
        let text = |image: &Value, name: &str| image[name].as_str().unwrap().to_owned();
        let images = exported[0]["images"].as_array().unwrap().iter();
        images.map(|image| (text(image, "tag"), text(image, "role"), text(image, "digest"))).collect()
    };
    let row = |tag: &str, role: &str| (tag.to_owned(), role.to_owned(), digest(tag));
    let all = [row("1.0", "targets"), row("1.1", "targets/jeff"), row("1.1", "targets/releases")];
    assert_eq!(rows(&exported), all);
    assert_eq!(exported[0]["images"][0]["length"], 500);
    let inspected = owner.trust(&format!("inspect {REPOSITORY} -o json")).json();
    assert_eq!(exported[0]["images"][0]["keyIDs"], inspected["roles"][0]["keyIDs"]);
    assert_eq!(exported[0]["images"][0]["expires"], inspected["roles"][0]["expires"]);

    let script = owner.trust(&format!("export {REPOSITORY} -o cosign")).done();
    let line = |tag: &str| {
        let image = format!("{REPOSITORY}@{}", digest(tag));
        format!("cosign sign --yes --key \"$COSIGN_KEY\" -a 'tag={tag}' '{image}'\n")
    };
    assert!(script.ends_with(&format!("{}{}", line("1.0"), line("1.1"))), "{script}");
    let script = owner.trust(&format!("export {REPOSITORY} -o notation")).done();
    assert!(
        script
            .contains(&format!("notation sign --user-metadata 'tag=1.0' '{REPOSITORY}@{}'\n", digest("1.0")))
    );

    // By policies: what they name, and what they accept.
    let required = json!({
        "images": {"include": [REPOSITORY, "registry.test/teams/**"]},
        "requiredDelegations": [{"role": "targets/jeff"}],
    });
    let required = policy("jeff", server.url(), &required);
    std::fs::write(owner.file("policy.yaml"), required.to_string()).unwrap();
    let by_policy = owner.trust("export --policy policy.yaml");
    let errors = by_policy.failed(1);
    assert!(
        errors.starts_with(
            "warning: what registry.test/teams/** of ClusterTrustPolicy jeff covers cannot be told from the policy: name \
             repositories of it beside --policy\n"
        ) && errors.contains(&format!("warning: {REPOSITORY}: 1.0 is left out: ")),
        "{errors}"
    );
    let by_policy: Value = serde_json::from_str(&by_policy.printed()).unwrap();
    assert_eq!(rows(&by_policy), all[1..]);
    assert_eq!(by_policy[0]["leftOut"][0]["tag"], "1.0");
}
