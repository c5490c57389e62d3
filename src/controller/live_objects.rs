//! [`ClusterObjects`]: the config maps and secrets that a policy names, as they are now.

use std::fmt;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ListParams, PostParams};
use kube::runtime::watcher;
use kube::{Api, Client};

use super::names::is_object_name;
use super::references::{config_map_entries, name_selector, subject};
use super::trouble::{Failure, chain};
use crate::policy::{Entries, EntriesFuture, LacksFuture, LiveError, LiveObjects, ObjectKind, ObjectRef};

/// Reads objects from the API server.
#[derive(Clone)]
pub struct ClusterObjects {
    client: Client,
}

impl fmt::Debug for ClusterObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterObjects")
    }
}

impl ClusterObjects {
    /// Reads through `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// What following the object begins with, so that a right that is missing there is missing here: of a config map a list
    /// of one, of a secret a read.
    async fn look(&self, object: &ObjectRef) -> Result<Option<Entries>, Failure> {
        let (client, namespace) = (self.client.clone(), &object.namespace);
        match object.kind {
            ObjectKind::ConfigMap => {
                let only = ListParams::default().fields(&name_selector(object)).limit(1);
                let found = Api::<ConfigMap>::namespaced(client, namespace).list(&only).await;
                let found = found.map_err(|error| {
                    Failure::of(&watcher::Error::InitialListFailed(error), &subject(object))
                })?;
                Ok(found.items.into_iter().next().map(config_map_entries))
            }
            ObjectKind::Secret => {
                let found = Api::<Secret>::namespaced(client, namespace).get_metadata_opt(&object.name).await;
                let found = found.map_err(|error| Failure::of_get(error, &subject(object)))?;
                Ok(found.map(|_| Entries::new()))
            }
        }
    }

    /// Whether tagseal may get what is named so.
    async fn may_get(&self, resource: &str, namespace: Option<&str>) -> Result<bool, LiveError> {
        let attributes = ResourceAttributes {
            verb: Some("get".to_owned()),
            resource: Some(resource.to_owned()),
            namespace: namespace.map(str::to_owned),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let reviews = Api::<SelfSubjectAccessReview>::all(self.client.clone());
        let unsaid = |message| LiveError { message, is_answer: false };
        let answer = reviews.create(&PostParams::default(), &review).await;
        let status = answer.map_err(|error| unsaid(chain(&error)))?.status;
        let status = status.ok_or_else(|| unsaid("the API server does not say".to_owned()))?;
        match status.evaluation_error {
            // One of several authorizers failed, and none of the others allows it.
            Some(error) if !status.allowed && status.denied != Some(true) => Err(unsaid(error)),
            _ => Ok(status.allowed),
        }
    }
}

impl LiveObjects for ClusterObjects {
    fn read<'a>(&'a self, object: &'a ObjectRef) -> EntriesFuture<'a> {
        Box::pin(async move {
            if !is_object_name(&object.name) {
                return Ok(None);
            }
            let looked = self.look(object).await;
            looked.map_err(|Failure { message, is_answer }| LiveError { message, is_answer })
        })
    }

    fn lacks<'a>(&'a self, namespace: Option<&'a str>) -> LacksFuture<'a> {
        Box::pin(async move {
            for resource in ["secrets", "serviceaccounts"] {
                if !self.may_get(resource, namespace).await? {
                    return Ok(Some(format!("get {resource}")));
                }
            }
            Ok(None)
        })
    }
}
