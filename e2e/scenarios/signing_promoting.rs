//! Signatures go from one name to another: what a policy accepts, of images that the registry has under the new name.

use serde_json::json;

use crate::harness::Hand::Tagseal;
use crate::harness::*;

#[test]
fn what_a_policy_accepts_is_promoted_once_the_registry_has_it_under_the_new_name() {
    let registry = Registry::start();
    let (stage, prod) = (format!("{}/stage/web", registry.host()), format!("{}/prod/web", registry.host()));
    let pushed = |repository: &str, tag: &str| registry.push(repository, tag, &format!("build {tag}")).0;
    let digests = ["1", "2", "3"].map(|tag| pushed("stage/web", tag));
    let desk = Desk::new("promoting").with_gun(&stage);
    desk.tagseal("init WEB").passes();
    desk.has_signer("qa");
    desk.delegate(Tagseal, "targets/qa", &["qa.pub.pem"], "");
    desk.tagseal("key load qa.pem --name qa").passes();
    // QA looked at two of three.
    for (tag, role) in [("1", "targets/qa"), ("2", "targets/qa"), ("3", "targets")] {
        desk.tagseal(&format!("sign WEB:{tag} --roles {role}")).passes();
    }
    desk.has_policy(&json!({
        "images": {"include": [format!("{}/stage/**", registry.host())]},
        "notary": {"server": desk.server()},
        "roots": [{"keyID": desk.keys_of("root").concat()}],
        "requiredDelegations": [{"role": "targets/qa"}],
    }));

    let promote = format!("promote WEB {prod} --policy policy.yaml --role targets");
    pushed("prod/web", "1");
    assert_eq!(
        desk.tagseal(&promote).fails(1),
        format!(
            "tagseal: the registry has no {prod}@{}: copy the image there first (promote signs it and copies nothing), or sign it \
             all the same with --without-registry\n",
            digests[1]
        )
    );
    let new = desk.clone().with_gun(&prod);
    let untouched = new.notary("list WEB");
    assert_eq!(untouched.code, Some(1));
    assert!(untouched.out.contains("does not have trust data for"), "{}{}", untouched.out, untouched.errors);

    pushed("prod/web", "2");
    let said = desk.tagseal(&promote);
    assert_eq!(said.code, Some(1), "{}", said.errors);
    assert!(said.out.starts_with(&format!("Promoted 2 tags of {stage} to {prod}\n")), "{}", said.out);
    let left = said.errors.lines().find(|line| line.contains("not promoted")).unwrap_or_default();
    assert!(left.starts_with(&format!("warning: {stage}:3 is not promoted: ")), "{}", said.errors);
    let row = |tag: usize| ("targets".to_owned(), tag.to_string(), digests[tag - 1].clone());
    assert_eq!(new.lists(), [1, 2].map(row).into());

    let again = desk.tagseal(&promote);
    assert_eq!(again.code, Some(1));
    assert!(again.out.starts_with("Nothing was changed: "), "{}", again.out);
}
