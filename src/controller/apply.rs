//! [`apply`]: one policy's status, by server-side apply.

use std::time::Duration;

use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::time::timeout;

use super::policies::resource;
use super::trouble::chain;
use super::watched::Watched;
use crate::api::TrustPolicyStatus;

/// The field manager of what tagseal writes.
pub(super) const MANAGER: &str = "tagseal";
/// The longest that one write takes (design §11, deadlines: a request).
const WRITE: Duration = Duration::from_secs(5);

/// Why a status was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// The object is gone: there is nothing to say any more.
    #[error("the policy is gone")]
    Gone,
    /// This one was refused; another one may pass.
    #[error("{0}")]
    Answer(String),
    /// The API server does not answer.
    #[error("{0}")]
    NoAnswer(String),
}

/// Writes `status` into the status of `object`.
pub(super) async fn apply(
    client: &Client,
    object: &Watched,
    status: &TrustPolicyStatus,
) -> Result<(), Refused> {
    let resource: ApiResource = resource(object.kind);
    let api: Api<DynamicObject> = match &object.id.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let patch = json!({"apiVersion": resource.api_version, "kind": resource.kind, "status": status});
    let (params, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(patch));
    match timeout(WRITE, api.patch_status(&object.id.name, &params, &patch)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) => Err(match status.code {
            404 => Refused::Gone,
            403 => {
                let resource = format!("{}/status.{}", resource.plural, resource.group);
                Refused::Answer(format!("{}; let tagseal's ServiceAccount patch {resource}", status.message))
            }
            code => Refused::Answer(format!("{} ({code})", status.message)),
        }),
        Ok(Err(error)) => Err(Refused::NoAnswer(chain(&error))),
        Err(_) => {
            Err(Refused::NoAnswer(format!("the API server did not answer within {} s", WRITE.as_secs())))
        }
    }
}
