//! Where the digest is written (design §2): pods, templates, or nowhere.

use std::time::Duration;

use serde_json::json;

use crate::harness::*;

#[test]
fn a_deployment_stays_as_it_is_and_its_pods_carry_the_signed_digest() {
    let s = Scenario::new("mutation-pods");
    let (web, _) = s.released_repository("web");
    let (image, digest) = (s.image("web:1.4"), digest_of("web 1.4"));
    web.signs(&["targets/releases"], "1.4", &digest);
    s.has_policy(&s.policy().trusts(&web).requires(&["targets/releases"]));

    let manifest = deployment("web", 2, &image);
    s.cluster.applies(&manifest);
    for pod in s.pods_of("web", 2) {
        assert_eq!(images(&pod), [sealed(&image, &digest)]);
    }
    assert_eq!(images(&s.cluster.gets("deployment/web")["spec"]["template"]), [image.as_str()]);
    let diff = s.cluster.kubectl_with(&["diff", "-f", "-"], manifest.to_string().as_bytes());
    assert!(diff.passed && diff.text().is_empty(), "{}", diff.text());
    s.seals(&image, &sealed(&image, &digest));
}

#[test]
fn with_workloads_the_templates_are_sealed_too() {
    let s = Scenario::new("mutation-workloads");
    let (web, _) = s.released_repository("web");
    let (image, digest) = (s.image("web:1.4"), digest_of("web 1.4"));
    web.signs(&["targets/releases"], "1.4", &digest);
    s.has_policy(&s.policy().trusts(&web).with("mutation", "Workloads"));

    s.cluster.applies(&deployment("web", 1, &image));
    assert_eq!(images(&s.cluster.gets("deployment/web")["spec"]["template"]), [sealed(&image, &digest)]);
    assert_eq!(images(&s.pods_of("web", 1)[0]), [sealed(&image, &digest)]);
    s.cluster.applies(&suspended_cron_job("nightly", &image));
    let template = &s.cluster.gets("cronjob/nightly")["spec"]["jobTemplate"]["spec"]["template"];
    assert_eq!(images(template), [sealed(&image, &digest)]);
    s.seals(&image, &sealed(&image, &digest));
}

#[test]
fn with_none_an_image_must_arrive_sealed() {
    let s = Scenario::new("mutation-none");
    let web = s.repository("web");
    let (image, digest) = (s.image("web:1.4"), digest_of("web 1.4"));
    web.signs(&["targets"], "1.4", &digest);
    s.has_policy(&s.policy().trusts(&web).with("mutation", "None"));

    s.denies(&image, "NotSealed");
    s.refuses(&deployment("web", 1, &image), &image, "NotSealed");
    s.seals(&sealed(&image, &digest), &sealed(&image, &digest));
    s.cluster.applies(&deployment("web", 1, &sealed(&image, &digest)));
}

#[test]
fn what_a_controller_owns_stays_as_it_is_whatever_the_mutation() {
    let s = Scenario::new("mutation-owned");
    let web = s.repository("web");
    let image = s.image("web:1.4");
    web.signs(&["targets"], "1.4", &digest_of("web 1.4"));
    let mut owned = deployment("web", 0, &image);
    owned["kind"] = json!("ReplicaSet");
    owned["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "00000000-0000-0000-0000-000000000001",
        "controller": true,
    }]);
    for mutation in ["Pods", "Workloads", "None"] {
        let policy = s.policy().trusts(&web).with("mutation", mutation);
        s.has_policy(&policy);
        // Its pods are another matter.
        eventually(&format!("mutation {mutation} is in force"), Duration::from_secs(20), || {
            let answer = s.cluster.alone(Because::NotInForceYet).tries(&s.pod(&image));
            if answer.passed == (mutation != "None") { Ok(()) } else { Err(answer.text()) }
        });
        assert_eq!(
            images(&s.cluster.tries(&owned).object()["spec"]["template"]),
            [image.as_str()],
            "{mutation}"
        );
    }
    let unsigned = s.image("web:1.5");
    owned["spec"]["template"]["spec"]["containers"][0]["image"] = json!(unsigned);
    s.refuses(&owned, &unsigned, "NotSigned");
}
