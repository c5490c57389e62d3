//! [`ClusterReader`]: what a command reads from a cluster, once and with its caller's rights. Writes nothing.

mod error;
mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use futures::future::join;
use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{ApiResource, DynamicObject};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

pub use self::error::{ReadError, Right};
pub use self::pages::Listed;
use self::pages::{LIMIT, list};
use super::names::is_object_name;
use super::policies::resource;
use super::references::config_map_entries;
use super::repositories::RecordedState;
use super::watched::compiled_form;
use crate::api::{TrustExemption, TrustedRepository};
use crate::policy::{EXEMPTION, Entries, Labels, ObjectKind, ObjectRef, PolicyKind, ReadObjects};

/// The most objects of a kind that are read. A cluster that has more is an error: nothing is left out silently.
const MOST: usize = 50_000;
/// How many objects that policies name are asked for at once.
const AT_ONCE: usize = 8;

/// Reads through a client.
#[derive(Clone)]
pub struct ClusterReader {
    client: Client,
}

impl fmt::Debug for ClusterReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterReader")
    }
}

/// What verdicts depend on, as the API server has it.
#[derive(Debug)]
pub struct Basis {
    /// Policies, ready to be compiled.
    pub policies: Vec<(PolicyKind, Value)>,
    /// Exemptions, ready to be compiled.
    pub exemptions: Vec<Value>,
    /// The labels of namespaces, by name.
    pub namespaces: BTreeMap<String, Arc<Labels>>,
    /// Floors, first-use pins and what was current once.
    pub state: RecordedState,
}

/// What policies name.
#[derive(Debug, Default)]
pub struct Named {
    /// What is there.
    pub objects: ReadObjects,
    /// Secrets that the caller may not read. They count as there: nobody but tagseal's own ServiceAccount needs them, and what is in
    /// them is none of a policy's business.
    pub assumed: Vec<ObjectRef>,
    /// Config maps that the caller may not read, and the API server's words. What they hold decides.
    pub withheld: BTreeMap<ObjectRef, ReadError>,
}

impl ClusterReader {
    /// Reads through `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Reads policies, exemptions, trust state and the labels of namespaces; of one namespace alone where it is named.
    ///
    /// # Errors
    /// Each thing that could not be read, and why.
    pub async fn basis(&self, namespace: Option<&str>) -> Result<Basis, Vec<ReadError>> {
        let policies = join(
            self.raw(resource(PolicyKind::Cluster), None, PolicyKind::Cluster.as_str()),
            self.raw(resource(PolicyKind::Namespaced), namespace, PolicyKind::Namespaced.as_str()),
        );
        let exemptions = self.raw(ApiResource::erase::<TrustExemption>(&()), None, EXEMPTION);
        let records = self.all::<DynamicObject>(ApiResource::erase::<TrustedRepository>(&()), None, MOST);
        let rest = join(join(exemptions, records), self.namespaces(namespace));
        let ((cluster, namespaced), ((exemptions, records), namespaces)) = join(policies, rest).await;
        let mut errors = Vec::new();
        let basis = Basis {
            policies: {
                let of = |kind| move |object| (kind, object);
                let cluster = keep(cluster, &mut errors).into_iter().map(of(PolicyKind::Cluster));
                let namespaced = keep(namespaced, &mut errors).into_iter().map(of(PolicyKind::Namespaced));
                cluster.chain(namespaced).collect()
            },
            exemptions: keep(exemptions, &mut errors),
            namespaces: keep(namespaces, &mut errors),
            state: RecordedState::new(keep(records, &mut errors)),
        };
        if errors.is_empty() { Ok(basis) } else { Err(errors) }
    }

    /// Reads the objects that policies name, each by its name.
    ///
    /// # Errors
    /// Each that could not be read, and why. One that is not there is no error, and left out.
    pub async fn named(&self, wanted: &BTreeSet<ObjectRef>) -> Result<Named, Vec<ReadError>> {
        let reads = stream::iter(wanted).map(|object| async move { (object, self.look(object).await) });
        let read: Vec<_> = reads.buffer_unordered(AT_ONCE).collect().await;
        let (mut named, mut errors) = (Named::default(), Vec::new());
        for (object, seen) in read {
            match seen {
                Ok(Some(entries)) => {
                    named.objects.0.insert(object.clone(), entries);
                }
                Ok(None) => {}
                Err(ReadError::Forbidden { .. }) if object.kind == ObjectKind::Secret => {
                    named.objects.0.insert(object.clone(), Entries::new());
                    named.assumed.push(object.clone());
                }
                Err(error @ ReadError::Forbidden { .. }) => {
                    named.withheld.insert(object.clone(), error);
                }
                Err(error) => errors.push(error),
            }
        }
        named.assumed.sort();
        if errors.is_empty() { Ok(named) } else { Err(errors) }
    }

