//! The routes: `/mutate`, `/validate`, `/policies`, `/healthz`, `/readyz`. Exposed, so that tests call it without a socket.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::FutureExt;
use serde::Deserialize;
use tokio::time::Instant;

use super::health::Readiness;
use super::intake::{Arrived, Intake};
use super::stopwatch::Stopwatch;
use crate::admission::{Admission, AnswerError, Answered, Decision, Hook, PolicyReview};
use crate::limits;
use crate::pool::PoolError;
use crate::telemetry::{Endpoint, Metrics, Outcome, panic_message};

/// The largest body, in bytes.
pub const MAX_BODY: usize = limits::REQUEST_BODY;
/// What is left of the API server's time to bring our reason to it.
const MARGIN: Duration = Duration::from_secs(1);
/// The API server's time where it does not say (`timeoutSeconds` of the webhooks).
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that the API server lets a webhook take.
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
struct Webhook {
    admission: Arc<Admission>,
    intake: Intake,
    readiness: Readiness,
    metrics: Metrics,
}

/// The whole HTTP surface.
pub fn router(admission: Arc<Admission>, readiness: Readiness) -> Router {
    metered_router(admission, readiness, Metrics::default())
}

/// The same, and it is measured how long each answer takes.
pub fn metered_router(admission: Arc<Admission>, readiness: Readiness, metrics: Metrics) -> Router {
    let intake = Intake::of_reviews(admission.bounds().review_bytes);
    Router::new()
        .route("/mutate", post(mutate))
        .route("/validate", post(validate))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .layer(middleware::from_fn(catch_panics))
        .with_state(Webhook { admission, intake, readiness, metrics })
}

#[derive(Debug, Clone)]
struct PolicyWebhook {
    review: Arc<PolicyReview>,
    intake: Intake,
    metrics: Metrics,
}

/// The endpoint that judges policies, to be merged into [`router`].
pub fn policies_router(review: Arc<PolicyReview>, metrics: Metrics) -> Router {
    Router::new()
        .route("/policies", post(policies))
        .layer(middleware::from_fn(catch_panics))
        .with_state(PolicyWebhook { review, intake: Intake::of_policies(), metrics })
}

/// `?timeout=10s`, as the API server adds it.
#[derive(Debug, Deserialize)]
struct Call {
    timeout: Option<String>,
}

async fn mutate(state: State<Webhook>, call: Query<Call>, request: Request) -> Response {
    review(Hook::Mutate, state, call, request).await
}

async fn validate(state: State<Webhook>, call: Query<Call>, request: Request) -> Response {
    review(Hook::Validate, state, call, request).await
}

async fn review(
    hook: Hook,
    State(webhook): State<Webhook>,
    Query(call): Query<Call>,
    request: Request,
) -> Response {
    let stopwatch = Stopwatch::start(&webhook.metrics, endpoint(hook));
    let (body, deadline) = match body(&webhook.intake, &call, request, stopwatch.started()).await {
        Ok(arrived) => arrived,
        Err(refusal) => return stopwatch.failed(refusal),
    };
    let answered = webhook.admission.answer(hook, &body.bytes, deadline).await;
    response(hook.as_str(), answered, stopwatch)
}

async fn policies(
    State(webhook): State<PolicyWebhook>,
    Query(call): Query<Call>,
    request: Request,
) -> Response {
    let stopwatch = Stopwatch::start(&webhook.metrics, Endpoint::Policies);
    let (body, deadline) = match body(&webhook.intake, &call, request, stopwatch.started()).await {
        Ok(arrived) => arrived,
        Err(refusal) => return stopwatch.failed(refusal),
    };
    let answered = webhook.review.answer(&body.bytes, deadline).await;
    if let Ok(Answered { decision, reason, .. }) = &answered {
        match reason {
            None => drop(webhook.metrics.passed(Endpoint::Policies, decision.as_str()).inc()),
            Some(reason) => {
                webhook.metrics.refused(Endpoint::Policies, decision.as_str(), reason.as_str(), None);
            }
        }
    }
    response("policies", answered, stopwatch)
}

fn endpoint(hook: Hook) -> Endpoint {
    match hook {
        Hook::Mutate => Endpoint::Mutate,
        Hook::Validate => Endpoint::Validate,
    }
}

