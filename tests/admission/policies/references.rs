//! Objects that a policy refers to and that are not there, or not what they should be: a warning, never a refusal.

use serde_json::{Value, json};
use tagseal::policy::LiveError;

use super::world::*;

const CA: &str = "ConfigMap tagseal-system/notary-ca";
const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const DENIES: &str = "until that is mended, the policy denies what it matches (InvalidPolicy)";

fn referring(changes: Value) -> Value {
    let notary = json!({
        "server": "https://notary.example.com",
        "caBundle": {"configMapKeyRef": {"name": "notary-ca", "key": "ca.crt"}},
    });
    let mut policy = cluster("new", changes);
    policy["spec"]["notary"] = notary;
    policy
}

async fn warnings(world: &World, policy: &Value) -> Vec<String> {
    let answer = world.create(policy).await;
    assert!(answer.is_allowed());
    answer.warnings()
}

#[tokio::test]
async fn a_missing_object_or_one_without_what_is_needed_is_told() {
    let world = World::new();
    let field = "spec.notary.caBundle.configMapKeyRef";
    for (shown, told) in [
        (None, format!("{CA} does not exist")),
        (Some(&[("other", PEM)] as &[_]), format!("{CA} has no key \"ca.crt\"")),
        (Some(&[("ca.crt", "x")] as &[_]), "there is no PEM certificate".to_owned()),
    ] {
        world.objects.say(CA, Ok(shown));
        let warnings = warnings(&world, &referring(json!({}))).await;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with(&format!("tagseal: {field}: {told}")), "{warnings:?}");
        assert!(warnings[0].ends_with(DENIES), "{warnings:?}");
    }
    world.objects.say(CA, Ok(Some(&[("ca.crt", PEM)])));
    assert_eq!(warnings(&world, &referring(json!({}))).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_missing_secret_of_a_namespaced_policy_is_looked_for_in_its_own_namespace() {
    let world = World::new();
    let notary = json!({
        "server": "https://notary.example.com", "credentials": {"secretRef": {"name": "reader"}}
    });
    let policy = namespaced("shop", "strict", json!({"notary": notary, "validationActions": ["Warn"]}));
    world.objects.say("Secret shop/reader", Ok(None));
    assert_eq!(
        warnings(&world, &policy).await,
        [
            "tagseal: spec.notary.credentials.secretRef: Secret shop/reader does not exist; until that is mended, the \
             policy finds InvalidPolicy in what it matches"
        ]
    );
}

#[tokio::test]
async fn a_missing_right_is_told_as_the_status_will_tell_it() {
    let world = World::new();
    let message = "forbidden; let tagseal's ServiceAccount list and watch configmaps".to_owned();
    world.objects.say(CA, Err(LiveError { message: message.clone(), is_answer: true }));
    let warnings = warnings(&world, &referring(json!({}))).await;
    assert!(warnings[0].contains(&format!("{CA} could not be read: {message}")), "{warnings:?}");
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_no_warning() {
    let world = World::new();
    assert_eq!(warnings(&world, &referring(json!({}))).await, Vec::<String>::new());
    world.objects.say(CA, Err(LiveError { message: "connection refused".to_owned(), is_answer: false }));
    assert_eq!(warnings(&world, &referring(json!({}))).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_wrong_with_the_policy_itself_is_refused_all_the_same() {
    let world = World::new();
    world.objects.say(CA, Ok(None));
    let answer = world.create(&referring(json!({"images": {"include": ["shop/**"]}}))).await;
    assert_eq!(answer.causes(), [("InvalidPolicy".to_owned(), "spec.images.include[0]".to_owned())]);
}
