//! A real notary-server whose keys are gone, as when its notary-signer's database is lost.

use std::time::Duration;

use crate::harness::Hand::{Notary, Tagseal};
use crate::harness::*;

/// A repository with one signed tag, whose server has just lost its keys.
fn after_the_loss(name: &str) -> (Desk, NotarySigner, NotaryServer) {
    let authority = Authority::new(name);
    let mut signer = NotarySigner::start(&format!("notary-signer-{name}"), &authority);
    let server = NotaryServer::with_signer(&format!("notary-{name}"), &authority, &signer);
    let desk = Desk::at(name, &server);
    // As docker makes a repository: the snapshot is the server's.
    desk.tagseal("init WEB").passes();
    desk.sign(Tagseal, &["targets"], "1");
    signer.loses_its_keys();
    (desk, signer, server)
}

#[test]
fn a_server_that_lost_its_keys_is_given_new_ones_by_the_command_that_the_refusal_names() {
    let (desk, _signer, _server) = after_the_loss("server-keys");
    let gun = desk.gun();
    let lost = format!(
        "tagseal: the server no longer has the keys that the root of {gun} lists for it, of snapshot and timestamp, and cannot \
         sign: whoever has the root key gives it new ones with `tagseal trust rotate snapshot timestamp {gun}`\n"
    );
    eventually("the server has found its signer again", Duration::from_secs(60), || {
        let said = desk.tagseal(&sign_args("2")).fails(1);
        let is_away = said.contains(
            "; the server cannot reach its notary-signer, which has its keys: run the command again",
        );
        if is_away { Err(said) } else { Ok(()) }
    });
    // One of the two alone does not help, and it is not said to.
    for command in [
        sign_args("2").as_str(),
        "rotate timestamp WEB",
        "rotate snapshot --server-managed WEB",
        &sign_args("2"),
    ] {
        assert_eq!(desk.tagseal(command).fails(1), lost, "{command}");
    }
    let said = desk.tagseal("rotate snapshot timestamp WEB").passes();
    assert!(said.starts_with(&format!("Rotated the snapshot and timestamp keys of {gun}")), "{said}");
    desk.sign(Tagseal, &["targets"], "2");
    desk.sign(Notary, &["targets"], "3");
    desk.shows(&[("targets", "1"), ("targets", "2"), ("targets", "3")]);
}
