//! [`Rejection`]: a server's no, read from its body (Notary v1, "Errors").

use std::fmt;

use hyper::header::{self, HeaderMap};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde::Deserialize;
use serde_json::Value;

use crate::foreign::plain;

/// No message is longer.
const MAX_MESSAGE: usize = 500;
/// No code or name is.
const MAX_NAME: usize = 64;

/// What a server refused, in its own words (Notary v1, "Errors"); printable and short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The HTTP status.
    pub status: u16,
    /// `INVALID_UPDATE`, `VERSION`, …; empty when the body is none of notary's.
    pub code: Box<str>,
    /// The message.
    pub message: Box<str>,
    /// The name and message of an `INVALID_UPDATE`'s detail: `ErrBadRoot`, `ErrBadHierarchy`, …. The name is empty where
    /// the detail is a text alone, as the role of an `INVALID_ROLE` is.
    pub detail: Option<(String, String)>,
    /// What time the server's clock said, where its answer tells (HTTP's `Date`).
    pub server_time: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Body {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    detail: Value,
}

impl Rejection {
    /// Whether a body is notary's, or a registry's: both have the same form.
    pub(in crate::notary) fn has_code(body: &[u8]) -> bool {
        first(body).is_some()
    }

    /// Reads the first error of a body; what is none of notary's becomes the message, if it is text.
    pub(in crate::notary) fn of(status: u16, body: &[u8]) -> Self {
        match first(body) {
            Some(Entry { code, message, detail }) => Self {
                status,
                code: plain(&code, MAX_NAME).into(),
                message: plain(&message, MAX_MESSAGE).into(),
                detail: read_detail(&detail),
                server_time: None,
            },
            None => {
                Self { status, code: "".into(), message: text(body).into(), detail: None, server_time: None }
            }
        }
    }

    /// With the server's time out of the answer's headers.
    pub(in crate::notary) fn dated(self, headers: &HeaderMap) -> Self {
        let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
        Self { server_time: date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok()), ..self }
    }
}

fn first(body: &[u8]) -> Option<Entry> {
    let body: Body = serde_json::from_slice(body).ok()?;
    body.errors.into_iter().next().filter(|entry| !entry.code.is_empty())
}

/// `{"Name":…,"Error":{"Msg":…}}`; the name alone, another form of `Error`, or a text, where that is all there is.
fn read_detail(detail: &Value) -> Option<(String, String)> {
    let name = detail.get("Name").and_then(Value::as_str).unwrap_or_default();
    let said = match detail.get("Error") {
        Some(Value::String(said)) => said.clone(),
        Some(Value::Object(error)) => match error.get("Msg").and_then(Value::as_str) {
            Some(said) => said.to_owned(),
            None => Value::Object(error.clone()).to_string(),
        },
        _ => detail.as_str().unwrap_or_default().to_owned(),
    };
    let (name, said) = (plain(name, MAX_NAME).into_owned(), plain(&said, MAX_MESSAGE).into_owned());
    (!name.is_empty() || !said.is_empty()).then_some((name, said))
}

/// A body's text, unless it is a page.
fn text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    match text.trim() {
        page if page.starts_with('<') => String::new(),
        text => plain(text, MAX_MESSAGE).into_owned(),
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}", self.status)?;
        for said in [&self.code, &self.message] {
            if !said.is_empty() {
                write!(f, " {said}")?;
            }
        }
        match &self.detail {
            None => Ok(()),
            Some((name, said)) if name.is_empty() => write!(f, " ({said})"),
            Some((name, said)) if said.is_empty() => write!(f, " ({name})"),
            Some((name, said)) => write!(f, " ({name}: {said})"),
        }
    }
}

#[cfg(test)]
mod tests;
