//! What an admission is held against: webhooks that decode the same fields by the same reader and know no policies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use tagseal::admission::Hook;
use tagseal::admission::review::Request;
use tagseal::admission::sites::{Site, sites};

/// What an admission found, to be repeated without finding it.
pub struct Canned {
    decision: String,
    policies: String,
    digests: String,
    signers: String,
    versions: String,
}

impl Canned {
    /// Reads the answer of an admission.
    pub fn of(answer: &[u8]) -> Self {
        let answer: Value = serde_json::from_slice(answer).expect("JSON");
        let said = |key: &str| {
            answer["response"]["auditAnnotations"][key]
                .as_str()
                .unwrap_or_else(|| panic!("no {key}"))
                .to_owned()
        };
        Self {
            decision: said("decision"),
            policies: said("policies"),
            digests: said("digests"),
            signers: said("signers"),
            versions: said("versions"),
        }
    }
}

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
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_annotations: Option<Annotations<'a>>,
}

#[derive(Serialize)]
struct Annotations<'a> {
    id: &'a str,
    decision: &'a str,
    images: &'a str,
    policies: &'a str,
    digests: &'a str,
    signers: &'a str,
    versions: &'a str,
}

#[derive(Serialize)]
struct Operation<'a> {
    op: &'static str,
    path: String,
    value: std::borrow::Cow<'a, str>,
}

/// Writes a patch alone, and a log line of what the request says.
pub async fn bare(hook: Hook, body: &[u8], canned: &Canned) -> Vec<u8> {
    let request = Request::read(body).expect("a review");
    let sites = sites_of(&request);
    let images = images(&sites);
    tracing::info!(
        id = request.uid(),
        hook = hook.as_str(),
        decision = canned.decision,
        kind = request.workload_kind().map(|kind| kind.kind()),
        namespace = request.namespace(),
        name = request.object_name(),
        subresource = request.subresource(),
        dry_run = request.is_dry_run(),
        image = images,
        message = "admission decided",
    );
    respond(&request, patch(hook, &sites, canned), None)
}

/// Writes the very bytes of an admission's answer, and the very fields of its log line.
pub async fn same_answer(hook: Hook, body: &[u8], canned: &Canned) -> Vec<u8> {
    let request = Request::read(body).expect("a review");
    let sites = sites_of(&request);
    let images = images(&sites);
    let Canned { decision, policies, digests, signers, versions } = canned;
    tracing::info!(
        id = request.uid(),
        hook = hook.as_str(),
        decision,
        kind = request.workload_kind().map(|kind| kind.kind()),
        namespace = request.namespace(),
        name = request.object_name(),
        subresource = request.subresource(),
        dry_run = request.is_dry_run(),
        image = images,
        policy = policies,
        digest = digests,
        signers,
        findings = "",
        message = "admission decided",
    );
    let annotations =
        Annotations { id: request.uid(), decision, images: &images, policies, digests, signers, versions };
    respond(&request, patch(hook, &sites, canned), Some(annotations))
}

fn sites_of<'r>(request: &'r Request<'_>) -> Vec<Site<'r>> {
    let kind = request.workload_kind().expect("a pod");
    let pod = request.object().and_then(|object| object.at(kind.path())).expect("a pod");
    sites(kind, pod).collect()
}

fn images(sites: &[Site<'_>]) -> String {
    sites.iter().map(|site| site.image).collect::<Vec<_>>().join(", ")
}

/// The mutating hook puts a digest on every image, the validating one lets everything pass.
fn patch(hook: Hook, sites: &[Site<'_>], canned: &Canned) -> Option<String> {
    let operations = sites.iter().zip(canned.digests.split(", ")).flat_map(|(site, digest)| {
        let path = format!("/spec/{}/{}/image", site.list.field(), site.index);
        let test = Operation { op: "test", path: path.clone(), value: site.image.into() };
        let value = format!("{}@{digest}", site.image).into();
        [test, Operation { op: "replace", path, value }]
    });
    (hook == Hook::Mutate).then(|| {
        let operations: Vec<_> = operations.collect();
        STANDARD.encode(serde_json::to_vec(&operations).expect("JSON"))
    })
}

fn respond(request: &Request<'_>, patch: Option<String>, annotations: Option<Annotations<'_>>) -> Vec<u8> {
    let patch_type = patch.is_some().then_some("JSONPatch");
    let response =
        Response { uid: request.uid(), allowed: true, patch, patch_type, audit_annotations: annotations };
    let review = Review { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response };
    serde_json::to_vec(&review).expect("JSON")
}
