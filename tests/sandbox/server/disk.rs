//! The data folder: what outlives a restart, and a crash.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tagseal::clock::ManualClock;
use tagseal::sandbox::server::NotaryServer;

use super::world::{GUN, World, gun, start};
use crate::support::trust_server::TrustServer;
use crate::support::{days, image_digest};

fn open(directory: &Path) -> std::io::Result<NotaryServer> {
    NotaryServer::new(Some(directory.to_owned()), Arc::new(ManualClock::at(start())))
}

/// What a server that uses a copy of `directory` answers: the first may still hold its lock.
fn restarted(directory: &Path) -> (tempfile::TempDir, TrustServer, NotaryServer) {
    let copy = tempfile::tempdir().unwrap();
    copy_all(directory, copy.path());
    let server = open(copy.path()).unwrap();
    (copy, TrustServer::serve(server.router()), server)
}

fn copy_all(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
}

fn files(below: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn named(directory: &Path, end: &str) -> Vec<PathBuf> {
    files(directory).into_iter().filter(|path| path.to_str().unwrap().ends_with(end)).collect()
}

#[test]
fn a_restarted_server_serves_and_signs_as_before() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::on(directory.path());
    let mut uploader = world.uploader_with_server_snapshot();
    world.accepts(&uploader.first());
    uploader.repository.sign_target("targets", "1.4", image_digest("a"));
    world.accepts(&uploader.files(&["targets"]));
    let (_copy, server, _) = restarted(directory.path());
    for path in
        ["timestamp.json", "snapshot.json", "root.json", "targets.json", "1.targets.json", "timestamp.key"]
    {
        assert_eq!(server.get(GUN, path).body, world.get(path).body, "{path}");
        assert_eq!(server.get(GUN, path).header("last-modified"), world.get(path).header("last-modified"));
    }
    let feed = "/v2/_trust/changefeed?records=0";
    assert_eq!(server.ask("GET", feed).body, world.server.ask("GET", feed).body);
    uploader.repository.witness("targets");
    assert_eq!(server.upload(GUN, &uploader.files(&["targets"])).status, 200);
    assert_eq!(server.signed(GUN, "timestamp")["version"], 3);
    assert_eq!(server.ask("GET", feed).json()["records"][2]["ID"], "3");
}

#[test]
fn a_pending_key_outlives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::on(directory.path());
    let mut uploader = world.uploader();
    let (_copy, server, _) = restarted(directory.path());
    assert_eq!(server.upload(GUN, &uploader.first()).status, 200);
}

#[test]
fn only_the_owner_reads_the_folder() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("data");
    let world = World::on(&below);
    world.accepts(&world.uploader().first());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&below), 0o700);
    for file in files(&below) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        assert_eq!(mode(file.parent().unwrap()), 0o700);
    }
    assert_eq!(named(&below, ".key").len(), 1);
}

#[test]
fn what_a_crash_left_before_the_index_was_replaced_is_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::on(directory.path());
    let mut uploader = world.uploader();
    world.accepts(&uploader.first());
    let index = named(directory.path(), "repository.json").remove(0);
    let old = fs::read(&index).unwrap();
    uploader.repository.witness("targets");
    world.accepts(&uploader.files(&["targets", "snapshot"]));
    // The files of the second publish are there, the index is still the first's, and a half-written one lies beside it.
    fs::write(&index, &old).unwrap();
    fs::write(index.with_file_name(".tmpAbCd"), &old[..old.len() / 2]).unwrap();
    let (_copy, server, _) = restarted(directory.path());
    assert_eq!(server.signed(GUN, "targets")["version"], 1);
    assert_eq!(server.signed(GUN, "timestamp")["version"], 1);
    // And the second publish can be made again.
    assert_eq!(server.upload(GUN, &uploader_files(&uploader)).status, 200);
}

fn uploader_files(uploader: &crate::support::uploads::Uploader) -> Vec<(String, bytes::Bytes)> {
    let files = uploader.repository.files();
    ["targets", "snapshot"].map(|role| (role.to_owned(), files.current(role).clone())).into()
}

#[test]
fn a_damaged_file_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    World::on(directory.path()).server.key(GUN, "timestamp");
    let world = World::on(&directory.path().join("data"));
    world.accepts(&world.uploader().first());
    for end in ["repository.json", ".key"] {
        let (copy, _, _) = restarted(&directory.path().join("data"));
        let damaged = named(copy.path(), end).remove(0);
        fs::write(&damaged, "half").unwrap();
        check_refused(copy.path(), &damaged);
    }
    let (copy, _, _) = restarted(&directory.path().join("data"));
    let damaged =
        files(copy.path()).into_iter().find(|path| path.parent().unwrap().ends_with("files")).unwrap();
    fs::write(&damaged, "{}").unwrap();
    check_refused(copy.path(), &damaged);
}

fn check_refused(directory: &Path, damaged: &Path) {
    let fresh = tempfile::tempdir().unwrap();
    copy_all(directory, fresh.path());
    let error = open(fresh.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let name = damaged.strip_prefix(directory).unwrap().to_str().unwrap();
    assert!(error.to_string().contains(name), "{error}");
}

#[test]
fn two_servers_do_not_share_a_folder() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    assert!(error.to_string().contains("another server uses this folder"), "{error}");
    drop(first);
    open(directory.path()).unwrap();
}

#[test]
fn a_folder_that_is_a_file_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(open(file.path()).is_err());
}

#[test]
fn a_publish_that_cannot_be_written_is_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::on(directory.path());
    let mut uploader = world.uploader();
    world.accepts(&uploader.first());
    let before = world.get("timestamp.json");
    let files = named(directory.path(), "repository.json")[0].with_file_name("files");
    fs::remove_dir_all(&files).unwrap();
    fs::write(&files, "not a folder").unwrap();
    uploader.repository.witness("targets");
    let answer = world.server.upload(GUN, &uploader.files(&["targets", "snapshot"]));
    assert_eq!((answer.status, answer.json()["errors"][0]["code"].as_str().unwrap()), (500, "UPDATING"));
    assert_eq!(world.get("timestamp.json"), before);
}

#[test]
fn a_deleted_repository_stays_deleted_and_a_restored_one_restored() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::on(directory.path());
    world.accepts(&world.uploader().first());
    let past = world.inside.checkpoint(&gun());
    world.server.ask("DELETE", &format!("/v2/{GUN}/_trust/tuf/"));
    assert!(files(directory.path()).iter().all(|path| !path.parent().unwrap().ends_with("files")));
    let (_copy, server, _) = restarted(directory.path());
    assert_eq!(server.get(GUN, "root.json").status, 404);
    world.clock.advance(days(1));
    world.inside.restore(&past).unwrap();
    let (_copy, server, _) = restarted(directory.path());
    assert_eq!(server.signed(GUN, "timestamp")["version"], 1);
}
