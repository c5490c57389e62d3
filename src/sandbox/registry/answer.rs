//! A registry's refusals (OCI distribution, "Error Codes").

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a registry says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NotFound,
    NameUnknown,
    ManifestUnknown,
    ManifestInvalid,
    ManifestBlobUnknown,
    BlobUnknown,
    BlobUploadUnknown,
    DigestInvalid,
    Unsupported,
}

impl Refusal {
    fn words(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as Status;
        match self {
            Self::NotFound => (Status::NOT_FOUND, "NAME_INVALID", "there is nothing at this path"),
            Self::NameUnknown => (Status::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry"),
            Self::ManifestUnknown => (Status::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown"),
            Self::ManifestInvalid => (Status::BAD_REQUEST, "MANIFEST_INVALID", "manifest invalid"),
            Self::ManifestBlobUnknown => {
                (Status::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN", "manifest references a blob that is not here")
            }
            Self::BlobUnknown => (Status::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry"),
            Self::BlobUploadUnknown => (Status::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown"),
            Self::DigestInvalid => {
                (Status::BAD_REQUEST, "DIGEST_INVALID", "provided digest did not match uploaded content")
            }
            Self::Unsupported => (Status::METHOD_NOT_ALLOWED, "UNSUPPORTED", "the operation is unsupported"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, message) = self.words();
        let body = json!({"errors": [{"code": code, "message": message}]});
        (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
    }
}
