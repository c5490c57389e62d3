//! [`Refusal`]: the errors of a Notary server, `{"errors":[{"code","message","detail"}]}`.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::repository::ServerError;
use crate::tuf::upload::{PartError, RenewError, UploadError};
use crate::tuf::{RoleName, TufError};

/// An error as the client sees it.
#[derive(Debug)]
pub(super) struct Refusal {
    code: Code,
    detail: Option<Detail>,
}

/// The codes that Notary's servers know and that can happen here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    MetadataNotFound,
    InvalidRole,
    MalformedJson,
    MalformedUpload,
    NoFilename,
    Version,
    InvalidUpdate,
    InvalidGun,
    InvalidParameters,
    Updating,
    Unknown,
}

/// What follows the message. Field names are those of Go's types.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Detail {
    Text(String),
    /// `{}`: an error without public fields.
    Opaque {},
    #[serde(rename_all = "PascalCase")]
    Update {
        name: &'static str,
        error: UpdateFault,
    },
    #[serde(rename_all = "PascalCase")]
    Number {
        func: &'static str,
        num: String,
        err: Empty,
    },
    #[serde(rename_all = "PascalCase")]
    Keys {
        found_keys: usize,
        needed_keys: u64,
        #[serde(rename = "MissingKeyIDs")]
        missing_key_ids: Vec<String>,
    },
    #[serde(rename_all = "PascalCase")]
    Expired {
        role: String,
        expired: String,
    },
}

#[derive(Debug, Serialize)]
pub(super) struct Empty {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateFault {
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
    msg: String,
}

#[derive(Serialize)]
struct Body<'a> {
    errors: [Entry<'a>; 1],
}

#[derive(Serialize)]
struct Entry<'a> {
    code: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a Detail>,
}

impl Code {
    const fn parts(self) -> (&'static str, &'static str, StatusCode) {
        use StatusCode as S;
        match self {
            Self::MetadataNotFound => {
                ("METADATA_NOT_FOUND", "You have requested metadata that does not exist.", S::NOT_FOUND)
            }
            Self::InvalidRole => {
                ("INVALID_ROLE", "The role you are attempting to operate on is invalid.", S::BAD_REQUEST)
            }
            Self::MalformedJson => (
                "MALFORMED_JSON",
                "JSON sent by the client could not be parsed by the server",
                S::BAD_REQUEST,
            ),
            Self::MalformedUpload => {
                ("MALFORMED_UPLOAD", "The body of your request is malformed.", S::BAD_REQUEST)
            }
            Self::NoFilename => ("NO_FILENAME", "No file/role name provided.", S::BAD_REQUEST),
            Self::Version => ("VERSION", "A newer version of metadata is already available.", S::BAD_REQUEST),
            Self::InvalidUpdate => {
                ("INVALID_UPDATE", "Update sent by the client is invalid.", S::BAD_REQUEST)
            }
            Self::InvalidGun => {
                ("INVALID_GUN", "The server does not support actions on images of this name.", S::BAD_REQUEST)
            }
            Self::InvalidParameters => {
                ("INVALID_PARAMETERS", "The parameters provided are not valid.", S::BAD_REQUEST)
            }
            Self::Updating => (
                "UPDATING",
                "An error has occurred while updating the TUF repository.",
                S::INTERNAL_SERVER_ERROR,
            ),
            Self::Unknown => ("UNKNOWN", "unknown error", S::INTERNAL_SERVER_ERROR),
        }
    }
}

impl Refusal {
    pub(super) const fn bare(code: Code) -> Self {
        Self { code, detail: None }
    }

    pub(super) const fn with(code: Code, detail: Detail) -> Self {
        Self { code, detail: Some(detail) }
    }

    /// A file that could be there and is not.
    pub(super) const fn no_file() -> Self {
        Self::with(Code::MetadataNotFound, Detail::Opaque {})
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (code, message, status) = self.code.parts();
        let body = Body { errors: [Entry { code, message, detail: self.detail.as_ref() }] };
        let content_type = (CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        (status, [content_type], go_json(&body) + "\n").into_response()
    }
}

/// JSON as Go writes it: with `<`, `>`, `&` and the two line separators escaped, which occur in strings alone.
pub(super) fn go_json(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_default();
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

impl From<PartError> for Refusal {
    fn from(error: PartError) -> Self {
        match error {
            PartError::NoName => Self::bare(Code::NoFilename),
            PartError::Role(name) => Self::with(Code::InvalidRole, Detail::Text(name)),
            PartError::Json(_) => Self::bare(Code::MalformedJson),
        }
    }
}

impl From<ServerError> for Refusal {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Upload(error) => error.into(),
            ServerError::OldVersion => Self::with(Code::Version, Detail::Opaque {}),
            ServerError::Renew(error) => error.into(),
            ServerError::Disk(error) => {
                tracing::error!(%error, "the trust server's data cannot be written");
                Self::bare(Code::Updating)
            }
            error @ (ServerError::Key(_) | ServerError::TooMany { .. }) => {
                Self::with(Code::Unknown, Detail::Text(error.to_string()))
            }
        }
    }
}

impl From<UploadError> for Refusal {
    fn from(error: UploadError) -> Self {
        let Some(name) = error.name() else { return Self::bare(Code::InvalidUpdate) };
        let missing = error.missing().map(|role| role.as_str().to_owned());
        let error = UpdateFault { missing, msg: error.to_string() };
        Self::with(Code::InvalidUpdate, Detail::Update { name, error })
    }
}

impl From<RenewError> for Refusal {
    fn from(error: RenewError) -> Self {
        let detail = match error {
            RenewError::NotFound => return Self::no_file(),
            RenewError::NoKey { found, threshold, missing } => {
                Detail::Keys { found_keys: found, needed_keys: threshold, missing_key_ids: missing }
            }
            RenewError::Stored(TufError::Expired { role, expires, .. }) => expired(&role, expires),
            RenewError::Stored(_) => Detail::Opaque {},
        };
        Self::with(Code::Unknown, detail)
    }
}

fn expired(role: &RoleName, expires: jiff::Timestamp) -> Detail {
    Detail::Expired {
        role: role.as_str().to_owned(),
        expired: expires.strftime("%a %b %-d %H:%M:%S UTC %Y").to_string(),
    }
}
