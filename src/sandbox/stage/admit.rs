//! Admission as a cluster does it: a real AdmissionReview over HTTPS, to the mutating hook and then to the validating one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::policy::{NAMESPACE, REVALIDATE_AFTER};
use super::{Stage, StageError};

/// Where a pod's one image stands in it.
const IMAGE: &str = "/spec/containers/0/image";

/// What became of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The image that the pod asked for.
    pub asked: String,
    /// The image that it runs, or why it does not.
    pub outcome: Result<String, Refused>,
    /// What its user is told besides.
    pub warnings: Vec<String>,
    /// Who signed, as the audit log has it: `targets/alice=KEYID`.
    pub signers: String,
}

/// A denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The reasons, by their stable words.
    pub reasons: Vec<String>,
    /// What `kubectl` prints.
    pub message: String,
}

/// What a pod with this image is called: as the repository's last part.
pub fn pod_name(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or_default();
    last.split([':', '@']).next().unwrap_or_default()
}

/// The review of a pod with this image, as an API server sends it.
pub fn pod_review(image: &str) -> Value {
    let name = pod_name(image);
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "a0c0ffee-0000-4000-8000-000000000001",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": name,
            "namespace": NAMESPACE,
            "operation": "CREATE",
            "userInfo": {"username": "you", "groups": ["system:authenticated"]},
            "object": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": {"containers": [{"name": name, "image": image}]},
            },
            "oldObject": null,
            "dryRun": false,
        },
    })
}

impl Stage {
    /// Creates a pod with this image, as far as the webhook has a say in it. Some seconds have passed since the last one, so
    /// that what was published meanwhile counts.
    ///
    /// # Errors
    /// When the webhook does not answer as one does.
    pub async fn admit(&self, image: &str) -> Result<Admitted, StageError> {
        self.clock.advance(SignedDuration::from_secs(2 * REVALIDATE_AFTER));
        let mut review = pod_review(image);
        // What the mutating hook warns of is what the validating one then refuses.
        let mutated = self.review("mutate", &review).await?;
        patch(&mut review, &mutated).map_err(|message| self.nonsense("mutate", message))?;
        let validated = self.review("validate", &review).await?;
        let runs =
            review.pointer("/request/object").and_then(|pod| pod.pointer(IMAGE)).and_then(Value::as_str);
        let outcome = refusal(&validated).map_or(Ok(runs.unwrap_or_default().to_owned()), Err);
        Ok(admitted(image, outcome, &validated))
    }

    /// Posts a review, and hands out the response in it.
    async fn review(&self, hook: &str, review: &Value) -> Result<Value, StageError> {
        let url = format!("{}/{hook}?timeout=10s", self.webhook_url());
        let reply = self.https.post_json(&url, review.to_string().into()).await?;
        let answer: Option<Value> = serde_json::from_slice(&reply.body).ok();
        match answer.as_ref().and_then(|answer| answer.get("response")) {
            Some(response) if reply.status.is_success() => Ok(response.clone()),
            _ => Err(self.nonsense(hook, format!("answered {}", reply.status))),
        }
    }

    fn nonsense(&self, hook: &str, message: String) -> StageError {
        StageError::Request { url: format!("{}/{hook}", self.webhook_url()), message }
    }

    /// Starts the webhook anew: what it had in memory is gone, its floors are on disk.
    pub fn restart_webhook(&self) {
        self.webhook.restart();
    }
}

fn admitted(image: &str, outcome: Result<String, Refused>, response: &Value) -> Admitted {
    let strings = |value: Option<&Value>| -> Vec<String> {
        let items = value.and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let signers = response.pointer("/auditAnnotations/signers").and_then(Value::as_str).unwrap_or_default();
    Admitted {
        asked: image.to_owned(),
        outcome,
        warnings: strings(response.get("warnings")),
        signers: signers.to_owned(),
    }
}

/// Why the request is refused, if it is.
fn refusal(response: &Value) -> Option<Refused> {
    if response.get("allowed").and_then(Value::as_bool) == Some(true) {
        return None;
    }
    let causes = response.pointer("/status/details/causes").and_then(Value::as_array);
    let reasons = causes.into_iter().flatten().filter_map(|cause| cause.get("reason")?.as_str());
    let mut reasons: Vec<String> = reasons.map(str::to_owned).collect();
    reasons.dedup();
    let message = response.pointer("/status/message").and_then(Value::as_str).unwrap_or_default();
    Some(Refused { reasons, message: message.to_owned() })
}

/// Applies a response's JSON Patch to the review's object. The webhook only ever tests and replaces.
fn patch(review: &mut Value, response: &Value) -> Result<(), String> {
    let Some(patch) = response.get("patch").and_then(Value::as_str) else { return Ok(()) };
    let patch = STANDARD.decode(patch).map_err(|error| error.to_string())?;
    let operations: Vec<Change> = serde_json::from_slice(&patch).map_err(|error| error.to_string())?;
    for Change { op, path, value } in operations {
        let at = review.pointer_mut(&format!("/request/object{path}"));
        match at {
            Some(at) if op == "test" && *at == value => {}
            Some(at) if op == "replace" => *at = value,
            _ => return Err(format!("its patch cannot be applied: {op} {path}")),
        }
    }
    Ok(())
}

#[derive(serde::Deserialize)]
struct Change {
    op: String,
    path: String,
    value: Value,
}
