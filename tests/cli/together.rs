//! Roles that take more keys than one machine has.

use super::life::{inspect, released};
use super::run::{Machine, REPOSITORY, digest, trust_server};

/// Two people have to agree: what the first signs is published when the second has signed it too, and consumers keep what was
/// there until then.
#[test]
fn two_signers_with_a_key_each_publish_together_what_takes_both() {
    let server = trust_server();
    let [owner, dev, qa] = [(); 3].map(|()| Machine::of_publisher(&server));
    owner.trust(&format!("init {REPOSITORY}")).done();
    let mut ids = Vec::new();
    for (machine, name) in [(&dev, "dev"), (&qa, "qa")] {
        machine.trust(&format!("key generate {name}")).done();
        ids.push(machine.trust("key list -o json").json()[0]["keyID"].as_str().unwrap().to_owned());
        std::fs::copy(machine.file(&format!("{name}.pub")), owner.file(&format!("{name}.pub"))).unwrap();
    }
    let [dev_id, qa_id] = <[String; 2]>::try_from(ids).unwrap();
    let both =
        format!("delegation add targets/releases {REPOSITORY} --key dev.pub --key qa.pub --threshold 2");
    owner.trust(&both).done();
    for name in ["dev", "qa"] {
        owner.trust(&format!("delegation add targets/{name} {REPOSITORY} --key {name}.pub")).done();
    }
    let line = |tag: &str| format!("sign {REPOSITORY}:{tag} --digest {} --size 500", digest(tag));

    let error = dev.trust(&line("1.0")).failed(2);
    assert_eq!(
        error,
        format!(
            "tagseal: insufficient signatures for targets/releases: 2 keys have to sign, of which {dev_id} (dev) is here, and \
             {qa_id} (qa) not; nothing was published. Sign with `--pending FILE` what can be signed here, and hand the file to \
             whoever has a missing key: `tagseal trust witness targets/releases {REPOSITORY} --pending FILE` adds a signature, \
             and publishes when there are enough\n"
        )
    );
    let begun = dev.trust(&format!("{} --pending 1.0.json", line("1.0")));
    let message = "Begun, and nothing is published yet: 1 of 2 signatures of targets/releases, in 1.0.json\n";
    assert_eq!(begun.done(), message);
    let hand = format!(
        "warning: hand 1.0.json to whoever has {qa_id} (qa), who signs and publishes it with `tagseal trust witness \
         targets/releases {REPOSITORY} --pending FILE`\n"
    );
    assert!(begun.errors().ends_with(&hand), "{}", begun.errors());
    assert_eq!(released(&owner), Vec::<String>::new(), "consumers see nothing of it");
    let error = dev.trust(&format!("{} --pending 1.0.json", line("1.0"))).failed(2);
    assert!(error.contains("1.0.json is there already"), "{error}");

    std::fs::copy(dev.file("1.0.json"), qa.file("1.0.json")).unwrap();
    let witness = format!("witness targets/releases {REPOSITORY} --pending 1.0.json");
    let error = qa.trust(&witness).failed(2);
    assert!(
        error.contains(&format!(
            "{dev_id} (dev) signed a new version of targets/dev. It changes:\n  + 1.0 {}\n  Sign it too?",
            digest("1.0")
        )),
        "{error}"
    );
    let published = qa.trust(&format!("{witness} --yes")).done();
    let message = format!("Signed and published what was begun of {REPOSITORY}\n");
    assert!(published.starts_with(&message), "{published}");
    assert_eq!(released(&owner), ["1.0: dev"]);
    let roles = owner.trust(&format!("inspect {REPOSITORY} -o json")).json()["roles"].clone();
    let releases = roles.as_array().unwrap().iter().find(|role| role["name"] == "targets/releases").unwrap();
    assert_eq!(releases["signedBy"].as_array().unwrap().len(), 2, "{releases}");

    // It is signed once, and not again.
    let error = qa.trust(&format!("{witness} --yes")).failed(2);
    assert!(error.contains("it is version 1, and the server has version 1 by now"), "{error}");
    // Taking back takes both too.
    qa.trust(&format!("revoke {REPOSITORY}:1.0 --role targets/releases --pending back.json")).done();
    std::fs::copy(qa.file("back.json"), dev.file("back.json")).unwrap();
    assert_eq!(released(&owner), ["1.0: dev"]);
    dev.trust(&format!("witness targets/releases {REPOSITORY} --pending back.json --yes")).done();
    assert_eq!(released(&owner), Vec::<String>::new());
}

#[test]
fn what_was_begun_is_signed_only_as_far_as_a_key_of_the_role_vouches_for_it() {
    let server = trust_server();
    let owner = Machine::of_publisher(&server);
    owner.trust("key generate dev").done();
    owner.trust("key generate qa").done();
    owner.trust(&format!("init {REPOSITORY}")).done();
    owner
        .trust(&format!("delegation add targets/both {REPOSITORY} --key dev.pub --key qa.pub --threshold 2"))
        .done();
    let keys = owner.trust("key list -o json").json();
    let id = |role: &str| {
        keys.as_array().unwrap().iter().find(|key| key["role"] == role).unwrap()["keyID"].clone()
    };
    owner.trust(&format!("key export {} -o qa.pem", id("qa").as_str().unwrap())).done();
    owner.trust("key remove qa --yes").done();
    let line = format!(
        "sign {REPOSITORY}:1.0 --digest {} --size 5 --role targets/both --pending p.json",
        digest("1.0")
    );
    owner.trust(&line).done();
    owner.trust("key import qa.pem").done();
    let witness = format!("witness targets/both {REPOSITORY} --yes --pending");

    // Somebody changed what was signed.
    let text = std::fs::read_to_string(owner.file("p.json")).unwrap();
    let mut pending: serde_json::Value = serde_json::from_str(&text).unwrap();
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let file = base64.decode(pending["roles"]["targets/both"].as_str().unwrap()).unwrap();
    let forged = String::from_utf8(file).unwrap().replace("\"1.0\"", "\"9.9\"");
    pending["roles"]["targets/both"] = base64.encode(forged).into();
    std::fs::write(owner.file("forged.json"), pending.to_string()).unwrap();
    let error = owner.trust(&format!("{witness} forged.json")).failed(2);
    assert!(error.contains("no key that the role has now signed it"), "{error}");
    let error = owner.trust(&format!("witness targets {REPOSITORY} --yes --pending p.json")).failed(2);
    assert!(error.contains("p.json is not about targets"), "{error}");
    let error = owner.trust("witness targets/both registry.test/other --yes --pending p.json").failed(2);
    assert!(
        error.contains(&format!("p.json is about {REPOSITORY}, and not about registry.test/other")),
        "{error}"
    );
    owner.trust(&format!("{witness} p.json")).done();
    assert!(inspect(&owner).contains("1.0 "));
}
