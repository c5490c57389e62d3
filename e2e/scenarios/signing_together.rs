//! A role that takes two keys, one on each of two machines, on the real notary-server.

use crate::harness::*;

fn sign(tag: &str) -> String {
    format!("{} --role targets/releases", sign_args(tag))
}

#[test]
fn what_takes_two_keys_is_published_when_both_have_signed_and_notary_lists_it_then() {
    let owner = Desk::new("together");
    let [dev, qa] = ["dev", "qa"].map(|name| {
        let desk = owner.neighbour(name);
        desk.tagseal(&format!("key generate {name}")).passes();
        std::fs::copy(desk.folder().join(format!("{name}.pub")), owner.folder().join(format!("{name}.pub")))
            .expect("a public key");
        desk
    });
    owner.tagseal("init WEB").passes();
    owner.tagseal("delegation add targets/releases WEB --key dev.pub --key qa.pub --threshold 2").passes();
    assert!(dev.tagseal(&sign("1")).fails(2).contains("insufficient signatures for targets/releases"));
    dev.tagseal(&format!("{} --pending p.json", sign("1"))).passes();
    owner.shows(&[]);
    std::fs::copy(dev.folder().join("p.json"), qa.folder().join("p.json")).expect("the file");
    qa.tagseal("witness targets/releases WEB --pending p.json --yes").passes();
    owner.shows(&[("targets/releases", "1")]);

    // The server itself takes no file that one key signed, which is why it goes from hand to hand.
    dev.tagseal(&format!("{} --pending q.json", sign("2"))).passes();
    owner.shows(&[("targets/releases", "1")]);
    qa.tagseal(&format!("{} --pending r.json", sign("3"))).passes();
    std::fs::copy(qa.folder().join("r.json"), dev.folder().join("r.json")).expect("the file");
    dev.tagseal("witness targets/releases WEB --pending r.json --yes").passes();
    owner.shows(&[("targets/releases", "1"), ("targets/releases", "3")]);
    std::fs::copy(dev.folder().join("q.json"), qa.folder().join("q.json")).expect("the file");
    let late = qa.tagseal("witness targets/releases WEB --pending q.json --yes").fails(2);
    assert!(late.contains("it is version 2, and the server has version 2 by now"), "{late}");
}
