//! AdmissionReviews as the API server sends them, and answers as it reads them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A request in the making.
#[derive(Debug, Clone)]
pub struct Review(Value);

impl Review {
    /// CREATE of a pod in namespace `shop` by an ordinary user.
    pub fn pod(spec: Value) -> Self {
        Self::create("", "v1", "Pod", json!({"metadata": {"name": "web"}, "spec": spec}))
    }

    /// CREATE of an object.
    pub fn create(group: &str, version: &str, kind: &str, object: Value) -> Self {
        Self(json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
                "kind": {"group": group, "version": version, "kind": kind},
                "name": "web",
                "namespace": "shop",
                "operation": "CREATE",
                "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
                "object": object,
                "oldObject": null,
                "dryRun": false
            }
        }))
    }

    /// A review that was written down.
    pub fn of(review: Value) -> Self {
        Self(review)
    }

    /// UPDATE from another object.
    pub fn updating(mut self, old: Value) -> Self {
        self.0["request"]["operation"] = json!("UPDATE");
        self.0["request"]["oldObject"] = old;
        self
    }

    /// The same with another value at a JSON pointer below the request.
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.0["request"][field] = value;
        self
    }

    /// The same with another value at `pointer` below the object.
    pub fn with_object(mut self, pointer: &str, value: Value) -> Self {
        *self.0["request"]["object"].pointer_mut(pointer).unwrap() = value;
        self
    }

    /// The object.
    pub fn object(&self) -> &Value {
        &self.0["request"]["object"]
    }

    pub fn uid(&self) -> &str {
        self.0["request"]["uid"].as_str().unwrap()
    }

    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).unwrap()
    }

    /// The request as the next webhook sees it: patched.
    pub fn patched(mut self, answer: &Answer) -> Self {
        if let Some(patch) = answer.patch() {
            let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
            json_patch::patch(&mut self.0["request"]["object"], &patch).unwrap();
        }
        self
    }
}

/// The kinds with a template: group, kind, and an object of each with this template.
pub fn workloads(template: &Value) -> [(&'static str, &'static str, Value); 8] {
    let in_spec = |more: Value| {
        let mut spec = more;
        spec["template"] = template.clone();
        json!({"metadata": {"name": "web"}, "spec": spec})
    };
    let job = json!({"spec": {"template": template}});
    let cron_job =
        json!({"metadata": {"name": "web"}, "spec": {"schedule": "0 0 1 1 *", "jobTemplate": job}});
    [
        ("", "PodTemplate", json!({"metadata": {"name": "web"}, "template": template})),
        ("", "ReplicationController", in_spec(json!({"replicas": 1}))),
        ("apps", "Deployment", in_spec(json!({"replicas": 1}))),
        ("apps", "ReplicaSet", in_spec(json!({"replicas": 1}))),
        ("apps", "StatefulSet", in_spec(json!({"replicas": 1}))),
        ("apps", "DaemonSet", in_spec(json!({}))),
        ("batch", "Job", in_spec(json!({"suspend": true}))),
        ("batch", "CronJob", cron_job),
    ]
}

/// A pod spec with these containers.
pub fn containers(images: &[(&str, &str)]) -> Value {
    let list: Vec<_> = images.iter().map(|(name, image)| json!({"name": name, "image": image})).collect();
    json!({ "containers": list })
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer(Value);

impl Answer {
    pub fn read(body: &[u8]) -> Self {
        let review: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(review["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(review["kind"], "AdmissionReview");
        Self(review["response"].clone())
    }

    pub fn uid(&self) -> &str {
        self.0["uid"].as_str().unwrap()
    }

    pub fn is_allowed(&self) -> bool {
        self.0["allowed"].as_bool().unwrap()
    }

    /// The denial's message. Panics where the request was let through.
    #[track_caller]
    pub fn denial(&self) -> &str {
        assert!(!self.is_allowed(), "allowed: {:?}", self.0);
        assert_eq!(self.0["status"]["code"], 403);
        assert_eq!(self.0["status"]["reason"], "Forbidden");
        assert_eq!(self.0.get("patch"), None);
        self.0["status"]["message"].as_str().unwrap()
    }

    /// The mutating hook's answer to what the validating one refuses: it passes it on, and says in short that it could not
    /// be sealed, for the same reason.
    pub fn is_deferred(&self, refusal: &Self, caller: &std::panic::Location<'_>) {
        let denial = refusal.denial();
        assert!(self.is_allowed() && self.0.get("status").is_none(), "{caller}: {:?}", self.0);
        assert_eq!(self.annotation("decision"), "Deferred", "{caller}");
        assert_eq!(self.annotation("reason"), refusal.annotation("reason"), "{caller}");
        let warnings = self.warnings();
        assert!(!warnings.is_empty(), "{caller}");
        for warning in warnings {
            assert!(warning.starts_with("tagseal: "), "{caller}: {warning}");
            assert!(warning.ends_with("; validate.tagseal.dev decides"), "{caller}: {warning}");
            assert!(warning.len() <= 256 && !warning.contains(denial), "{caller}: {warning}");
        }
    }

    /// (reason, field) of every cause.
    pub fn causes(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let causes = self.0["status"]["details"]["causes"].as_array().cloned().unwrap_or_default();
        causes.iter().map(|cause| (text(&cause["reason"]), text(&cause["field"]))).collect()
    }

    pub fn patch(&self) -> Option<Value> {
        let patch = self.0.get("patch")?.as_str().unwrap();
        assert_eq!(self.0["patchType"], "JSONPatch");
        Some(serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap())
    }

    pub fn warnings(&self) -> Vec<String> {
        let warnings = self.0.get("warnings").cloned().unwrap_or(json!([]));
        serde_json::from_value(warnings).unwrap()
    }

    /// One audit annotation; empty where there is none.
    pub fn annotation(&self, key: &str) -> &str {
        self.0["auditAnnotations"][key].as_str().unwrap_or_default()
    }

    pub fn annotations(&self) -> Vec<(String, String)> {
        let map = self.0["auditAnnotations"].as_object().cloned().unwrap_or_default();
        map.into_iter().map(|(key, value)| (key, value.as_str().unwrap().to_owned())).collect()
    }
}
