//! From a request to an answer.

use axum::body::Body;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION, RANGE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::image::MANIFEST;
use super::route::{Reference, Route};
use super::{ImageRegistry, MAX_BODY};
use crate::digest::Digest;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// Answers any request.
pub(super) async fn answer(State(registry): State<ImageRegistry>, request: Request) -> Response {
    let answered = match Route::parse(request.uri().path()) {
        Some(route) => route_to(&registry, route, request).await,
        None => Err(Refusal::NotFound),
    };
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    response.headers_mut().insert(API_VERSION, axum::http::HeaderValue::from_static("registry/2.0"));
    response
}

async fn route_to(registry: &ImageRegistry, route: Route, request: Request) -> Result<Response, Refusal> {
    let method = request.method().clone();
    let is_read = method == Method::GET || method == Method::HEAD;
    match (route, method) {
        (Route::Ping, _) if is_read => Ok(json_body(&json!({}))),
        (Route::Catalog, _) if is_read => {
            Ok(json_body(&json!({ "repositories": registry.contents().names() })))
        }
        (Route::Tags(name), _) if is_read => {
            let tags = registry.contents().tags(&name).ok_or(Refusal::NameUnknown)?;
            Ok(json_body(&json!({"name": name, "tags": tags})))
        }
        (Route::Manifest(name, reference), method) if is_read => {
            manifest(registry, &name, &reference, &method)
        }
        (Route::Manifest(name, reference), Method::PUT) => {
            put_manifest(registry, &name, reference, request).await
        }
        (Route::Blob(name, digest), method) if is_read => {
            let blob = registry.blob(&name, digest).ok_or(Refusal::BlobUnknown)?;
            Ok(content(&method, "application/octet-stream", digest, blob))
        }
        (Route::Uploads(name), Method::POST) => begin(registry, &name, request).await,
        (Route::Upload(name, upload), Method::PATCH) => append(registry, &name, upload, request).await,
        (Route::Upload(name, upload), Method::PUT) => {
            let wanted = digest_asked(&request).ok_or(Refusal::DigestInvalid)?;
            let last = body(request).await?;
            registry.contents().append(upload, &last, MAX_BODY).ok_or(Refusal::BlobUploadUnknown)?;
            let bytes = registry.contents().finish(upload).ok_or(Refusal::BlobUploadUnknown)?;
            store(registry, &name, wanted, bytes.into())
        }
        _ => Err(Refusal::Unsupported),
    }
}

fn manifest(
    registry: &ImageRegistry,
    name: &str,
    reference: &Reference,
    method: &Method,
) -> Result<Response, Refusal> {
    let contents = registry.contents();
    let digest = match reference {
        Reference::Tag(tag) => contents.tag(name, tag).ok_or(Refusal::ManifestUnknown)?,
        Reference::Digest(digest) => *digest,
    };
    let manifest = contents.manifest(name, digest).ok_or(Refusal::ManifestUnknown)?;
    Ok(content(method, &manifest.media_type, digest, manifest.bytes))
}

async fn put_manifest(
    registry: &ImageRegistry,
    name: &str,
    reference: Reference,
    request: Request,
) -> Result<Response, Refusal> {
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or(MANIFEST).to_owned();
    let bytes = body(request).await?;
    let manifest: Value = serde_json::from_slice(&bytes).map_err(|_| Refusal::ManifestInvalid)?;
    let layers = manifest.get("layers").and_then(Value::as_array).into_iter().flatten();
    for descriptor in manifest.get("config").into_iter().chain(layers) {
        let digest = descriptor.get("digest").and_then(Value::as_str).and_then(|text| text.parse().ok());
        let digest = digest.ok_or(Refusal::ManifestInvalid)?;
        registry.blob(name, digest).ok_or(Refusal::ManifestBlobUnknown)?;
    }
    let digest = Digest::of(&bytes);
    let tag = match &reference {
        Reference::Tag(tag) => Some(tag.as_str()),
        Reference::Digest(wanted) if *wanted == digest => None,
        Reference::Digest(_) => return Err(Refusal::DigestInvalid),
    };
    registry.contents().add_manifest(name, tag, media_type, bytes);
    Ok(created(&format!("/v2/{name}/manifests/{digest}"), digest))
}

/// Begins an upload; with `?digest=` all of it is in this request.
async fn begin(registry: &ImageRegistry, name: &str, request: Request) -> Result<Response, Refusal> {
    match digest_asked(&request) {
        Some(wanted) => {
            let bytes = body(request).await?;
            store(registry, name, wanted, bytes)
        }
        None => {
            let upload = registry.contents().begin_upload();
            Ok(accepted(name, upload, 0))
        }
    }
}

async fn append(
    registry: &ImageRegistry,
    name: &str,
    upload: u64,
    request: Request,
) -> Result<Response, Refusal> {
    let bytes = body(request).await?;
    let size = registry.contents().append(upload, &bytes, MAX_BODY).ok_or(Refusal::BlobUploadUnknown)?;
    Ok(accepted(name, upload, size))
}

fn store(registry: &ImageRegistry, name: &str, wanted: Digest, bytes: Bytes) -> Result<Response, Refusal> {
    if Digest::of(&bytes) != wanted {
        return Err(Refusal::DigestInvalid);
    }
    registry.contents().add_blob(name, bytes);
    Ok(created(&format!("/v2/{name}/blobs/{wanted}"), wanted))
}

fn digest_asked(request: &Request) -> Option<Digest> {
    let query = request.uri().query()?;
    let mut fields = url::form_urlencoded::parse(query.as_bytes());
    fields.find(|(name, _)| name == "digest").and_then(|(_, value)| value.parse().ok())
}

async fn body(request: Request) -> Result<Bytes, Refusal> {
    Bytes::from_request(request, &()).await.map_err(|_| Refusal::ManifestInvalid)
}

fn content(method: &Method, media_type: &str, digest: Digest, bytes: Bytes) -> Response {
    let length = bytes.len();
    let body = if *method == Method::HEAD { Body::empty() } else { Body::from(bytes) };
    let headers = [
        (CONTENT_TYPE, media_type.to_owned()),
        (CONTENT_LENGTH, length.to_string()),
        (CONTENT_DIGEST, digest.to_string()),
    ];
    (headers, body).into_response()
}

fn created(location: &str, digest: Digest) -> Response {
    let headers = [(LOCATION, location.to_owned()), (CONTENT_DIGEST, digest.to_string())];
    (StatusCode::CREATED, headers).into_response()
}

fn accepted(name: &str, upload: u64, size: usize) -> Response {
    let headers = [
        (LOCATION, format!("/v2/{name}/blobs/uploads/{upload}")),
        (RANGE, format!("0-{}", size.saturating_sub(1))),
    ];
    (StatusCode::ACCEPTED, headers).into_response()
}

fn json_body(value: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
