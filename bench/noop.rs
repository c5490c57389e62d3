//! What an admission is held against: it decodes the same fields by the same reader, writes the patch that its caller
//! dreamt up, and logs one line. It knows no policies and verifies nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use tagseal::admission::Hook;
use tagseal::admission::review::Request;
use tagseal::admission::sites::sites;

const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
}

#[derive(Serialize)]
struct Operation {
    op: &'static str,
    path: String,
    value: String,
}

/// Bytes in to bytes out. The mutating hook puts a digest on every image, the validating one lets everything pass.
pub async fn answer(hook: Hook, body: &[u8]) -> Vec<u8> {
    let request = Request::read(body).expect("a review");
    let kind = request.workload_kind().expect("a pod");
    let pod = request.object().and_then(|object| object.at(kind.path())).expect("a pod");
    let operations: Vec<_> = match hook {
        Hook::Mutate => sites(pod)
            .flat_map(|site| {
                let path = format!("/spec/{}/{}/image", site.list.field(), site.index);
                let test = Operation { op: "test", path: path.clone(), value: site.image.to_owned() };
                let value = format!("{}@{DIGEST}", site.image);
                [test, Operation { op: "replace", path, value }]
            })
            .collect(),
        Hook::Validate => Vec::new(),
    };
    let images: Vec<_> = sites(pod).map(|site| site.image).collect();
    tracing::info!(
        id = request.uid(),
        hook = hook.as_str(),
        decision = "Admitted",
        kind = kind.kind(),
        namespace = request.namespace(),
        name = request.object_name(),
        subresource = request.subresource(),
        dry_run = request.is_dry_run(),
        image = images.join(", "),
        message = "admission decided",
    );
    let patch =
        (!operations.is_empty()).then(|| STANDARD.encode(serde_json::to_vec(&operations).expect("JSON")));
    let patch_type = patch.is_some().then_some("JSONPatch");
    let response = Response { uid: request.uid(), allowed: true, patch, patch_type };
    let review = Review { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response };
    serde_json::to_vec(&review).expect("JSON")
}
