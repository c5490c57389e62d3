//! What is refused, each with its own reason in kubectl's output (design §6).

use crate::harness::*;
use crate::support::{TestKey, TestRepository, days, image_digest};
use tagseal::clock::{Clock as _, SystemClock};

#[test]
fn what_nobody_signed_is_refused_at_the_workload() {
    let s = Scenario::new("refusals-unsigned");
    let (web, _) = s.released_repository("web");
    web.signs(&["targets/releases"], "1.4", &digest_of("web 1.4"));
    s.has_policy(&s.policy().trusts(&web).requires(&["targets/releases"]));

    let unsigned = s.image("web:1.5");
    s.denies(&unsigned, "NotSigned");
    s.refuses(&deployment("web", 0, &unsigned), &unsigned, "NotSigned");
    s.refuses(&suspended_cron_job("web", &unsigned), &unsigned, "NotSigned");
    s.denies(&s.image("nowhere:1.4"), "RepositoryNotFound");
}

#[test]
fn what_another_delegation_signed_is_refused() {
    let s = Scenario::new("refusals-delegation");
    let (web, _) = s.released_repository("web");
    let qa = Signer::new("qa");
    web.delegates("targets/qa", &[&qa]);
    s.has_policy(&s.policy().trusts(&web).requires(&["targets/releases"]));

    web.signs(&["targets/qa"], "1.4", &digest_of("web 1.4"));
    s.denies(&s.image("web:1.4"), "DelegationMissing");
    web.signs(&["targets/releases"], "1.3", &digest_of("web 1.3"));
    s.soon_denies(&s.image("web:1.4"), "NotSigned");
    web.signs(&["targets"], "1.4", &digest_of("web 1.4"));
    s.denies(&s.image("web:1.4"), "NotSigned");
}

#[test]
fn a_delegation_that_is_not_declared_is_missing() {
    let s = Scenario::new("refusals-undeclared");
    let web = s.repository("web");
    web.signs(&["targets"], "1.4", &digest_of("web 1.4"));
    s.has_policy(&s.policy().trusts(&web).requires(&["targets/releases"]));
    s.denies(&s.image("web:1.4"), "DelegationMissing");
}

#[test]
fn another_root_than_the_pinned_one_is_refused() {
    let s = Scenario::new("refusals-root");
    let (web, other) = (s.repository("web"), s.repository("other"));
    web.signs(&["targets"], "1.4", &digest_of("web 1.4"));
    other.signs(&["targets"], "1.4", &digest_of("other 1.4"));
    s.has_policy(&s.policy().trusts(&other));
    s.denies(&s.image("web:1.4"), "RootMismatch");
    let image = s.image("other:1.4");
    s.seals(&image, &sealed(&image, &digest_of("other 1.4")));
}

#[test]
fn a_digest_must_be_the_signed_one() {
    let s = Scenario::new("refusals-digest");
    let web = s.repository("web");
    let digest = digest_of("web 1.4");
    web.signs(&["targets"], "1.4", &digest);
    s.has_policy(&s.policy().trusts(&web));

    let (tagged, bare, another) = (s.image("web:1.4"), s.image("web"), digest_of("another"));
    s.seals(&sealed(&tagged, &digest), &sealed(&tagged, &digest));
    s.seals(&sealed(&bare, &digest), &sealed(&bare, &digest));
    s.denies(&sealed(&tagged, &another), "DigestMismatch");
    s.denies(&sealed(&bare, &another), "DigestNotSigned");
}

#[test]
fn expired_trust_data_is_refused() {
    let s = Scenario::new("refusals-expired");
    let now = SystemClock.now();
    let server = StaticServer::start();
    let mut stale = TestRepository::new(&s.image("stale"), now);
    stale.sign_target("targets", "1.4", image_digest("stale")).expires("timestamp", now - days(1));
    server.publishes(&mut stale);
    let releaser = TestKey::ecdsa();
    let mut web = TestRepository::new(&s.image("web"), now);
    web.delegate("targets/releases", &[&releaser]);
    web.sign_target("targets/releases", "1.4", image_digest("web"));
    web.expires("targets/releases", now - days(1));
    server.publishes(&mut web);

    let policy = Policy::cluster("refusals-expired", &s.all_images(), &server.url());
    let policy =
        policy.trusts_key(&stale.root_key().canonical_id()).trusts_key(&web.root_key().canonical_id());
    s.has_policy(&policy);
    s.denies(&s.image("stale:1.4"), "Expired");
    let message = s.denies(&s.image("web:1.4"), "DelegationUnusable");
    assert!(message.contains("Expired"), "{message}");
}
