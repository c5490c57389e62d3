//! AdmissionReviews as the API server sends them and reads them.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tagseal::admission::{AnswerError, Answered};
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// The webhook's own threads are not the fuzzer's matter: everything runs on the one that asks.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap());

/// An answer.
pub struct Answer {
    response: Value,
    /// The request that it is about, as a general parser reads it.
    pub request: Value,
}

/// Asks, and checks what every answer has. `None` where the bytes are no review.
pub fn ask(
    data: &[u8],
    answer: impl AsyncFnOnce(Instant) -> Result<Answered, AnswerError>,
) -> Option<Answer> {
    let answered = RUNTIME.block_on(async { answer(Instant::now() + Duration::from_secs(60)).await });
    let answered = match answered {
        Ok(answered) => answered,
        Err(AnswerError::Unreadable(_)) => return None,
        Err(other) => panic!("{other}"),
    };
    let review: Value = serde_json::from_slice(&answered.bytes).unwrap();
    assert_eq!(
        (&review["apiVersion"], &review["kind"]),
        (&"admission.k8s.io/v1".into(), &"AdmissionReview".into())
    );
    let response = review["response"].clone();
    // What a general parser cannot read, numbers beyond every range, stands in fields that are skipped.
    let asked: Value = serde_json::from_slice(data).ok()?;
    let request = asked["request"].clone();
    assert!(response["uid"].is_string() && response["uid"] == request["uid"], "{response}");
    assert!(response["allowed"].is_boolean());
    Some(Answer { response, request })
}

impl Answer {
    pub fn is_allowed(&self) -> bool {
        self.response["allowed"] == true
    }

    /// Why it is denied.
    pub fn message(&self) -> &str {
        self.response["status"]["message"].as_str().unwrap_or_default()
    }

    /// The object with the patch, if there is one.
    pub fn patched(&self) -> Option<Value> {
        let patch = self.response.get("patch")?.as_str().unwrap();
        let patch: json_patch::Patch = serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap();
        assert!(self.is_allowed() && self.response["patchType"] == "JSONPatch");
        let mut object = self.request["object"].clone();
        json_patch::patch(&mut object, &patch).unwrap();
        Some(object)
    }
}
