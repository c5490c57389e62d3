//! A publisher's ordinary work: it denies nobody, and what it withdraws is withdrawn.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::harness::*;

/// How often a repository in use is looked at in these tests.
const REVALIDATE: &str = "2s";

#[test]
fn a_tag_signed_anew_is_picked_up_and_the_old_digest_stays_good_until_the_tag_is_removed() {
    let s = Scenario::new("publishing-tags");
    let (web, _) = s.released_repository("web");
    let image = s.image("web:1.4");
    let (old, new) = (digest_of("web 1.4"), digest_of("web 1.4, built anew"));
    web.signs(&["targets/releases"], "1.4", &old);
    let policy = s.policy().trusts(&web).requires(&["targets/releases"]);
    let policy = policy.with("freshness", json!({"revalidateAfter": REVALIDATE}));
    s.has_policy(&policy.with("supersededDigests", json!({"acceptFor": "1h"})));

    s.seals(&image, &sealed(&image, &old));
    web.signs(&["targets/releases"], "1.4", &new);
    s.soon_seals(&image, &sealed(&image, &new));
    s.seals(&sealed(&image, &old), &sealed(&image, &old));
    s.seals(&sealed(&s.image("web"), &old), &sealed(&s.image("web"), &old));

    web.removes(&["targets/releases"], "1.4");
    s.soon_denies(&image, "NotSigned");
    s.denies(&sealed(&image, &new), "DigestRevoked");
    s.denies(&sealed(&image, &old), "DigestRevoked");
}

/// Nobody looks while the tag is removed and signed anew. The server keeps every version.
#[test]
fn t34_a_removal_that_passed_unseen_revokes_and_fifty_unseen_publishes_deny_nobody() {
    let s = Scenario::new("publishing-unseen");
    let (removed, kept) = (s.released_repository("removed").0, s.released_repository("kept").0);
    for repository in [&removed, &kept] {
        repository.signs(&["targets/releases"], "1.4", &digest_of("old"));
    }
    let policy = s.policy().trusts(&removed).trusts(&kept).requires(&["targets/releases"]);
    s.has_policy(&policy.with("freshness", json!({"revalidateAfter": "1h"})));
    for name in ["removed:1.4", "kept:1.4"] {
        let image = s.image(name);
        s.seals(&image, &sealed(&image, &digest_of("old")));
    }
    removed.removes(&["targets/releases"], "1.4");
    for build in 0..50 {
        kept.signs(&["targets/releases"], &format!("build-{build}"), &digest_of("a build"));
    }
    for (repository, name) in [(&removed, "removed:1.4"), (&kept, "kept:1.4")] {
        repository.signs(&["targets/releases"], "1.4", &digest_of("new"));
        // What is not as it was makes tagseal look.
        let image = sealed(&s.image(name), &digest_of("new"));
        s.seals(&image, &image);
    }
    s.denies(&sealed(&s.image("removed:1.4"), &digest_of("old")), "DigestRevoked");
    let old = sealed(&s.image("kept:1.4"), &digest_of("old"));
    s.seals(&old, &old);
}

#[test]
fn a_tag_signed_a_moment_ago_is_never_refused() {
    let s = Scenario::new("publishing-fresh");
    let web = s.repository("web");
    web.signs(&["targets"], "1.4", &digest_of("web 1.4"));
    s.has_policy(&s.policy().trusts(&web));
    let image = s.image("web:1.4");
    s.seals(&image, &sealed(&image, &digest_of("web 1.4")));
    // Far within the default of 60 s: the refusal itself must look again.
    web.signs(&["targets"], "1.5", &digest_of("web 1.5"));
    let image = s.image("web:1.5");
    s.seals(&image, &sealed(&image, &digest_of("web 1.5")));
}

#[test]
fn keys_rotate_while_pods_are_admitted() {
    let s = Scenario::new("publishing-rotation");
    let (web, releaser) = s.released_repository("web");
    let (image, digest) = (s.image("web:1.4"), digest_of("web 1.4"));
    web.signs(&["targets/releases"], "1.4", &digest);
    let proxy = Proxy::of(suite().notary().url());
    let policy = Policy::cluster("publishing-rotation", &s.all_images(), &proxy.url()).trusts(&web);
    let policy = policy.requires(&["targets/releases"]);
    s.has_policy(&policy.with("freshness", json!({"revalidateAfter": REVALIDATE})));
    s.seals(&image, &sealed(&image, &digest));

    let done = AtomicBool::new(false);
    let (first, second) = (Signer::new("first-successor"), Signer::new("second-successor"));
    let steps: [(&str, &dyn Fn()); 5] = [
        ("root", &|| web.rotates_root()),
        ("delegation", &|| web.hands_over("targets/releases", &releaser, &first)),
        ("targets and snapshot", &|| {
            web.rotates_targets();
            web.hands_snapshot_to_server();
        }),
        ("root again", &|| web.rotates_root()),
        ("delegation again", &|| web.hands_over("targets/releases", &first, &second)),
    ];
    let admitted = AtomicUsize::new(0);
    let so_far = || (proxy.count("web/_trust/tuf/timestamp.json"), admitted.load(Ordering::Relaxed));
    std::thread::scope(|scope| {
        let _stops = Raises(&done);
        let admissions = scope.spawn(|| {
            let cluster = s.cluster.alone(Because::CountedRequests);
            while !done.load(Ordering::Relaxed) {
                let stored = cluster.tries(&s.pod(&image)).object();
                assert_eq!(images(&stored), [sealed(&image, &digest)]);
                admitted.fetch_add(1, Ordering::Relaxed);
            }
        });
        for (step, rotates) in steps {
            rotates();
            let (looks, before) = so_far();
            eventually(&format!("tagseal looks again after {step}"), Duration::from_secs(20), || {
                assert!(!admissions.is_finished(), "an admission failed after {step}");
                // The first of these two may have begun before the key changed.
                let (looked, now) = so_far();
                if looked > looks && now > before + 1 { Ok(()) } else { Err(format!("{:?}", so_far())) }
            });
            s.seals(&image, &sealed(&image, &digest));
        }
    });

    let next = s.image("web:1.5");
    web.signs(&["targets/releases"], "1.5", &digest_of("web 1.5"));
    s.soon_seals(&next, &sealed(&next, &digest_of("web 1.5")));
}

/// Raises its flag when dropped, so that a failing test does not wait for its own thread.
struct Raises<'a>(&'a AtomicBool);

impl Drop for Raises<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
