//! Running images that a change leaves uncovered.

use serde_json::{Value, json};
use tagseal::policy::{Selector, UnmatchedImages};

use super::super::world::{Namespaces, labels};
use super::world::*;

const WEB: &str = "registry.example.com/shop/web:1.4";
const MEANS: &str = "covered by no Deny policy any more";

fn world() -> World {
    world_of(Selector::of_webhooks("tagseal-system"))
}

fn world_of(covered: Selector) -> World {
    let mut namespaces = Namespaces::default();
    for name in ["payments", "a", "b", "c", "kube-system", "tagseal-system"] {
        namespaces.cached.insert(name.to_owned(), labels(&[("env", "test")]));
    }
    let ignored = labels(&[("env", "test"), ("tagseal.dev/admission", "ignore")]);
    namespaces.cached.insert("ignored".to_owned(), ignored);
    let enforced = labels(&[("env", "test"), ("tagseal.dev/admission", "enforce")]);
    namespaces.cached.insert("enforced".to_owned(), enforced);
    let world = World::covering(covered, namespaces);
    world.in_force(&[production()]);
    world
}

fn production() -> Value {
    cluster("production", json!({}))
}

fn narrowed() -> Value {
    cluster("production", json!({"images": {"include": ["registry.example.com/shop/api"]}}))
}

#[tokio::test]
async fn an_update_that_uncovers_running_images_is_told_with_them_and_what_it_means() {
    let world = world();
    world.running.runs("shop", WEB);
    world.running.runs("payments", WEB);
    world.running.runs("payments", "registry.example.com/shop/api:2");
    world.running.runs("shop", "elsewhere.example.com/web:1");
    let answer = world.update(&production(), &narrowed()).await;
    assert!(answer.is_allowed());
    assert_eq!(
        answer.warnings(),
        [
            "tagseal: 1 running image is covered by no Deny policy any more: it goes on running, and new pods with it \
             would be admitted unverified",
            "tagseal: no longer covered: registry.example.com/shop/web:1.4 in payments, shop",
        ]
    );
    assert_eq!(world.running.asked(), [None]);
}

#[tokio::test]
async fn a_deletion_is_told_too_with_no_more_than_three_images_and_namespaces() {
    let world = world();
    for namespace in ["shop", "a", "b", "c"] {
        for number in 0..5 {
            world.running.runs(namespace, &format!("registry.example.com/shop/web:{number}"));
        }
    }
    let answer = world.delete(&production()).await;
    assert!(answer.is_allowed());
    let warnings = answer.warnings();
    assert!(
        warnings[0].starts_with("tagseal: 5 running images are covered by no Deny policy"),
        "{warnings:?}"
    );
    assert_eq!(
        warnings[1..],
        [0, 1, 2].map(|number| format!(
            "tagseal: no longer covered: registry.example.com/shop/web:{number} in a, b, c and 1 more"
        ))
    );
}

#[tokio::test]
async fn to_warn_instead_of_to_deny_uncovers() {
    let world = world();
    world.running.runs("shop", WEB);
    let warns = cluster("production", json!({"validationActions": ["Warn"]}));
    assert_eq!(world.update(&production(), &warns).await.warnings().len(), 2);
    let unmatched = cluster("production", json!({"namespaceSelector": {"matchLabels": {"env": "test"}}}));
    assert_eq!(world.update(&production(), &unmatched).await.warnings().len(), 2);
    assert_eq!(world.update(&warns, &narrowed()).await.warnings(), Vec::<String>::new(), "it never denied");
}

#[tokio::test]
async fn what_another_deny_policy_covers_is_covered() {
    let world = world();
    world.running.runs("shop", WEB);
    world.running.runs("payments", WEB);
    let selector = json!({"namespaceSelector": {"matchLabels": {"env": "production"}}});
    world.in_force(&[production(), cluster("another", selector)]);
    let warnings = world.delete(&production()).await.warnings();
    assert_eq!(warnings[1], "tagseal: no longer covered: registry.example.com/shop/web:1.4 in payments");
    world.in_force(&[production(), broken("another")]);
    assert_eq!(
        world.delete(&production()).await.warnings(),
        Vec::<String>::new(),
        "a broken policy denies what it could match"
    );
    let audits = cluster("another", json!({"validationActions": ["Audit"]}));
    world.in_force(&[production(), audits]);
    assert_eq!(world.delete(&production()).await.warnings().len(), 2);
}

