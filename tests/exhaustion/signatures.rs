//! Signatures that are not worth their verification.

use serde_json::{Value, json};

use super::hostile::{Hostile, now, repository, trusting};
use super::process::Process;
use crate::support::random::is_soak;
use crate::support::signer::base64;
use crate::support::{TestKey, TestRepository, image_digest};

/// Signatures that a file may have.
const MOST: usize = 256;

/// A repository in which `role` has almost the largest size and as many signatures as it may, all but the last of them
/// junk under the role's own key.
fn junk(role: &'static str, bytes: usize) -> TestRepository {
    let mut repository = repository(role);
    repository.sign_target("targets", "1", image_digest("a"));
    let filling = Value::from("x".repeat(bytes));
    repository.edit(role, move |signed| signed["x"] = filling);
    repository.edit_signatures(role, |signatures| {
        let real = signatures[0].clone();
        for n in 0..MOST - 1 {
            let mut other = real.clone();
            other["sig"] = base64(&[u8::try_from(n).unwrap(); 64]).into();
            signatures.insert(0, other);
        }
    });
    repository.publish(now());
    repository
}

#[test]
fn t39_junk_signatures_over_the_largest_file_of_each_role_are_tried_within_the_budget() {
    let large = if is_soak() { 15_800_000 } else { 4_000_000 };
    let repositories =
        [junk("root", 900_000), junk("timestamp", 900_000), junk("snapshot", large), junk("targets", large)];
    let server = Hostile::serving(&repositories);
    let policies = repositories.each_ref().map(|repository| trusting(repository, server.url(), &json!({})));
    Process::start(&policies).attacked(async |process| {
        let images = repositories.each_ref().map(|repository| format!("{}:1", repository.gun()));
        for said in futures::future::join_all(images.iter().map(|image| process.decided(image))).await {
            assert!(said.starts_with("InvalidMetadata: "), "{said}");
            assert!(
                said.contains(
                    "exceeds the limit of 67108864 bytes of signed metadata to verify signatures of"
                ),
                "{said}"
            );
        }
    });
}

#[test]
fn t39_keys_that_are_slow_to_verify_cost_what_they_are_counted_as() {
    let keys: Vec<_> = (0..MOST).map(|_| TestKey::p521()).collect();
    let keys: Vec<_> = keys.iter().collect();
    let mut repository = repository("slow");
    repository.delegate("targets/slow", &keys);
    repository.threshold("targets/slow", MOST as u64);
    repository.sign_target("targets/slow", "1", image_digest("a"));
    let junk = |signatures: &mut Vec<Value>| {
        for signature in signatures {
            signature["sig"] = base64(&[1; 132]).into();
        }
    };
    repository.edit_signatures("targets/slow", junk).publish(now());
    let server = Hostile::serving([&repository]);
    let required = json!({"requiredDelegations": [{"role": "targets/slow"}]});
    Process::start(&[trusting(&repository, server.url(), &required)]).attacked(async |process| {
        let said = process.decided(&format!("{}:1", repository.gun())).await;
        assert!(said.starts_with("DelegationUnusable: "), "{said}");
        assert!(said.contains("InvalidSignature: no signature on the targets/slow metadata"), "{said}");
    });
}
