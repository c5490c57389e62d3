//! The registry's routes, as clients use them.

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use tagseal::digest::Digest;
use tagseal::sandbox::registry::{ImageRegistry, LAYER, MANIFEST, SampleImage};
use tower::Service as _;

struct Client(ImageRegistry);

struct Reply {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: Bytes,
}

impl Client {
    async fn call(&self, method: &str, path: &str, body: impl Into<Body>) -> Reply {
        let request = Request::builder().method(method).uri(path).header("content-type", MANIFEST);
        let response = self.0.router().call(request.body(body.into()).unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Reply { status, headers, body: axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap() }
    }

    async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, Body::empty()).await
    }
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        body["errors"][0]["code"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn an_image_can_be_pushed_in_every_way_and_pulled() {
    let client = Client(ImageRegistry::default());
    let image = SampleImage::new("hello");
    assert_eq!(client.get("/v2/").await.status, StatusCode::OK);

    // In one request.
    let config = Digest::of(image.config());
    let path = format!("/v2/shop/web/blobs/uploads/?digest={config}");
    assert_eq!(client.call("POST", &path, image.config().clone()).await.status, StatusCode::CREATED);

    // In pieces.
    let begun = client.call("POST", "/v2/shop/web/blobs/uploads/", Body::empty()).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED);
    let upload = begun.header("location").to_owned();
    let (first, rest) = image.layer().split_at(100);
    let went = client.call("PATCH", &upload, Bytes::copy_from_slice(first)).await;
    assert_eq!((went.status, went.header("range")), (StatusCode::ACCEPTED, "0-99"));
    let layer = image.layer_digest();
    let path = format!("{upload}?digest={layer}");
    let done = client.call("PUT", &path, Bytes::copy_from_slice(rest)).await;
    assert_eq!(done.status, StatusCode::CREATED);
    assert_eq!(done.header("location"), format!("/v2/shop/web/blobs/{layer}"));

    let put = client.call("PUT", "/v2/shop/web/manifests/1.4", image.manifest().clone()).await;
    assert_eq!(put.status, StatusCode::CREATED);
    assert_eq!(put.header("docker-content-digest"), image.digest().to_string());

    for reference in ["1.4".to_owned(), image.digest().to_string()] {
        let got = client.get(&format!("/v2/shop/web/manifests/{reference}")).await;
        assert_eq!(got.body, image.manifest());
        assert_eq!(got.header("content-type"), MANIFEST);
        let head = client.call("HEAD", &format!("/v2/shop/web/manifests/{reference}"), Body::empty()).await;
        assert!(head.body.is_empty());
        assert_eq!(head.header("content-length"), image.manifest().len().to_string());
    }
    assert_eq!(client.get(&format!("/v2/shop/web/blobs/{layer}")).await.body, image.layer());
    assert_eq!(client.get("/v2/shop/web/tags/list").await.body, r#"{"name":"shop/web","tags":["1.4"]}"#);
    assert_eq!(client.get("/v2/_catalog").await.body, r#"{"repositories":["shop/web"]}"#);
}

#[tokio::test]
async fn what_a_registry_refuses_is_refused_in_its_words() {
    let client = Client(ImageRegistry::default());
    let image = SampleImage::new("hello");
    let (other, layer) = (Digest::of(b"other"), image.layer_digest());
    for (method, path, body, status, code) in [
        ("GET", "/v2/shop/web/manifests/1.4".to_owned(), Bytes::new(), 404, "MANIFEST_UNKNOWN"),
        ("GET", format!("/v2/shop/web/blobs/{layer}"), Bytes::new(), 404, "BLOB_UNKNOWN"),
        ("GET", "/v2/shop/web/tags/list".to_owned(), Bytes::new(), 404, "NAME_UNKNOWN"),
        (
            "PUT",
            "/v2/shop/web/manifests/1.4".to_owned(),
            image.manifest().clone(),
            404,
            "MANIFEST_BLOB_UNKNOWN",
        ),
        ("PUT", "/v2/shop/web/manifests/1.4".to_owned(), Bytes::from("{"), 400, "MANIFEST_INVALID"),
        (
            "POST",
            format!("/v2/shop/web/blobs/uploads/?digest={other}"),
            image.layer().clone(),
            400,
            "DIGEST_INVALID",
        ),
        (
            "PUT",
            format!("/v2/shop/web/blobs/uploads/99?digest={layer}"),
            Bytes::new(),
            404,
            "BLOB_UPLOAD_UNKNOWN",
        ),
        ("DELETE", "/v2/shop/web/manifests/1.4".to_owned(), Bytes::new(), 405, "UNSUPPORTED"),
        ("GET", "/v1/".to_owned(), Bytes::new(), 404, "NAME_INVALID"),
    ] {
        let reply = client.call(method, &path, body).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, code), "{method} {path}");
    }
    client.0.push("shop/web", "1.4", &image);
    let path = format!("/v2/shop/web/manifests/{other}");
    assert_eq!(client.call("PUT", &path, image.manifest().clone()).await.code(), "DIGEST_INVALID");
}

#[tokio::test]
async fn a_tag_can_be_overwritten_and_a_layer_damaged() {
    let client = Client(ImageRegistry::default());
    let (one, two) = (SampleImage::new("one"), SampleImage::new("two"));
    client.0.push("shop/web", "1.4", &one);
    client.0.push("shop/web", "1.4", &two);
    assert_eq!(client.0.tag("shop/web", "1.4"), Some(two.digest()));
    assert_eq!(client.get("/v2/shop/web/manifests/1.4").await.body, two.manifest());
    let path = format!("/v2/shop/web/blobs/{}", one.layer_digest());
    assert_eq!(client.get(&path).await.body, one.layer());
    assert!(client.0.corrupt("shop/web", one.layer_digest()));
    let damaged = client.get(&path).await;
    assert_eq!(damaged.status, StatusCode::OK);
    assert_eq!(damaged.body.len(), one.layer().len());
    assert_ne!(damaged.body, one.layer());
    assert_eq!(LAYER, "application/vnd.oci.image.layer.v1.tar");
}
