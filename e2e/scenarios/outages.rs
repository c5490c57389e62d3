//! Trust servers that are private, gone, and back.

use std::time::Duration;

use serde_json::json;

use crate::harness::*;

/// How long a controller's next try may take.
const SOON: Duration = Duration::from_secs(20);

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
    let answer = s.cluster.alone(Because::PullSecrets).creates(&pod("without-secret", &image));
    assert!(!answer.passed && answer.errors.contains("Unauthorized"), "{}", answer.text());
}

#[test]
fn a_trust_server_for_clients_with_certificates_is_shown_the_one_in_the_policys_secret() {
    let s = Scenario::new("outages-clients");
    let authority = Authority::new("outages-clients");
    let server = NotaryServer::for_clients("notary-webhook-clients", &authority);
    let desk = Desk::at("outages-clients", &server).with_gun(&s.image("web"));
    let (certificate, key) = authority.issue_for_client("robot").write(desk.folder(), "client");
    set_mode(&key, 0o600);
    desk.tagseal(&format!("{} --client-cert client.crt --client-key client.key", sign_args("1.4"))).passes();

    let system = s.cluster.in_namespace(SYSTEM_NAMESPACE);
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let (certificate, key) = (format!("--cert={certificate}"), format!("--key={key}"));
    system.does(&["create", "secret", "tls", "outages-clients", &certificate, &key]);
    let policy = Policy::cluster("outages-clients", &s.all_images(), server.url());
    let policy = policy.trusts_key(&desk.keys_of("root").concat());
    let policy = policy.with("notary/caBundle", json!({"inline": authority.pem()}));
    s.has_policy(&policy);
    let cluster = s.cluster.alone(Because::PullSecrets);
    let image = s.image("web:1.4");
    let answer = cluster.creates(&pod("without", &image));
    // Which alert it sends is the server's to say.
    for told in [
        "it asks for a client certificate",
        "name a secret with one that it takes in spec.notary.clientCertificate",
    ] {
        assert!(!answer.passed && answer.errors.contains(told), "{}", answer.text());
    }

    let with = policy.with("notary/clientCertificate", json!({"secretRef": {"name": "outages-clients"}}));
    s.changes_policy(&with);
    let stored = eventually("the policy is in force", SOON, || {
        let answer = cluster.creates(&pod("with", &image));
        if answer.passed { Ok(answer.object()) } else { Err(answer.errors) }
    });
    assert_eq!(images(&stored), [sealed(&image, &digest_of("1.4"))]);
}

#[test]
fn the_name_that_is_pulled_selects_the_pull_secret_which_may_come_a_moment_after_the_workload() {
    let s = Scenario::new("outages-mirror");
    let authority = Authority::new("outages-mirror");
    let tokens = TokenServer::start(&authority, "robot", "secret");
    let server = NotaryServer::private("notary-mirror", &authority, &tokens);
    let (image, digest) = ("reg-1.mirror.test:5000/outages-mirror/web:1.4", digest_of("web 1.4"));
    let web = Publisher::logged_in(&s.image("web"), &server, &s.folder("web"), "robot", "secret");
    web.signs(&["targets"], "1.4", &digest);
    let pulled = "reg-1.mirror.test:5000/outages-mirror/**";
    let policy = Policy::cluster("outages-mirror", pulled, server.url()).trusts(&web);
    let policy = policy.with("notary/caBundle", json!({"inline": authority.pem()}));
    let policy = policy.with("notary/rewrite", json!([{"from": pulled, "to": s.all_images()}]));
    s.has_policy(&policy.with("notary/credentials", json!({"imagePullSecrets": true})));

    let mut workload = pod("early", image);
    workload["spec"]["imagePullSecrets"] = json!([{"name": "mirror-login"}]);
    let cluster = s.cluster.alone(Because::PullSecrets);
    let answer = cluster.creates(&workload);
    let told =
        format!("the pull secret {}/mirror-login does not exist yet; try again", s.cluster.namespace());
    assert!(!answer.passed && answer.errors.contains("Unauthorized"), "{}", answer.text());
    assert!(answer.errors.contains(&told), "{}", answer.text());

    let login = |password: &str| json!({"username": "robot", "password": password});
    let config = json!({"auths": {
        "reg-*.mirror.test:5000/outages-mirror": login("secret"),
        "reg-1.mirror.test:5000/other": login("wrong"),
    }});
    s.cluster.applies(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mirror-login"},
        "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": config.to_string()},
    }));
    let stored = eventually("the workload is admitted", SOON, || {
        let answer = cluster.creates(&workload);
        if answer.passed { Ok(answer.object()) } else { Err(answer.errors) }
    });
    assert_eq!(images(&stored), [sealed(image, &digest)]);

    let config = json!({"auths": {"reg-1.mirror.test:5000/other": login("secret")}});
    s.cluster.applies(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other-login"},
        "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": config.to_string()},
    }));
    let mut other = pod("other", image);
    other["spec"]["imagePullSecrets"] = json!([{"name": "other-login"}]);
    let answer = cluster.creates(&other);
    let told = "none has an entry for reg-1.mirror.test:5000/outages-mirror/web";
    assert!(!answer.passed && answer.errors.contains(told), "{}", answer.text());
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