    /// At most `most` objects as `T`, which holds what is wanted of them, page by page.
    ///
    /// # Errors
    /// [`ReadError`]
    pub async fn list<T: DeserializeOwned>(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        fields: Option<&str>,
        most: usize,
    ) -> Result<Listed<T>, ReadError> {
        is_name(namespace)?;
        list(&self.client, resource, namespace, fields, most).await
    }

    /// All objects as `T`; more than `most` are refused, not cut.
    ///
    /// # Errors
    /// [`ReadError`]
    pub async fn all<T: DeserializeOwned>(
        &self,
        resource: ApiResource,
        namespace: Option<&str>,
        most: usize,
    ) -> Result<Vec<T>, ReadError> {
        let listed = self.list(&resource, namespace, None, most).await?;
        if listed.is_cut { Err(ReadError::TooMany { what: resource.plural, most }) } else { Ok(listed.items) }
    }

    /// The objects, each as it is compiled.
    async fn raw(
        &self,
        resource: ApiResource,
        namespace: Option<&str>,
        kind: &str,
    ) -> Result<Vec<Value>, ReadError> {
        let mut objects = self.all::<DynamicObject>(resource, namespace, MOST).await?;
        Ok(objects.iter_mut().map(|object| compiled_form(kind, object)).collect())
    }

    async fn namespaces(&self, only: Option<&str>) -> Result<BTreeMap<String, Arc<Labels>>, ReadError> {
        let resource = ApiResource::erase::<Namespace>(&());
        let named = |namespace: Labelled| {
            (namespace.metadata.name, Arc::new(namespace.metadata.labels.unwrap_or_default()))
        };
        let Some(name) = only else {
            let listed = self.all::<Labelled>(resource, None, MOST).await?;
            return Ok(listed.into_iter().map(named).collect());
        };
        is_name(only)?;
        let right =
            || Right { verb: "get", resource: "namespaces".into(), namespace: None, name: Some(name.into()) };
        let found = self.get::<Namespace>(Api::all(self.client.clone()), name, right).await?;
        let labels = found.map(|found| Arc::new(found.metadata.labels.unwrap_or_default()));
        Ok(labels.map(|labels| (name.to_owned(), labels)).into_iter().collect())
    }

    /// What a policy may know of an object.
    async fn look(&self, object: &ObjectRef) -> Result<Option<Entries>, ReadError> {
        let ObjectRef { kind, namespace, name } = object;
        if !is_object_name(name) || !is_object_name(namespace) {
            return Ok(None);
        }
        let right = |resource: &str| Right {
            verb: "get",
            resource: resource.to_owned(),
            namespace: Some(namespace.clone()),
            name: Some(name.clone()),
        };
        match kind {
            ObjectKind::ConfigMap => {
                let api = Api::<ConfigMap>::namespaced(self.client.clone(), namespace);
                let found = timeout(LIMIT, api.get_opt(name)).await;
                let found = answered(found, || right("configmaps"))?;
                Ok(found.map(config_map_entries))
            }
            ObjectKind::Secret => {
                let api = Api::<Secret>::namespaced(self.client.clone(), namespace);
                let found = self.get(api, name, || right("secrets")).await?;
                Ok(found.map(|_| Entries::new()))
            }
        }
    }

    async fn get<K>(
        &self,
        api: Api<K>,
        name: &str,
        right: impl FnOnce() -> Right,
    ) -> Result<Option<PartialObjectMeta<K>>, ReadError>
    where
        K: Resource + Clone + fmt::Debug + DeserializeOwned,
    {
        answered(timeout(LIMIT, api.get_metadata_opt(name)).await, right)
    }
}

/// A name becomes part of a request's path: one with a slash would ask for something else.
fn is_name(namespace: Option<&str>) -> Result<(), ReadError> {
    match namespace.filter(|name| !is_object_name(name)) {
        Some(namespace) => Err(ReadError::NoName(namespace.to_owned())),
        None => Ok(()),
    }
}

fn answered<T>(
    answer: Result<kube::Result<T>, tokio::time::error::Elapsed>,
    right: impl FnOnce() -> Right,
) -> Result<T, ReadError> {
    match answer {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(ReadError::of(&error, right())),
        Err(_) => Err(ReadError::silent(&right())),
    }
}

/// What was read, or nothing and the error noted down.
fn keep<T: Default>(read: Result<T, ReadError>, errors: &mut Vec<ReadError>) -> T {
    read.unwrap_or_else(|error| {
        errors.push(error);
        T::default()
    })
}

/// What is wanted of a namespace.
#[derive(Deserialize)]
struct Labelled {
    metadata: LabelledMeta,
}

#[derive(Deserialize)]
struct LabelledMeta {
    name: String,
    #[serde(default)]
    labels: Option<Labels>,
}
