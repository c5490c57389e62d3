//! The harness itself: what it starts is real, and what it fakes is believed by the real thing.

use std::time::Duration;

use crate::harness::*;
use crate::support::{TestKey, TestRepository, days, image_digest};
use tagseal::clock::{Clock as _, SystemClock};

#[test]
fn a_deployment_becomes_pods_that_keep_their_spec() {
    let s = Scenario::unguarded("harness-pods");
    s.cluster.applies(&deployment("web", 2, "registry.test/web:1"));
    let pods = eventually("two pods", Duration::from_secs(30), || {
        let pods = s.cluster.gets("pods")["items"].as_array().cloned().unwrap_or_default();
        if pods.len() == 2 { Ok(pods) } else { Err(format!("{} pods", pods.len())) }
    });
    for pod in pods {
        assert_eq!(images(&pod), ["registry.test/web:1"]);
    }
}

#[test]
fn a_refusal_of_the_api_server_is_seen() {
    let s = Scenario::unguarded("harness-refusal");
    let answer = s.cluster.creates(&pod("Not A Name", "registry.test/web:1"));
    assert!(!answer.passed);
    assert!(answer.errors.contains("Invalid value"), "{}", answer.errors);
}

#[test]
fn the_audit_log_is_read_per_namespace() {
    let s = Scenario::unguarded("harness-audit");
    assert!(s.cluster.creates(&pod("web", "registry.test/web:1")).passed);
    eventually("an audit event", Duration::from_secs(10), || {
        if s.cluster.audit_events("authorization.k8s.io/decision").is_empty() {
            Err("none".into())
        } else {
            Ok(())
        }
    });
    assert!(s.cluster.in_namespace("nowhere").audit_events("authorization.k8s.io/decision").is_empty());
}

#[test]
fn the_hostile_webhook_swaps_images_and_adds_containers() {
    let s = Scenario::unguarded("harness-hostile");
    for (mischief, expected) in [
        (Mischief::SwapsImage("evil:1".into()), vec!["evil:1"]),
        (Mischief::AddsContainer("evil:1".into()), vec!["registry.test/web:1", "evil:1"]),
    ] {
        let _hostile = HostileWebhook::install(&s.cluster, mischief);
        eventually("the webhook meddles", Duration::from_secs(10), || {
            let seen = images(&s.cluster.tries(&pod("web", "registry.test/web:1")).object());
            if seen == expected { Ok(()) } else { Err(format!("{seen:?}")) }
        });
    }
}

#[test]
fn what_the_publisher_signs_the_real_client_lists() {
    let s = Scenario::unguarded("harness-publisher");
    let (web, releaser) = s.released_repository("web");
    let qa = Signer::new("qa");
    web.delegates("targets/qa", &[&qa]);
    let (one, two) = (digest_of("web 1"), digest_of("web 2"));
    web.signs(&["targets/releases", "targets/qa"], "1", &one);
    web.signs(&["targets"], "2", &two);
    let row = |tag: &str, digest: &str, role: &str| (tag.to_owned(), digest.to_owned(), role.to_owned());
    let released = row("1", &one, "targets/releases");
    assert_eq!(web.lists(&["targets/releases"]), std::slice::from_ref(&released));
    assert_eq!(web.lists(&["targets/qa"]), [row("1", &one, "targets/qa")]);
    assert_eq!(web.lists(&["targets/releases", "targets"]), [released, row("2", &two, "targets")]);

    let successor = Signer::new("successor");
    let root = web.root_key_id();
    web.hands_over("targets/releases", &releaser, &successor);
    web.rotates_root();
    web.rotates_targets();
    web.hands_snapshot_to_server();
    assert_ne!(web.root_key_id(), root);
    assert_eq!(web.lists(&["targets/releases"]), [row("1", &one, "targets/releases")]);

    web.removes(&["targets/releases"], "1");
    assert_eq!(web.lists(&["targets/releases"]), []);
}

#[test]
fn the_token_server_admits_the_user_and_nobody_else() {
    let s = Scenario::unguarded("harness-tokens");
    let authority = Authority::new("harness-tokens");
    let tokens = TokenServer::start(&authority, "robot", "secret");
    let server = NotaryServer::private("notary-harness-tokens", &authority, &tokens);
    let gun = s.image("web");
    let web = Publisher::logged_in(&gun, &server, &s.folder("web"), "robot", "secret");
    web.signs(&["targets"], "1", &digest_of("web 1"));
    assert_eq!(web.lists(&["targets"]).len(), 1);
    assert!(tokens.authenticated_requests() > 0);
    let message = Publisher::stranger(&gun, &server, &s.folder("stranger")).may_not_list();
    assert!(message.contains("not authorized"), "{message}");
}

#[test]
fn the_proxy_counts_fails_holds_and_stops() {
    let s = Scenario::unguarded("harness-proxy");
    let web = s.repository("web");
    let proxy = Proxy::of(suite().notary().url());
    let timestamp = format!("{}/v2/{}/_trust/tuf/timestamp.json", proxy.url(), web.gun());
    assert_eq!(http_status(&timestamp), Ok(200));
    proxy.fails("timestamp", 503);
    assert_eq!(http_status(&timestamp), Ok(503));
    proxy.recovers();
    proxy.stops();
    assert!(http_status(&timestamp).is_err());
    proxy.starts();
    assert_eq!(http_status(&timestamp), Ok(200));
    assert_eq!(proxy.count("timestamp.json"), 3);
    proxy.holds();
    std::thread::scope(|scope| {
        let held = scope.spawn(|| http_status(&timestamp));
        eventually("the request arrives", Duration::from_secs(10), || {
            if proxy.count("timestamp.json") == 4 { Ok(()) } else { Err("not yet".into()) }
        });
        assert!(!held.is_finished());
        proxy.releases();
        assert_eq!(held.join().unwrap(), Ok(200));
    });
}

#[test]
fn the_real_client_believes_the_test_signer_and_skips_what_expired() {
    let s = Scenario::unguarded("harness-signer");
    let now = SystemClock.now();
    let releaser = TestKey::ecdsa();
    let mut web = TestRepository::new(&s.image("web"), now);
    web.delegate("targets/releases", &[&releaser]);
    web.sign_target("targets/releases", "1", image_digest("web 1"));
    let server = StaticServer::start();
    server.publishes(&mut web);
    let reader = Publisher::reader(web.gun(), &server.url(), &s.folder("reader"));
    assert_eq!(reader.lists(&["targets/releases"]).len(), 1);
    web.expires("targets/releases", now - days(1));
    server.publishes(&mut web);
    assert_eq!(reader.lists(&["targets/releases"]), []);
}
