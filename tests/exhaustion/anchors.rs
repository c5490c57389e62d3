//! What the policies of namespaces have held and asked for: a repository under many anchors, and freshness.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tagseal::limits;
use tokio::time::Instant;

use super::hostile::{Hostile, now, repository, trusting};
use super::process::Process;
use crate::support::random::is_soak;
use crate::support::{TestRepository, image_digest};

/// A repository of so many tags.
fn tagged(name: &str, tags: usize) -> TestRepository {
    let mut repository = repository(name);
    for n in 0..tags {
        repository.sign_target("targets", &n.to_string(), image_digest(&n.to_string()));
    }
    repository.publish(now());
    repository
}

fn image(repository: &TestRepository) -> String {
    format!("{}@{}", repository.gun(), image_digest("0"))
}

/// A namespace's policy for the repository that trusts its root key, and others that nobody has.
fn tenants(namespace: &str, name: &str, repository: &TestRepository, server: &str, more: &Value) -> Value {
    let mut policy = trusting(repository, server, more);
    policy["kind"] = json!("TrustPolicy");
    policy["metadata"] = json!({"name": name, "namespace": namespace});
    policy
}

/// The pins of the policy with this number: the real one and so many junk ones.
fn roots(repository: &TestRepository, number: usize, junk: usize) -> Value {
    let key = |key: String| json!({"keyID": key});
    let junk = (0..junk).map(|n| key(format!("{:064x}", number * 1000 + n + 1)));
    let roots: Vec<_> = [key(repository.root_key().canonical_id())].into_iter().chain(junk).collect();
    json!({"roots": roots})
}

#[test]
fn p14_many_anchors_of_a_large_repository_hold_its_tags_once() {
    let (namespaces, policies, tags) = if is_soak() { (2, 6, 40_000) } else { (2, 10, 10_000) };
    let repository = tagged("large", tags);
    let server = Hostile::serving([&repository]);
    let of = |n: usize| {
        let namespace = format!("tenant-{}", n / policies);
        tenants(&namespace, &format!("p{n}"), &repository, server.url(), &roots(&repository, n, 1))
    };
    let cluster = trusting(&tagged("other", 1), server.url(), &json!({}));
    let policies: Vec<_> = (0..namespaces * policies).map(of).chain([cluster]).collect();
    Process::start(&policies).attacked(async |process| {
        let names: Vec<_> = (0..namespaces).map(|n| format!("tenant-{n}")).collect();
        let image = image(&repository);
        let said = join_all(names.iter().map(|name| process.decided_in(name, &image))).await;
        assert!(said.iter().all(|said| said == "Admitted"), "{said:?}");
    });
}

#[test]
fn p14_of_many_pins_of_a_namespace_256_hold_and_the_others_are_told() {
    let repository = tagged("small", 1);
    let server = Hostile::serving([&repository]);
    let of = |namespace: &'static str, count: usize| {
        let (repository, server) = (&repository, server.url().to_owned());
        (0..count).map(move |n| {
            let roots = roots(repository, n, 63);
            tenants(namespace, &format!("p{n}"), repository, &server, &roots)
        })
    };
    let cluster = trusting(&tagged("other", 1), server.url(), &json!({}));
    let policies: Vec<_> = of("greedy", 20).chain(of("modest", 2)).chain([cluster]).collect();
    Process::start(&policies).attacked(async |process| {
        let said = process.said("greedy", &image(&repository)).await;
        assert!(said.starts_with("InvalidPolicy: "), "{said}");
        assert!(said.contains("the TrustPolicies of \"greedy\" name more than 256 roots"), "{said}");
        assert_eq!(process.decided_in("modest", &image(&repository)).await, "Admitted");
    });
}

/// As fresh as a tenant may have it.
const FRESH: Duration = limits::NAMESPACE_REVALIDATE_AFTER;

/// How many requests come while nobody asks for anything. It has to be time that passes: nothing is to happen in it.
async fn idle(server: &Hostile, span: Duration) -> usize {
    let before = server.asked();
    tokio::time::sleep_until(Instant::now() + span).await;
    server.asked() - before
}

#[test]
fn p14_twenty_images_as_fresh_as_may_be_cost_the_server_little_and_nothing_once_the_policy_is_gone() {
    let repositories: Vec<_> = (0..20).map(|n| tagged(&format!("r{n}"), 1)).collect();
    let server = Hostile::serving(&repositories);
    let mut policy = tenants(
        "greedy",
        "fresh",
        &repositories[0],
        server.url(),
        &json!({
            "images": {"include": ["registry.test/attacker/**"]},
            "freshness": {"revalidateAfter": format!("{}s", FRESH.as_secs()), "maxStaleness": "1m"},
        }),
    );
    policy["spec"]["roots"] = repositories
        .iter()
        .map(|repository| json!({"keyID": repository.root_key().canonical_id()}))
        .collect();
    let cluster = trusting(&repository("other"), server.url(), &json!({}));
    Process::start(&[policy, cluster]).attacked(async |process| {
        let images: Vec<_> = repositories.iter().map(image).collect();
        let said = join_all(images.iter().map(|image| process.decided_in("greedy", image))).await;
        assert!(said.iter().all(|said| said == "Admitted"), "{said:?}");
        let asked = idle(&server, FRESH + Duration::from_secs(2)).await;
        assert!((1..=2 * images.len()).contains(&asked), "{asked} requests");
        process.forget_policy(0);
        // Signed by nobody for all that is known, and nobody asks any more.
        let unsigned = format!("{}@{}", repositories[0].gun(), image_digest("nothing"));
        while process.said("greedy", &unsigned).await != "Admitted" {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        // What is under way ends.
        idle(&server, Duration::from_secs(1)).await;
        let quiet = if is_soak() { 2 * FRESH } else { FRESH + Duration::from_secs(1) };
        assert_eq!(idle(&server, quiet).await, 0);
    });
}