/// The request's body, and when the answer must be there; or what to answer at once.
async fn body(
    intake: &Intake,
    call: &Call,
    request: Request,
    came: Instant,
) -> Result<(Arrived, Instant), Response> {
    if !is_json(request.headers()) {
        let refusal = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json\n");
        return Err(refusal.into_response());
    }
    let deadline = came + budget(call.timeout.as_deref());
    Ok((intake.read(request, deadline).await?, deadline))
}

fn response(hook: &str, answered: Result<Answered, AnswerError>, stopwatch: Stopwatch<'_>) -> Response {
    match answered {
        Ok(Answered { bytes, decision, .. }) => {
            stopwatch.stop(if decision == Decision::Denied { Outcome::Denied } else { Outcome::Allowed });
            ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes).into_response()
        }
        Err(AnswerError::Unreadable(error)) => {
            tracing::info!(hook, %error, "unreadable request");
            stopwatch.failed((StatusCode::BAD_REQUEST, format!("{error}\n")).into_response())
        }
        Err(AnswerError::Busy(PoolError::Panicked(panic))) => {
            tracing::error!(hook, panic, "reading a request panicked");
            stopwatch.failed(failed())
        }
        Err(error @ AnswerError::Busy(_)) => {
            tracing::warn!(hook, %error, "a large review is refused unread");
            stopwatch
                .failed((StatusCode::SERVICE_UNAVAILABLE, format!("{error}; try again\n")).into_response())
        }
        Err(error @ AnswerError::Unwritable(_)) => {
            tracing::error!(hook, %error, "no answer");
            stopwatch.failed(StatusCode::INTERNAL_SERVER_ERROR.into_response())
        }
    }
}

/// How long the answer may take: a second less than the caller waits (design §11, deadlines), half where it waits for
/// less than two.
fn budget(timeout: Option<&str>) -> Duration {
    let given = timeout.and_then(seconds).unwrap_or(TIMEOUT).min(LONGEST);
    given.saturating_sub(MARGIN).max(given / 2)
}

/// A Go duration in whole seconds or milliseconds, which are all that `timeoutSeconds` can make.
fn seconds(timeout: &str) -> Option<Duration> {
    match timeout.strip_suffix("ms") {
        Some(milliseconds) => milliseconds.parse().ok().map(Duration::from_millis),
        None => timeout.strip_suffix('s')?.parse().ok().map(Duration::from_secs),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

async fn ready(State(webhook): State<Webhook>) -> Response {
    let missing = webhook.readiness.missing(webhook.admission.is_synced());
    let remark = webhook.readiness.remark().map(|remark| format!("\n{remark}")).unwrap_or_default();
    if missing.is_empty() {
        return format!("ok{remark}").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("{}{remark}\n", missing.join("; "))).into_response()
}

async fn alive(State(webhook): State<Webhook>) -> Response {
    let stuck = webhook.readiness.liveness().stuck();
    if stuck.is_empty() {
        return "ok".into_response();
    }
    let stuck = stuck.join(", ");
    tracing::error!(stuck, "no progress: the process has to be started anew");
    (StatusCode::SERVICE_UNAVAILABLE, format!("no progress for 60 s: {stuck}\n")).into_response()
}

/// A panic is a defect, but one request's: it is logged, answered with 500 and the server goes on. With
/// `failurePolicy: Fail` that still denies.
async fn catch_panics(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|panic| {
        tracing::error!(path, panic = panic_message(&*panic), "a request panicked");
        failed()
    })
}

fn failed() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "tagseal failed on this request; its log says more\n").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_a_second_less_than_the_api_servers() {
        for (timeout, milliseconds) in [
            (Some("10s"), 9000),
            (None, 9000),
            (Some("30s"), 29_000),
            (Some("300s"), 29_000),
            (Some("3s"), 2000),
            (Some("1s"), 500),
            (Some("500ms"), 250),
            (Some("0s"), 0),
            (Some("1h0m0s"), 9000),
            (Some("-1s"), 9000),
            (Some("99999999999999999999s"), 9000),
            (Some(""), 9000),
        ] {
            assert_eq!(budget(timeout), Duration::from_millis(milliseconds), "{timeout:?}");
        }
    }

    #[test]
    fn json_is_recognised_with_its_parameters() {
        let headers =
            |value: &'static str| HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
        for value in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
            assert!(is_json(&headers(value)), "{value}");
        }
        for value in ["text/plain", "application/jsonp", "application/vnd.kubernetes.protobuf", ""] {
            assert!(!is_json(&headers(value)), "{value}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
