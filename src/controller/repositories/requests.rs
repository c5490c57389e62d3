//! [`Requests`]: what is asked of the API server about `TrustedRepository` objects, and what its answers mean.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::time::timeout;

use super::super::trouble::chain;
use crate::api::{TrustedRepository, TrustedRepositorySpec, TrustedRepositoryStatus};

/// The field manager of what tagseal writes.
const MANAGER: &str = "tagseal";
/// The longest that one request takes (design §11, deadlines: a request).
const REQUEST: Duration = Duration::from_secs(5);

/// Why a request did not do what it was to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failed {
    /// Somebody else wrote first, created it first, or deleted it.
    #[error("the object was changed meanwhile")]
    Conflict,
    /// There is no such object.
    #[error("there is no such object")]
    Absent,
    /// The API server will not: nothing was written.
    #[error("{0}")]
    Refused(String),
    /// The API server does not answer, or not to the question: what was written is unknown.
    #[error("{0}")]
    Unknown(String),
}

/// The way to the API server.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) api: Api<DynamicObject>,
    resource: ApiResource,
}

impl Requests {
    pub(super) fn new(client: Client) -> Self {
        let resource = ApiResource::erase::<TrustedRepository>(&());
        Self { api: Api::all_with(client, &resource), resource }
    }

    /// As RBAC names it.
    pub(super) fn rbac_name(&self) -> String {
        format!("{}.{}", self.resource.plural, self.resource.group)
    }

    /// What the API server itself says now.
    pub(super) async fn get(&self, name: &str) -> Result<DynamicObject, Failed> {
        self.answer("get", name, self.api.get(name)).await
    }

    pub(super) async fn create(
        &self,
        name: &str,
        spec: &TrustedRepositorySpec,
    ) -> Result<DynamicObject, Failed> {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let object = self.object(metadata, spec);
        self.answer("create", name, self.api.create(&params(), &object)).await
    }

    /// Takes the place of the version that `metadata` names, and of no other. The object may be gone: that is a conflict.
    pub(super) async fn replace(
        &self,
        metadata: ObjectMeta,
        spec: &TrustedRepositorySpec,
    ) -> Result<DynamicObject, Failed> {
        let name = metadata.name.clone().unwrap_or_default();
        let object = self.object(metadata, spec);
        match self.answer("update", &name, self.api.replace(&name, &params(), &object)).await {
            Err(Failed::Absent) => Err(Failed::Conflict),
            answer => answer,
        }
    }

    /// Server-side apply of the status.
    pub(super) async fn apply_status(
        &self,
        name: &str,
        status: &TrustedRepositoryStatus,
    ) -> Result<DynamicObject, Failed> {
        let ApiResource { api_version, kind, .. } = &self.resource;
        let patch = Patch::Apply(json!({"apiVersion": api_version, "kind": kind, "status": status}));
        let params = PatchParams::apply(MANAGER).force();
        self.answer("patch", name, self.api.patch_status(name, &params, &patch)).await
    }

    fn object(&self, metadata: ObjectMeta, spec: &TrustedRepositorySpec) -> DynamicObject {
        let object = DynamicObject::new("", &self.resource).data(json!({"spec": spec}));
        DynamicObject { metadata, ..object }
    }

    async fn answer<T>(
        &self,
        verb: &str,
        name: &str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Failed> {
        let status = match timeout(REQUEST, request).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(kube::Error::Api(status))) => status,
            Ok(Err(error)) => return Err(Failed::Unknown(chain(&error))),
            Err(_) => {
                let seconds = REQUEST.as_secs();
                return Err(Failed::Unknown(format!("the API server did not answer within {seconds} s")));
            }
        };
        let message = status.message.trim();
        Err(match status.code {
            404 if status.details.as_ref().is_some_and(|details| details.name == name) => Failed::Absent,
            // That there is no such resource does not say that there is no such object.
            404 => Failed::Refused(format!(
                "the API server does not know {}: are the CRDs installed? `tagseal crd` prints them",
                self.rbac_name()
            )),
            409 => Failed::Conflict,
            403 => {
                let subresource = if verb == "patch" { "/status" } else { "" };
                let (plural, group) = (&self.resource.plural, &self.resource.group);
                Failed::Refused(format!(
                    "{message}; let tagseal's ServiceAccount {verb} {plural}{subresource}.{group}"
                ))
            }
            code @ 400..=499 if code != 408 => Failed::Refused(format!("{message} ({code})")),
            code => Failed::Unknown(format!("{message} ({code})")),
        })
    }
}

fn params() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}
