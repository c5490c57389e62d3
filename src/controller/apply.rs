//! [`apply`]: one object's status, by server-side apply.

use std::time::Duration;

use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde::Serialize;
use serde_json::json;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::policies::resource;
use super::trouble::chain;
use super::watched::Watched;
use crate::api::TrustPolicyStatus;

/// The field manager of what tagseal writes.
pub(super) const MANAGER: &str = "tagseal";
/// The longest that one write takes (design §11, deadlines: a request).
pub(super) const WRITE: Duration = Duration::from_secs(5);

/// Why a status was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// The object is gone: there is nothing to say any more.
    #[error("the object is gone")]
    Gone,
    /// This one was refused; another one may pass.
    #[error("{0}")]
    Answer(String),
    /// The API server does not answer.
    #[error("{0}")]
    NoAnswer(String),
}

impl Refused {
    /// What came of a write to `resource`.
    pub(super) fn of<T>(written: Result<kube::Result<T>, Elapsed>, resource: &str) -> Result<(), Self> {
        match written {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(kube::Error::Api(status))) => Err(match status.code {
                404 => Self::Gone,
                403 => {
                    Self::Answer(format!("{}; let tagseal's ServiceAccount patch {resource}", status.message))
                }
                code => Self::Answer(format!("{} ({code})", status.message)),
            }),
            Ok(Err(error)) => Err(Self::NoAnswer(chain(&error))),
            Err(_) => {
                Err(Self::NoAnswer(format!("the API server did not answer within {} s", WRITE.as_secs())))
            }
        }
    }
}

/// Writes `status` into the status of a policy.
pub(super) async fn apply(
    client: &Client,
    object: &Watched,
    status: &TrustPolicyStatus,
) -> Result<(), Refused> {
    let id = &object.id;
    apply_status(client, &resource(object.kind), id.namespace.as_deref(), &id.name, status).await
}

/// Writes `status` into the status of an object, by server-side apply.
pub(super) async fn apply_status(
    client: &Client,
    resource: &ApiResource,
    namespace: Option<&str>,
    name: &str,
    status: &impl Serialize,
) -> Result<(), Refused> {
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    };
    let patch = json!({"apiVersion": resource.api_version, "kind": resource.kind, "status": status});
    let (params, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(patch));
    let written = timeout(WRITE, api.patch_status(name, &params, &patch)).await;
    Refused::of(written, &format!("{}/status.{}", resource.plural, resource.group))
}
