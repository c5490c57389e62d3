//! What docker's guides tell a publisher to do, with tagseal in docker's place: exactly what it says each time.

use crate::harness::Hand::Notary;
use crate::harness::*;

#[test]
fn a_publisher_goes_through_dockers_guide_with_tagseal_in_its_place() {
    let registry = Registry::start();
    let gun = format!("{}/admin/demo", registry.host());
    let (digest, _) = registry.push("admin/demo", "1", "demo 1");
    let desk = Desk::new("docker-guide").with_gun(&gun);
    let dir = desk.trust_dir().canonicalize().unwrap_or_else(|_| desk.trust_dir());
    let folder = desk.folder().display().to_string();

    // docker trust key generate jeff
    let said = desk.tagseal("key generate jeff").passes();
    let jeff = desk.keys_of("jeff")[0].clone();
    let private = dir.join("private").display().to_string();
    assert_eq!(
        said,
        format!(
            "Made the key {jeff} of jeff\n  private   {private}/{jeff}.key (encrypted)\n  public    {folder}/jeff.pub\n"
        )
    );

    // docker trust key load key.pem --name ann
    desk.has_signer("ann");
    let said = desk.tagseal("key load ann.pem --name ann").passes();
    let ann = desk.keys_of("ann")[0].clone();
    assert_eq!(said, format!("Loaded the key {ann} of ann\n  private   {private}/{ann}.key (encrypted)\n"));

    // docker trust signer add --key jeff.pub jeff registry/admin/demo
    let said = desk.tagseal("signer add --key jeff.pub jeff WEB").passes();
    let (root, targets) = (desk.keys_of("root")[0].clone(), desk.keys_of("targets")[0].clone());
    assert_eq!(
        said,
        format!(
            "Added the signer jeff to {gun}\n\
             \x20 root              version 1\n\
             \x20 targets           version 1\n\
             \x20 new root key      {root}: back it up with `tagseal trust key backup`\n\
             \x20 new targets key   {targets}\n"
        )
    );
    desk.tagseal("signer add --key ann.pub.pem ann WEB")
        .prints(&format!("Added the signer ann to {gun}\n  targets   version 2\n"));

    // docker trust sign registry/admin/demo:1
    desk.tagseal("sign WEB:1").prints(&format!(
        "Signed {gun}:1@{digest}\n\
         \x20 targets/ann        version 1\n\
         \x20 targets/jeff       version 1\n\
         \x20 targets/releases   version 1\n"
    ));
    let row = |role: &str| (role.to_owned(), "1".to_owned(), digest.clone());
    assert_eq!(desk.lists(), ["targets/ann", "targets/jeff", "targets/releases"].map(row).into());
    desk.tagseal("sign WEB:1").prints(&format!("Nothing was changed: {gun}:1@{digest} is signed already\n"));
    assert_eq!(
        desk.tagseal("sign WEB:2").fails(1),
        format!(
            "tagseal: the registry has no {gun}:2: push it first, or name what was pushed with --digest and --size\n"
        )
    );

    // docker trust inspect --pretty registry/admin/demo:1
    let shown = desk.tagseal("inspect WEB:1").passes();
    let expected = format!(
        "Signatures for {gun}:1\n\
         \n\
         SIGNED TAG   DIGEST                                                                    SIGNERS\n\
         1            {digest}   ann, jeff\n\
         \n\
         List of signers and their keys for {gun}\n\
         \n\
         SIGNER   KEYS\n\
         ann      {}\n\
         jeff     {}\n\
         \n\
         Administrative keys for {gun}\n\
         \n\
         \x20 Repository Key:   {targets}\n\
         \x20 Root Key:         {root}\n",
        &ann[..12],
        &jeff[..12]
    );
    assert_eq!(shown.split_inclusive('\n').take(expected.lines().count()).collect::<String>(), expected);

    // docker trust revoke registry/admin/demo:1
    registry.push("admin/demo", "2", "demo 2");
    desk.tagseal("sign WEB:2").passes();
    desk.tagseal("revoke WEB:1").prints(&format!(
        "Took back the signature of {gun}:1\n\
         \x20 targets/ann        version 3\n\
         \x20 targets/jeff       version 3\n\
         \x20 targets/releases   version 3\n"
    ));
    let tags: std::collections::BTreeSet<_> = desk.lists().into_iter().map(|(_, tag, _)| tag).collect();
    assert_eq!(tags, ["2".to_owned()].into());

    // docker trust signer remove jeff registry/admin/demo
    desk.tagseal("signer remove jeff WEB")
        .prints(&format!("Removed the signer jeff from {gun}\n  targets   version 3\n"));
    let left: Vec<_> = desk.lists().into_iter().map(|(role, tag, _)| format!("{role} {tag}")).collect();
    assert_eq!(left, ["targets/ann 2", "targets/releases 2"]);
    assert!(desk.tagseal("signer remove ann WEB").fails(1).contains("ann is the only signer"));

    // A backup of ~/.docker/trust/private.
    desk.tagseal("key backup backup.tar.gz").passes();
    let restored = desk.neighbour("restored");
    restored.tagseal("key restore ../backup.tar.gz").passes();
    assert_eq!(restored.keys(), desk.keys());

    // docker trust revoke registry/admin/demo
    desk.tagseal("revoke WEB --yes").passes();
    assert_eq!(desk.lists(), [].into());
}

#[test]
fn the_first_sign_makes_the_repository_as_dockers_did() {
    let registry = Registry::start();
    let gun = format!("{}/admin/demo", registry.host());
    let (digest, _) = registry.push("admin/demo", "latest", "demo");
    let desk = Desk::new("first-sign").with_gun(&gun);
    let said = desk.tagseal("sign WEB").passes();
    let (root, targets) = (desk.keys_of("root")[0].clone(), desk.keys_of("targets")[0].clone());
    assert_eq!(
        said,
        format!(
            "Signed {gun}:latest@{digest}\n\
             \x20 root              version 1\n\
             \x20 targets           version 1\n\
             \x20 new root key      {root}: back it up with `tagseal trust key backup`\n\
             \x20 new targets key   {targets}\n"
        )
    );
    assert_eq!(desk.lists(), [("targets".to_owned(), "latest".to_owned(), digest)].into());
    // The server has the snapshot key, as with docker: whoever has a key of a role can sign.
    assert_eq!(desk.keys_of("snapshot"), [""; 0]);
    desk.sign(Notary, &["targets"], "2");
    assert_eq!(desk.lists().len(), 2);
}
