//! What taking a tag back does where several roles list it.

use super::life::{inspect, released, sign};
use super::run::{Machine, REPOSITORY, trust_server};

#[test]
fn a_tag_that_another_role_still_lists_is_not_revoked_and_that_is_said() {
    let server = trust_server();
    let (owner, qa) = (Machine::of_publisher(&server), Machine::of_publisher(&server));
    qa.trust("key generate qa").done();
    let key = qa.file("qa.pub").display().to_string();
    owner.trust(&format!("init {REPOSITORY}")).done();
    for tag in ["1.0", "1.1"] {
        sign(&owner, tag, " --role targets");
    }
    owner.trust(&format!("delegation add targets/qa {REPOSITORY} --key {key}")).done();
    let id = owner.trust(&format!("delegation list {REPOSITORY} -o json")).json()[0]["keyIDs"][0].clone();
    let id = id.as_str().unwrap().to_owned();
    for tag in ["1.0", "1.1"] {
        sign(&qa, tag, " --role targets/qa");
    }
    let ended = owner.trust(&format!("revoke {REPOSITORY}:1.0"));
    let or = format!(
        "or whoever has the targets key takes the role away with `tagseal trust delegation remove targets/qa {REPOSITORY}`"
    );
    let warning = format!(
        "warning: 1.0 is still signed in targets/qa: whoever has one of {id} takes that back with `tagseal trust revoke \
         {REPOSITORY}:1.0 --role targets/qa`; {or}\n"
    );
    assert_eq!(ended.failed(1), warning);
    let message = format!("Took back the signature of {REPOSITORY}:1.0 in targets, and not everywhere\n");
    assert!(ended.printed().starts_with(&message), "{}", ended.printed());
    let ended = owner.trust(&format!("revoke {REPOSITORY} --yes -o json"));
    ended.failed(1);
    let json: serde_json::Value = serde_json::from_str(&ended.printed()).unwrap();
    assert_eq!(
        json["stillSigned"],
        serde_json::json!([{"role": "targets/qa", "tags": ["1.0", "1.1"], "keyIDs": [id]}])
    );
    assert_eq!(json["withoutEffect"], true);
    let warning = json["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("1.0, 1.1 are still signed in targets/qa: whoever has one of"), "{warning}");
    assert!(warning.contains(&format!("`tagseal trust revoke {REPOSITORY} --role targets/qa`")), "{warning}");

    // Whom the message names does what it says.
    qa.trust(&format!("revoke {REPOSITORY}:1.0 --role targets/qa")).done();
    qa.trust(&format!("revoke {REPOSITORY} --yes")).done();
    assert_eq!(released(&owner), Vec::<String>::new());
    let again = owner.trust(&format!("revoke {REPOSITORY} --yes")).done();
    assert_eq!(again, format!("Nothing was changed: no tag of {REPOSITORY} is signed\n"));
}

#[test]
fn a_tag_is_revoked_in_roles_of_any_depth_and_in_named_ones_on_purpose() {
    let server = trust_server();
    let machine = Machine::of_publisher(&server);
    machine.trust("key generate qa").done();
    machine.trust(&format!("init {REPOSITORY}")).done();
    for role in ["targets/qa", "targets/qa/nightly"] {
        machine.trust(&format!("delegation add {role} {REPOSITORY} --key qa.pub")).done();
        sign(&machine, "1.0", &format!(" --role {role}"));
    }
    let ended = machine.trust(&format!("revoke {REPOSITORY}:1.0 --role targets/qa"));
    ended.done();
    assert!(
        ended.errors().starts_with("warning: 1.0 is still signed in targets/qa/nightly: "),
        "{}",
        ended.errors()
    );
    let ended = machine.trust(&format!("revoke {REPOSITORY}:1.0"));
    assert!(ended.done().contains("targets/qa/nightly   version 2"), "{ended:?}");
    assert_eq!(ended.errors(), "");
    assert!(!inspect(&machine).contains("1.0 "));
}
