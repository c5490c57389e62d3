//! [`ClusterObjects`]: the config maps and secrets that a policy names, as they are now.

use std::fmt;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::ListParams;
use kube::runtime::watcher;
use kube::{Api, Client};

use super::names::is_object_name;
use super::references::{config_map_entries, name_selector, subject};
use super::trouble::Failure;
use crate::policy::{Entries, EntriesFuture, LiveError, LiveObjects, ObjectKind, ObjectRef};

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

    /// A list of one: what the watch of a policy's object begins with, so that a right that is missing there is missing here.
    async fn look(&self, object: &ObjectRef) -> Result<Option<Entries>, kube::Error> {
        let only = ListParams::default().fields(&name_selector(object)).limit(1);
        let (client, namespace) = (self.client.clone(), &object.namespace);
        match object.kind {
            ObjectKind::ConfigMap => {
                let found = Api::<ConfigMap>::namespaced(client, namespace).list(&only).await?;
                Ok(found.items.into_iter().next().map(config_map_entries))
            }
            ObjectKind::Secret => {
                let found = Api::<Secret>::namespaced(client, namespace).list_metadata(&only).await?;
                Ok(found.items.first().map(|_| Entries::new()))
            }
        }
    }
}

impl LiveObjects for ClusterObjects {
    fn read<'a>(&'a self, object: &'a ObjectRef) -> EntriesFuture<'a> {
        Box::pin(async move {
            if !is_object_name(&object.name) {
                return Ok(None);
            }
            self.look(object).await.map_err(|error| {
                let error = watcher::Error::InitialListFailed(error);
                let Failure { message, is_answer } = Failure::of(&error, &subject(object));
                LiveError { message, is_answer }
            })
        })
    }
}