#[tokio::test]
async fn where_unmatched_images_are_denied_nothing_is_left_uncovered() {
    let world = world();
    world.running.runs("shop", WEB);
    world.in_force_with(&[production()], UnmatchedImages::Deny);
    assert_eq!(world.delete(&production()).await.warnings(), Vec::<String>::new());
}

#[tokio::test]
async fn namespaces_that_tagseal_never_covers_do_not_count() {
    let world = world();
    for namespace in ["kube-system", "tagseal-system", "ignored", "not-known-yet"] {
        world.running.runs(namespace, WEB);
    }
    assert_eq!(world.delete(&production()).await.warnings(), Vec::<String>::new());
}

#[tokio::test]
async fn namespaces_that_this_clusters_webhooks_leave_out_do_not_count() {
    let named = |values: &str| {
        format!(r#"{{"key":"kubernetes.io/metadata.name","operator":"NotIn","values":[{values}]}}"#)
    };
    let excluding = named(r#""kube-system","tagseal-system","a""#);
    let (out, enforce) = (
        r#"{"key":"tagseal.dev/admission","operator":"NotIn","values":["ignore"]}"#,
        r#"{"key":"tagseal.dev/admission","operator":"In","values":["enforce"]}"#,
    );
    let told = [
        // excludeNamespaces of the chart
        (format!("{excluding},{out}"), "b, enforced"),
        // optIn
        (format!("{excluding},{out},{enforce}"), "enforced"),
    ];
    for (expressions, namespaces) in told {
        let selector = Selector::from_json(&format!(r#"{{"matchExpressions":[{expressions}]}}"#)).unwrap();
        let world = world_of(selector);
        for namespace in ["kube-system", "tagseal-system", "ignored", "a", "b", "enforced"] {
            world.running.runs(namespace, WEB);
        }
        let warnings = world.delete(&production()).await.warnings();
        assert_eq!(warnings[1], format!("tagseal: no longer covered: {WEB} in {namespaces}"));
    }
}

#[tokio::test]
async fn namespaces_whose_names_begin_with_an_excluded_prefix_do_not_count() {
    let prefixes = ["a".to_owned(), "enf".to_owned()];
    let world = world_of(Selector::of_webhooks("tagseal-system").without_names(&prefixes));
    for namespace in ["a", "b", "enforced"] {
        world.running.runs(namespace, WEB);
    }
    let warnings = world.delete(&production()).await.warnings();
    assert_eq!(warnings[1], format!("tagseal: no longer covered: {WEB} in b"));
}

#[tokio::test]
async fn images_that_are_no_references_do_not_count() {
    let world = world();
    world.running.runs("shop", &format!("sha256:{}", "0".repeat(64)));
    world.running.runs("shop", "");
    world.running.runs("shop", "registry.example.com/shop/ü");
    assert_eq!(
        world.delete(&cluster("production", json!({"images": {"include": ["**"]}}))).await.warnings(),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn pods_are_listed_only_for_a_change_that_can_uncover_and_only_where_it_can() {
    let world = world();
    let other =
        cluster("production", json!({"mutation": "None", "requiredDelegations": [{"role": "targets/qa"}]}));
    world.update(&production(), &other).await;
    world.create(&cluster("new", json!({}))).await;
    world.update(&broken("production"), &production()).await;
    world.update(&production(), &broken("production")).await;
    assert_eq!(world.running.asked(), []);
    world.delete(&namespaced("shop", "strict", json!({}))).await;
    assert_eq!(world.running.asked(), [Some("shop".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn what_was_found_before_the_list_failed_or_took_too_long_is_told_as_the_least() {
    for end in [End::Fails("connection reset"), End::Hangs] {
        let world = world();
        world.running.runs("shop", WEB);
        world.running.ends(end);
        let start = tokio::time::Instant::now();
        let answer = world.update(&production(), &narrowed()).await;
        assert!(answer.is_allowed());
        assert!(answer.warnings()[0].starts_with(&format!("tagseal: at least 1 running image is {MEANS}")));
        assert!(start.elapsed().as_secs() <= 2, "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_altogether_is_no_warning_and_holds_up_nothing() {
    let world = world();
    world.running.ends(End::Hangs);
    let answer = world.review_within("1s", &deleting(&production())).await;
    assert!(answer.is_allowed() && answer.warnings().is_empty());
}
