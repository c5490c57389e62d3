//! From a request to an answer.

use axum::extract::multipart::Multipart;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, DATE, HeaderName, LAST_MODIFIED};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::answer::{Code, Detail, Empty, Refusal, go_json};
use super::contents::Which;
use super::feed::Page;
use super::repository::{Repository, ServerError};
use super::route::{Asked, Route, is_server_managed};
use super::{NotaryServer, lock};
use crate::publish::key::PublicForm;
use crate::tuf::upload::Part;
use crate::tuf::{Gun, RoleName};

/// An upload has at most this many parts.
const MAX_PARTS: usize = 1024;

/// How long current files may be cached; files named by hash or version, for a month.
const CURRENT: &str = "public, max-age=300, s-maxage=300, must-revalidate";
const CONSISTENT: &str = "public, max-age=2592000, s-maxage=2592000";

/// Answers any request.
pub(super) async fn answer(State(server): State<NotaryServer>, request: Request) -> Response {
    let now = server.0.clock.now();
    let Ok(path) = percent_decode_str(request.uri().path()).decode_utf8() else {
        return Refusal::bare(Code::MetadataNotFound).into_response();
    };
    let answered = match Route::parse(request.method(), &path) {
        Route::Ping => Ok(text("{}".to_owned())),
        Route::Health => Ok(json("{}")),
        Route::File { gun, path, role, which } => file(server, gun, path, role, which).await,
        Route::Upload(gun) => upload(server, gun, request).await,
        Route::Delete(gun) => blocking(move || match server.repository(&gun) {
            Some(repository) => repository.delete(&server.journal()),
            None => Ok(()),
        })
        .await
        .map(IntoResponse::into_response),
        Route::Key(gun, role) => key(server, gun, role, Repository::key).await,
        Route::Rotate(gun, role) => key(server, gun, role, Repository::new_key).await,
        Route::Changefeed(gun) => changefeed(&server, gun.as_ref(), request.uri().query()),
        Route::InvalidGun => Err(Refusal::bare(Code::InvalidGun)),
        Route::NotFound => Err(Refusal::bare(Code::MetadataNotFound)),
        Route::Method => Ok(StatusCode::METHOD_NOT_ALLOWED.into_response()),
    };
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    // Of the clock that expiries are judged by, which need not be this machine's.
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok();
    if let Some(date) = date.and_then(|date| date.parse().ok()) {
        response.headers_mut().insert(DATE, date);
    }
    response
}

async fn file(
    server: NotaryServer,
    gun: Gun,
    path: String,
    role: String,
    asked: Asked,
) -> Result<Response, Refusal> {
    let cache = if asked == Asked::File(Which::Current) { CURRENT } else { CONSISTENT };
    if let Some(answer) = server.overruled(&gun, &path) {
        let bytes = answer.ok_or_else(Refusal::no_file)?;
        return Ok(metadata(bytes, server.0.clock.now(), cache));
    }
    let which = match asked {
        Asked::File(which) => which,
        Asked::OtherHash => return Err(Refusal::no_file()),
        Asked::Number(num) => {
            let detail = Detail::Number { func: "Atoi", num, err: Empty {} };
            return Err(Refusal::with(Code::MetadataNotFound, detail));
        }
    };
    let repository = server.repository(&gun).ok_or_else(Refusal::no_file)?;
    let role = RoleName::parse(&role).map_err(|_| Refusal::no_file())?;
    let file = if which == Which::Current && is_server_managed(&role) {
        blocking(move || repository.fresh(&role, &server.journal())).await?
    } else {
        repository.contents().file(role.as_str(), which).cloned().ok_or_else(Refusal::no_file)?
    };
    Ok(metadata(file.bytes.clone(), file.created, cache))
}

/// Takes a multipart upload. All of it is read before anything is judged, so that a refusal reaches the client.
async fn upload(server: NotaryServer, gun: Gun, request: Request) -> Result<Response, Refusal> {
    let malformed = || Refusal::bare(Code::MalformedUpload);
    let mut body = Multipart::from_request(request, &()).await.map_err(|_| malformed())?;
    let mut parts = Vec::new();
    while let Some(part) = body.next_field().await.map_err(|_| malformed())? {
        let name = part.file_name().unwrap_or_default().to_owned();
        parts.push((name, part.bytes().await.map_err(|_| malformed())?));
        if parts.len() > MAX_PARTS {
            return Err(malformed());
        }
    }
    blocking(move || {
        let parts: Result<Vec<Part>, _> =
            parts.into_iter().map(|(name, bytes)| Part::read(&name, bytes)).collect();
        let parts = match parts {
            Ok(parts) => parts,
            Err(error) => return Ok(Err(Refusal::from(error))),
        };
        // A first publish needs a key that the server made, so an unknown repository is refused and not remembered.
        let repository = server.repository(&gun).unwrap_or_else(|| std::sync::Arc::new(Repository::new(gun)));
        repository.upload(parts, &server.journal()).map(Ok)
    })
    .await?
    .map(IntoResponse::into_response)
}

async fn key(
    server: NotaryServer,
    gun: Gun,
    role: RoleName,
    make: fn(&Repository, &RoleName, &super::repository::Journal<'_>) -> Result<PublicForm, ServerError>,
) -> Result<Response, Refusal> {
    let key = blocking(move || make(&*server.repository_or_new(&gun)?, &role, &server.journal())).await?;
    Ok(text(go_json(&Key { keytype: key.keytype(), keyval: KeyValue { public: key.public(), private: () } })))
}

/// A public key as the real server writes it.
#[derive(Serialize)]
struct Key<'a> {
    keytype: &'a str,
    keyval: KeyValue<'a>,
}

#[derive(Serialize)]
struct KeyValue<'a> {
    public: &'a str,
    private: (),
}

fn changefeed(server: &NotaryServer, gun: Option<&Gun>, query: Option<&str>) -> Result<Response, Refusal> {
    let parameters = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let parameter = |name: &str| {
        parameters
            .clone()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let refused = |detail| Refusal::with(Code::InvalidParameters, detail);
    let records = go_integer(&parameter("records"))
        .map_err(|what| refused(Detail::Text(format!("invalid records parameter: {what}"))))?;
    let change_id = match parameter("change_id") {
        id if id.is_empty() => 0,
        id => go_integer(&id).map_err(|_| refused(Detail::Opaque {}))?,
    };
    let feed = lock(&server.0.feed);
    Ok(text(go_json(&feed.page(gun.map(Gun::as_str), Page { records, change_id }))))
}

/// An integer of 32 bits, or Go's words for why it is none.
fn go_integer(text: &str) -> Result<i32, String> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.parse().map_err(|error: std::num::ParseIntError| {
        let what = match error.kind() {
            PosOverflow | NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.ParseInt: parsing {text:?}: {what}")
    })
}

fn metadata(bytes: Bytes, modified: Timestamp, cache: &'static str) -> Response {
    // Not an HTTP date: the real server ends it in "UTC".
    let modified = modified.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string();
    let mut response = plain(bytes).into_response();
    for (name, value) in [(LAST_MODIFIED, modified.as_str()), (CACHE_CONTROL, cache)] {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn text(body: String) -> Response {
    plain(body.into()).into_response()
}

/// What Go's sniffer takes JSON for.
fn plain(body: Bytes) -> ([(HeaderName, &'static str); 1], Bytes) {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], body)
}

fn json(body: &'static str) -> Response {
    ([(CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

/// Runs what computes and writes files off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ServerError> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Refusal::from),
        Err(error) => {
            tracing::error!(%error, "the trust server did not finish a request");
            Err(Refusal::bare(Code::Unknown))
        }
    }
}
