//! Writes an AdmissionReview: the answer's own fields.
//!
//! kube's `AdmissionResponse` writes a patch as an array of numbers, four times the size of the base64 string that
//! the API asks for; these structs write what the API says.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::patch::Patch;
use super::review::{API_VERSION, KIND};
use super::verdict::Decision;
use crate::policy::Reason;

/// Room for an answer about a few images, in bytes.
const TYPICAL: usize = 4096;
/// Room for the patch in it, in bytes.
const TYPICAL_PATCH: usize = 1024;

/// What is answered to a request, and what that says.
#[derive(Debug)]
pub struct Answered {
    /// The whole AdmissionReview.
    pub bytes: Vec<u8>,
    /// The decision in one word.
    pub decision: Decision,
    /// What stands against the object, where something does.
    pub reason: Option<Reason>,
}

/// The answer to one request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response<'a> {
    /// The request's.
    pub uid: Cow<'a, str>,
    /// Whether it may pass this webhook.
    pub allowed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    /// For the audit log; the API server prefixes the keys with the webhook's name.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_map")]
    pub audit_annotations: Vec<(&'static str, Cow<'a, str>)>,
    /// For the caller's terminal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What `kubectl` prints of a denial: `Error from server (Forbidden): … denied the request: MESSAGE`.
#[derive(Debug, Serialize)]
pub struct Status {
    status: &'static str,
    reason: &'static str,
    code: u16,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

#[derive(Debug, Serialize)]
struct Details {
    causes: Vec<Cause>,
}

/// One thing that is wrong, for machines.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// A reason of design §6.
    pub reason: &'static str,
    /// What was found.
    pub message: String,
    /// The image field.
    pub field: String,
}

impl Status {
    /// A denial. Always 403: the decision stands whether trust is missing or could not be established, and a 5xx
    /// would be taken for a failure of the webhook.
    pub fn denied(message: String, causes: Vec<Cause>) -> Self {
        let details = (!causes.is_empty()).then_some(Details { causes });
        Self { status: "Failure", reason: "Forbidden", code: 403, message, details }
    }
}

impl<'a> Response<'a> {
    /// Lets the request pass as it is.
    pub fn allow(uid: &'a str) -> Self {
        Self {
            uid: Cow::Borrowed(uid),
            allowed: true,
            status: None,
            patch: None,
            patch_type: None,
            audit_annotations: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Refuses the request.
    pub fn deny(uid: &'a str, status: Status) -> Self {
        Self { allowed: false, status: Some(status), ..Self::allow(uid) }
    }

    /// Changes the object on its way; an empty patch is left out.
    pub fn with_patch(mut self, patch: &Patch<'_>) -> Result<Self, serde_json::Error> {
        if !patch.is_empty() {
            let mut bytes = Vec::with_capacity(TYPICAL_PATCH);
            serde_json::to_writer(&mut bytes, patch)?;
            self.patch = Some(STANDARD.encode(bytes));
            self.patch_type = Some("JSONPatch");
        }
        Ok(self)
    }

    /// The whole AdmissionReview.
    pub fn into_bytes(self) -> Result<Vec<u8>, serde_json::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Review<'a> {
            api_version: &'static str,
            kind: &'static str,
            response: Response<'a>,
        }
        let mut bytes = Vec::with_capacity(TYPICAL);
        serde_json::to_writer(&mut bytes, &Review { api_version: API_VERSION, kind: KIND, response: self })?;
        Ok(bytes)
    }
}

fn as_map<S: serde::Serializer>(
    pairs: &[(&'static str, Cow<'_, str>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}
