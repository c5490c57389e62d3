//! The largest honest repository.

use serde_json::json;

use super::hostile::{Hostile, now, repository, trusting};
use super::process::Process;
use crate::support::{TestKey, image_digest};

#[test]
fn a_repository_of_40_000_tags_with_200_delegations_is_verified_and_served() {
    let mut repository = repository("largest");
    let key = TestKey::ecdsa();
    for n in 0..40_000 {
        repository.sign_target("targets", &format!("1.{n}"), image_digest(&n.to_string()));
    }
    let roles: Vec<_> = (0..200).map(|n| format!("targets/team-{n}")).collect();
    for role in &roles {
        repository.delegate(role, &[&key]);
        for n in 0..50 {
            repository.sign_target(role, &format!("1.{n}"), image_digest(&n.to_string()));
        }
    }
    repository.publish(now());
    let server = Hostile::serving([&repository]);
    // Each policy may ask for 32 of them.
    let of = |(n, roles): (usize, &[String])| {
        let required: Vec<_> = roles.iter().map(|role| json!({"role": role})).collect();
        let mut policy = trusting(&repository, server.url(), &json!({"requiredDelegations": required}));
        policy["metadata"]["name"] = format!("large-{n}").into();
        policy
    };
    let mut all = trusting(&repository, server.url(), &json!({}));
    all["metadata"]["namespace"] = json!("all");
    all["kind"] = json!("TrustPolicy");
    let policies: Vec<_> = roles.chunks(32).enumerate().map(of).chain([all]).collect();
    Process::start(&policies).attacked(async |process| {
        let image = format!("{}@{}", repository.gun(), image_digest("7"));
        assert_eq!(process.decided(&image).await, "Admitted");
        let said = process.decided(&format!("{}@{}", repository.gun(), image_digest("70"))).await;
        assert!(said.starts_with("DigestNotSigned: "), "{said}");
    });
}
