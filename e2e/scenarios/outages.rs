//! Trust servers that are private, gone, and back.

use serde_json::json;

use crate::harness::*;

#[test]
fn a_private_trust_server_is_reached_with_the_pods_own_pull_secret() {
    let s = Scenario::new("outages-private");
    let authority = Authority::new("outages-private");
    let tokens = TokenServer::start(&authority, "robot", "secret");
    let server = NotaryServer::private("notary-private", &authority, &tokens);
    let (image, digest) = (s.image("web:1.4"), digest_of("web 1.4"));
    let web = Publisher::logged_in(&s.image("web"), &server, &s.folder("web"), "robot", "secret");
    web.signs(&["targets"], "1.4", &digest);
    let policy = Policy::cluster("outages-private", &s.all_images(), server.url()).trusts(&web);
    let policy = policy.with("notary/caBundle", json!({"inline": authority.pem()}));
    s.has_policy(&policy.with("notary/credentials", json!({"imagePullSecrets": true})));

    s.denies(&image, "Unauthorized");
    let before = tokens.authenticated_requests();
    s.logs_in("robot", "secret");
    s.seals(&image, &sealed(&image, &digest));
    assert!(tokens.authenticated_requests() > before);
    s.denies(&s.image("web:1.5"), "NotSigned");
    // What one pod may read, a pod without the secret may not.
    let answer = s.cluster.creates(&pod("without-secret", &image));
    assert!(!answer.passed && answer.errors.contains("Unauthorized"), "{}", answer.text());
}

#[test]
fn known_images_go_on_while_the_trust_server_is_down() {
    let s = Scenario::new("outages-down");
    let (web, other) = (s.repository("web"), s.repository("other"));
    let (image, digest) = (s.image("web:1.4"), digest_of("web 1.4"));
    web.signs(&["targets"], "1.4", &digest);
    let proxy = Proxy::of(suite().notary().url());
    let policy = Policy::cluster("outages-down", &s.all_images(), &proxy.url()).trusts(&web).trusts(&other);
    let policy = policy.with("freshness", json!({"revalidateAfter": "2s"}));
    s.has_policy(&policy);
    s.seals(&image, &sealed(&image, &digest));
    s.soon_says(&policy, "TrustDataFresh", "True", "Fresh");

    proxy.stops();
    s.seals(&image, &sealed(&image, &digest));
    s.denies(&s.image("other:1.4"), "TrustServerUnreachable");
    s.denies(&s.image("web:1.5"), "TrustServerUnreachable");
    let status = s.soon_says(&policy, "TrustDataFresh", "False", "TrustServerUnreachable");
    assert_eq!(status["repositories"], 1, "{status}");
    s.seals(&image, &sealed(&image, &digest));
    other.signs(&["targets"], "1.4", &digest_of("other 1.4"));

    proxy.starts();
    let back = s.image("other:1.4");
    s.soon_seals(&back, &sealed(&back, &digest_of("other 1.4")));
    s.soon_denies(&s.image("web:1.5"), "NotSigned");
    let status = s.soon_says(&policy, "TrustDataFresh", "True", "Fresh");
    assert_eq!(status["repositories"], 2, "{status}");
}

#[test]
fn a_trust_server_at_fault_never_replaces_what_was_verified() {
    let s = Scenario::new("outages-fault");
    let web = s.repository("web");
    let (image, digest) = (s.image("web:1.4"), digest_of("web 1.4"));
    web.signs(&["targets"], "1.4", &digest);
    let proxy = Proxy::of(suite().notary().url());
    let policy = Policy::cluster("outages-fault", &s.all_images(), &proxy.url()).trusts(&web);
    s.has_policy(&policy.with("freshness", json!({"revalidateAfter": "2s"})));
    s.seals(&image, &sealed(&image, &digest));

    proxy.fails("_trust/tuf/", 404);
    s.seals(&image, &sealed(&image, &digest));
    proxy.fails("_trust/tuf/", 503);
    s.denies(&s.image("web:1.5"), "TrustServerUnreachable");
    proxy.recovers();
    s.soon_denies(&s.image("web:1.5"), "NotSigned");
}
