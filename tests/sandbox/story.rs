//! The story goes as it should, and each of its checks can fail.

use std::sync::Arc;

use axum::Router;
use axum::extract::Json;
use axum::routing::any;
use serde_json::{Value, json};
use tagseal::clock::SystemClock;
use tagseal::sandbox::stage::{Port, Stage, StageOptions};
use tagseal::sandbox::story::{self, Event, Label, Line, Step};

/// On ports that are free, in a temporary folder.
pub fn options() -> StageOptions {
    StageOptions {
        data_dir: None,
        notary: Port::Exactly(0),
        registry: Port::Exactly(0),
        webhook: Port::Exactly(0),
        advertised: None,
        clock: Arc::new(SystemClock),
        before_webhook: None,
    }
}

/// Plays the story; whether it went well, and its steps.
async fn play(stage: &Stage) -> (bool, Vec<Step>) {
    let mut steps = Vec::new();
    let is_well = story::play(stage, &mut |event| {
        if let Event::Step(step) = event {
            steps.push(step);
        }
    })
    .await;
    (is_well, steps)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_story_goes_as_it_should_with_the_webhooks_own_reasons_and_leaves_nothing_behind() {
    let stage = Stage::start(options()).await.unwrap();
    let folder = stage.path().to_owned();
    assert!(folder.join("ca.crt").exists());
    let (is_well, steps) = play(&stage).await;
    let failed: Vec<_> = steps.iter().filter(|step| !step.is_well()).collect();
    assert!(is_well && failed.is_empty(), "{failed:#?}");
    assert_eq!(steps.len(), story::steps(&stage));
    assert!(steps.iter().zip(1..).all(|(step, number)| step.number == number));
    for (title, reason) in REASONS {
        let step = steps.iter().find(|step| step.title.contains(title)).unwrap();
        let refusals = refusals(step);
        assert_eq!(refusals.len(), 1, "{title}: {refusals:?}");
        assert!(refusals[0].contains(&format!(": {reason} (ClusterTrustPolicy ")), "{title}: {refusals:?}");
    }
    drop(stage);
    assert!(!folder.exists());
}

/// Words of a step's title, and the reason that the webhook gives in it.
const REASONS: [(&str, &str); 9] = [
    ("nobody signed", "NotSigned"),
    ("only one of two", "DelegationMissing"),
    ("forges", "DelegationUnusable"),
    ("root of her own", "RootMismatch"),
    ("while the webhook restarts", "Rollback"),
    ("freezes", "Expired"),
    ("one stolen key", "ConflictingDigests"),
    ("is replaced", "DelegationUnusable"),
    ("takes back", "NotSigned"),
];

/// What the step shows of denials.
fn refusals(step: &Step) -> Vec<&str> {
    let refused = step.lines.iter().filter_map(|line| match line {
        Line::Saw { label: Label::Refused, text } => Some(text.as_str()),
        _ => None,
    });
    refused.collect()
}

/// Plays with something in the webhook's place, and expects every step that asks it to fail, and no other.
async fn every_step_fails_with(before_webhook: fn(Router) -> Router) {
    let stage =
        Stage::start(StageOptions { before_webhook: Some(before_webhook), ..options() }).await.unwrap();
    let (is_well, steps) = play(&stage).await;
    assert!(!is_well);
    assert_eq!(steps.len(), story::steps(&stage), "a check that fails does not end the story");
    for step in &steps {
        let asks = step
            .lines
            .iter()
            .any(|line| matches!(line, Line::Typed { command, .. } if command.starts_with("kubectl run")));
        assert_eq!(step.is_well(), !asks, "{step:#?}");
    }
}

fn answer(review: &Value, allowed: bool) -> Json<Value> {
    let mut response = json!({"uid": review["request"]["uid"], "allowed": allowed});
    if !allowed {
        response["status"] = json!({
            "message": "just so",
            "details": {"causes": [{"reason": "NotSynced", "message": "just so", "field": "spec"}]},
        });
    }
    Json(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_lets_everything_through_fails_every_step_that_asks_it() {
    every_step_fails_with(|_| {
        Router::new().fallback(any(|Json(review): Json<Value>| async move { answer(&review, true) }))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_refuses_everything_fails_every_step_that_asks_it() {
    every_step_fails_with(|_| {
        Router::new().fallback(any(|Json(review): Json<Value>| async move { answer(&review, false) }))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_answers_nonsense_ends_the_story_with_what_it_said() {
    let before: fn(Router) -> Router = |_| Router::new().fallback(any(|| async { "what?" }));
    let stage = Stage::start(StageOptions { before_webhook: Some(before), ..options() }).await.unwrap();
    let (is_well, steps) = play(&stage).await;
    assert!(!is_well);
    let last = steps.last().unwrap();
    assert_eq!(last.title, "A pod asks for a tag, and gets the signed digest");
    let instead = last.checks.last().unwrap().instead.clone().unwrap();
    assert!(instead.contains("/mutate: answered 200"), "{instead}");
}
