//! A healthy and a broken installation, as `kubectl get` and `kubectl describe` show them. `docs/operations.md` prints what
//! this scenario prints (`-- shown --nocapture`).

use serde_json::json;

use crate::harness::*;

#[test]
fn an_installation_that_works_and_one_that_does_not_are_told_apart_by_kubectl() {
    let s = Scenario::new("shown");
    let (publisher, image, digest) = (s.repository("web"), s.image("web:1.4"), digest_of("web 1.4"));
    publisher.signs(&["targets"], "1.4", &digest);
    let web = Policy::cluster("shown-healthy", &s.image("web"), suite().notary().url()).trusts(&publisher);
    s.has_policy(&web);
    s.seals(&image, &sealed(&image, &digest));
    s.soon_says(&web, "TrustDataFresh", "True", "Fresh");

    let proxy = Proxy::of(suite().notary().url());
    let down = s.repository("till");
    down.signs(&["targets"], "2.0", &digest_of("till 2.0"));
    let include = s.image("till");
    let silent = Policy::cluster("shown-silent", &include, &proxy.url()).trusts(&down);
    s.has_policy(&silent.clone().with("freshness", json!({"revalidateAfter": "2s"})));
    let till = s.image("till:2.0");
    s.seals(&till, &sealed(&till, &digest_of("till 2.0")));
    proxy.stops();
    s.soon_says(&silent, "TrustDataFresh", "False", "TrustServerUnreachable");

    let broken = Policy::cluster("shown-broken", &s.image("mail"), suite().notary().url()).trusts(&down);
    let bundle = json!({"configMapKeyRef": {"name": "notary-ca", "key": "ca.crt"}});
    s.cluster.applies(broken.clone().with("notary/caBundle", bundle).manifest());
    s.soon_says(&broken, "Ready", "False", "InvalidPolicy");

    let all = s.cluster.does(&["get", "ctp,tp,trepo", "-A"]);
    for line in
        ["clustertrustpolicy.tagseal.dev/shown-healthy ", "clustertrustpolicy.tagseal.dev/shown-broken "]
    {
        assert!(all.contains(line), "no {line:?} in\n{all}");
    }
    println!("{all}");
    for (name, says) in [
        ("shown-healthy", "the trust server answers, and what it answers verifies"),
        ("shown-silent", "connection refused"),
        ("shown-broken", "ConfigMap tagseal-system/notary-ca does not exist"),
    ] {
        let described = eventually("what changed is an Event", SAID, || {
            let described = s.cluster.does(&["describe", "ctp", name]);
            let is_event = name == "shown-healthy" || described.contains("Warning");
            if is_event && described.contains(says) { Ok(described) } else { Err(described) }
        });
        println!("$ kubectl describe ctp {name}\n{described}");
    }
    s.cluster.does(&["delete", "ctp", "shown-broken", "shown-silent"]);
}

const SAID: std::time::Duration = std::time::Duration::from_secs(60);
