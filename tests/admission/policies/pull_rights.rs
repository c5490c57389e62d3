//! Pull secrets that a policy counts on and that tagseal may not read: a warning when the policy is applied.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tagseal::policy::Selector;

use super::super::world::{Namespaces, labels};
use super::world::*;

fn notary() -> Value {
    json!({"server": "https://notary.example.com", "credentials": {"imagePullSecrets": true}})
}

fn world() -> World {
    let production = || labels(&[("env", "production")]);
    let cached = BTreeMap::from([
        ("blog".to_owned(), production()),
        ("kube-system".to_owned(), production()),
        ("opted-out".to_owned(), labels(&[("env", "production"), ("tagseal.dev/admission", "ignore")])),
        ("shop".to_owned(), production()),
        ("test".to_owned(), labels(&[("env", "test")])),
    ]);
    let namespaces = Namespaces { cached, live: BTreeMap::new() };
    let world = World::covering(Selector::of_webhooks("tagseal-system"), namespaces);
    world.in_force(&[cluster("production", json!({}))]);
    world
}

async fn warnings(world: &World, policy: &Value) -> Vec<String> {
    let answer = world.create(policy).await;
    assert!(answer.is_allowed());
    answer.warnings()
}

fn told(place: &str) -> Vec<String> {
    vec![format!(
        "tagseal: spec.notary.credentials.imagePullSecrets: tagseal may not get secrets (the chart's value \
         pullSecrets.access grants it) {place}: what the policy matches there is Unauthorized"
    )]
}

#[tokio::test]
async fn a_right_that_is_missing_in_the_namespace_of_a_policy_is_told_with_the_value_that_grants_it() {
    let world = world();
    let policy = namespaced("shop", "strict", json!({"notary": notary()}));
    assert_eq!(warnings(&world, &policy).await, Vec::<String>::new());
    world.objects.lacks(None, "get secrets");
    assert_eq!(warnings(&world, &policy).await, Vec::<String>::new(), "in the namespace itself it may");
    world.objects.lacks(Some("shop"), "get secrets");
    assert_eq!(warnings(&world, &policy).await, told("in the namespace shop"));
}

#[tokio::test]
async fn a_cluster_policy_is_told_of_the_namespaces_that_it_selects_and_the_webhooks_cover() {
    let world = world();
    let selector = json!({"matchLabels": {"env": "production"}});
    let selective = cluster("selective", json!({"notary": notary(), "namespaceSelector": selector}));
    let all = cluster("all", json!({"notary": notary()}));
    for namespace in ["blog", "kube-system", "opted-out", "test"] {
        world.objects.lacks(Some(namespace), "get secrets");
    }
    assert_eq!(warnings(&world, &all).await, Vec::<String>::new(), "it may in all of them at once");
    world.objects.lacks(None, "get secrets");
    assert_eq!(warnings(&world, &selective).await, told("in the namespace blog"));
    assert_eq!(warnings(&world, &all).await, told("in the namespaces blog, test"));
    let none = json!({"matchLabels": {"env": "none"}});
    let none = cluster("none", json!({"notary": notary(), "namespaceSelector": none}));
    let place = "in all namespaces, and none that the policy selects is there yet";
    assert_eq!(warnings(&world, &none).await, told(place));
}

#[tokio::test]
async fn more_namespaces_than_can_be_named_are_counted() {
    let names = (0..30).map(|number| format!("n{number:02}"));
    let cached = names.map(|name| (name, labels(&[]))).collect();
    let world = World::unsynced(Namespaces { cached, live: BTreeMap::new() });
    world.in_force(&[]);
    world.objects.lacks(None, "get secrets");
    for number in 0..30 {
        world.objects.lacks(Some(&format!("n{number:02}")), "get secrets");
    }
    let place = "in the namespaces n00, n01, n02 and at least 17 more that it selects";
    assert_eq!(warnings(&world, &cluster("all", json!({"notary": notary()}))).await, told(place));
}

#[tokio::test]
async fn policies_without_pull_secrets_and_a_cluster_that_does_not_say_are_no_reason_to_warn() {
    let world = world();
    world.objects.lacks(None, "get secrets");
    world.objects.lacks(Some("shop"), "get secrets");
    assert_eq!(warnings(&world, &cluster("anonymous", json!({}))).await, Vec::<String>::new());
    world.objects.does_not_say();
    let all = cluster("all", json!({"notary": notary()}));
    assert_eq!(warnings(&world, &all).await, Vec::<String>::new());
}
