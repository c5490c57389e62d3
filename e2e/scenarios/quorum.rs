//! Required delegations: all of them, k of them, and by whom.

use crate::harness::*;

#[test]
fn all_required_delegations_must_sign_the_same_digest() {
    let s = Scenario::new("quorum-all");
    let (web, _) = s.released_repository("web");
    let qa = Signer::new("qa");
    web.delegates("targets/qa", &[&qa]);
    let both = ["targets/releases", "targets/qa"];
    web.signs(&both, "1.4", &digest_of("web 1.4"));
    web.signs(&["targets/releases"], "1.5", &digest_of("web 1.5"));
    web.signs(&["targets/releases"], "1.6", &digest_of("web 1.6"));
    web.signs(&["targets/qa"], "1.6", &digest_of("web 1.6, built anew"));
    s.has_policy(&s.policy().trusts(&web).requires(&both));

    let image = s.image("web:1.4");
    s.seals(&image, &sealed(&image, &digest_of("web 1.4")));
    s.denies(&s.image("web:1.5"), "NotSigned");
    s.denies(&s.image("web:1.6"), "ConflictingDigests");
}

#[test]
fn a_quorum_is_k_roles_by_k_different_keys() {
    let s = Scenario::new("quorum-k");
    let web = s.repository("web");
    let roles = ["targets/alice", "targets/bob", "targets/carol"];
    let (alice, bob) = (Signer::new("alice"), Signer::new("bob"));
    web.delegates("targets/alice", &[&alice]);
    web.delegates("targets/bob", &[&bob]);
    // docker puts every signer's key into one common role: a second role, but no second key.
    web.delegates("targets/carol", &[&alice]);
    web.signs(&roles, "1.3", &digest_of("web 1.3"));
    web.signs(&["targets/alice", "targets/bob"], "1.4", &digest_of("web 1.4"));
    web.signs(&["targets/alice"], "1.5", &digest_of("web 1.5"));
    web.signs(&["targets/alice", "targets/carol"], "1.6", &digest_of("web 1.6"));
    s.has_policy(&s.policy().trusts(&web).requires(&roles).with("threshold", 2));

    for tag in ["1.3", "1.4"] {
        let image = s.image(&format!("web:{tag}"));
        s.seals(&image, &sealed(&image, &digest_of(&format!("web {tag}"))));
    }
    s.denies(&s.image("web:1.5"), "ThresholdNotMet");
    s.denies(&s.image("web:1.6"), "ThresholdNotMet");
    s.denies(&s.image("web:1.7"), "NotSigned");
}

#[test]
fn a_pinned_signer_must_itself_have_signed() {
    let s = Scenario::new("quorum-signer");
    let web = s.repository("web");
    let (alice, bob) = (Signer::new("alice"), Signer::new("bob"));
    let digest = digest_of("web 1.4");
    web.delegates("targets/qa", &[&bob]);
    web.signs(&["targets/qa"], "1.4", &digest);
    s.has_policy(&s.policy().trusts(&web).requires_signer("targets/qa", &alice));
    s.denies(&s.image("web:1.4"), "DelegationUnusable");
    web.delegates("targets/qa", &[&alice]);
    web.witnesses("targets/qa");
    let image = s.image("web:1.4");
    s.soon_seals(&image, &sealed(&image, &digest));
}
