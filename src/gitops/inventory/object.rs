//! Pods and workloads as the inventory keeps them: of an object of many kilobytes, some hundred bytes.

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer};

use crate::admission::Node;
use crate::admission::sites::{KINDS, SiteList, WorkloadKind, sites};
use crate::image::ImageReference;

/// An object by which another is named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Its `apiVersion`.
    pub api_version: Box<str>,
    /// Its kind.
    pub kind: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// A site and what stands there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Declared {
    /// In which list of the pod spec.
    pub list: SiteList,
    /// The container's or volume's name.
    pub name: Box<str>,
    /// The image, as the object has it.
    pub image: Box<str>,
}

/// A pod that has not ended.
#[derive(Debug, Deserialize)]
pub struct Pod {
    metadata: Meta,
    spec: Spec<POD>,
    #[serde(default)]
    status: Option<Status>,
}

/// An object of the kind in row `ROW` of [`KINDS`].
#[derive(Debug, Deserialize)]
pub struct Workload<const ROW: usize> {
    metadata: Meta,
    // A PodTemplate has no spec of its own.
    #[serde(alias = "template")]
    spec: Spec<ROW>,
    #[serde(default)]
    status: Option<Progress>,
}

/// The row of pods in [`KINDS`].
const POD: usize = 0;

/// What an object declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The object.
    pub owner: Owner,
    /// Its namespace.
    pub namespace: Box<str>,
    /// What its pods will have.
    pub sites: Box<[Declared]>,
    /// The controller that made it.
    pub controller: Option<Owner>,
    /// Whether it has ended: a Job that is complete makes no more pods.
    pub has_ended: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    #[serde(default)]
    name: Box<str>,
    #[serde(default)]
    namespace: Box<str>,
    #[serde(default)]
    owner_references: Option<Vec<Reference>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    #[serde(default)]
    api_version: Box<str>,
    #[serde(default)]
    kind: Box<str>,
    #[serde(default)]
    name: Box<str>,
    #[serde(default)]
    controller: Option<bool>,
}

impl Meta {
    fn controller(&self) -> Option<Owner> {
        let references = self.owner_references.iter().flatten();
        let controller = references.into_iter().find(|one| one.controller == Some(true))?;
        let Reference { api_version, kind, name, .. } = controller;
        Some(Owner { api_version: api_version.clone(), kind: kind.clone(), name: name.clone() })
    }
}

/// The sites below `spec`, found by the webhook's own table.
#[derive(Debug)]
struct Spec<const ROW: usize>(Box<[Declared]>, PhantomData<()>);

impl<'de, const ROW: usize> Deserialize<'de> for Spec<ROW> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let node = Node::deserialize(deserializer)?;
        let declared = KINDS.get(ROW).and_then(|kind| declared(kind, &node)).unwrap_or_default();
        Ok(Self(declared, PhantomData))
    }
}

/// What stands below `node`, the first of the fields that lead to the pod spec of `kind`.
fn declared(kind: &WorkloadKind, node: &Node<'_>) -> Option<Box<[Declared]>> {
    let pod = node.at(kind.path().get(1..)?)?;
    let own = |site: crate::admission::sites::Site<'_>| Declared {
        list: site.list,
        name: site.name.into(),
        image: site.image.into(),
    };
    Some(sites(kind, pod).map(own).collect())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    init_container_statuses: Option<Vec<ContainerStatus>>,
    #[serde(default)]
    container_statuses: Option<Vec<ContainerStatus>>,
    #[serde(default)]
    ephemeral_container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Debug, Deserialize)]
struct ContainerStatus {
    #[serde(default)]
    name: Box<str>,
    #[serde(rename = "imageID", default, deserialize_with = "running")]
    digest: Option<Box<str>>,
}

/// The digest that an image was pulled by: `docker.io/library/web@sha256:…`, with or without `docker-pullable://` before it. A bare
/// `sha256:…` is the hash of an image's configuration, which nobody signs.
fn running<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<str>>, D::Error> {
    let id = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    let hex = id.rsplit_once("@sha256:").map(|(_, hex)| hex);
    let by_digest = hex.and_then(|hex| ImageReference::parse(&format!("image@sha256:{hex}")).ok());
    Ok(by_digest.and_then(|image| image.digest()).map(|digest| digest.to_string().into()))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    #[serde(default)]
    completion_time: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    conditions: Option<Vec<Condition>>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type", default)]
    kind: Box<str>,
    #[serde(default)]
    status: Box<str>,
}

impl Progress {
    fn has_ended(&self) -> bool {
        let ended = |one: &Condition| matches!(&*one.kind, "Complete" | "Failed") && &*one.status == "True";
        self.completion_time.is_some() || self.conditions.iter().flatten().any(ended)
    }
}

impl Pod {
    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.metadata.namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The controller that made it.
    pub fn controller(&self) -> Option<Owner> {
        self.metadata.controller()
    }

    /// Its sites, each with the digest that runs there, where the status says so.
    pub fn sites(&self) -> impl Iterator<Item = (&Declared, Option<&str>)> {
        self.spec.0.iter().map(|site| (site, self.running(site)))
    }

    fn running(&self, site: &Declared) -> Option<&str> {
        let status = self.status.as_ref()?;
        let list = match site.list {
            SiteList::InitContainers => &status.init_container_statuses,
            SiteList::Containers => &status.container_statuses,
            SiteList::EphemeralContainers => &status.ephemeral_container_statuses,
            // What an image volume was mounted from is in no status yet.
            SiteList::Volumes => return None,
        };
        list.iter().flatten().find(|one| one.name == site.name)?.digest.as_deref()
    }

    /// It as its own owner, where nobody else is.
    pub fn itself(&self) -> Owner {
        Owner { api_version: "v1".into(), kind: "Pod".into(), name: self.metadata.name.clone() }
    }
}

impl<const ROW: usize> Workload<ROW> {
    /// What it declares.
    pub fn template(self) -> Template {
        let (api_version, kind) =
            KINDS.get(ROW).map(|row| (row.api_version(), row.kind())).unwrap_or_default();
        Template {
            controller: self.metadata.controller(),
            owner: Owner { api_version: api_version.into(), kind: kind.into(), name: self.metadata.name },
            namespace: self.metadata.namespace,
            sites: self.spec.0,
            // Of the kinds that have such conditions, only a Job's mean that no pod comes any more.
            has_ended: kind == "Job" && self.status.is_some_and(|status| status.has_ended()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The bytes of memory that one pod takes in the inventory, without the overhead of the allocator.
    fn kept(pod: &Pod) -> usize {
        let Meta { name, namespace, owner_references } = &pod.metadata;
        let owners = owner_references.iter().flatten();
        let owners = owners.map(|owner| {
            size_of::<Reference>() + owner.api_version.len() + owner.kind.len() + owner.name.len()
        });
        let sites = pod.spec.0.iter().map(|site| size_of::<Declared>() + site.name.len() + site.image.len());
        let status = pod.status.as_ref().expect("a status");
        let lists = [
            &status.init_container_statuses,
            &status.container_statuses,
            &status.ephemeral_container_statuses,
        ];
        let digest = |status: &ContainerStatus| status.digest.as_ref().map_or(0, |digest| digest.len());
        let statuses = lists.into_iter().flatten().flatten();
        let statuses =
            statuses.map(|status| size_of::<ContainerStatus>() + status.name.len() + digest(status));
        let strings = name.len() + namespace.len();
        size_of::<Pod>() + strings + owners.chain(sites).chain(statuses).sum::<usize>()
    }

    #[test]
    fn of_a_pod_of_many_kilobytes_less_than_one_is_kept() {
        let image = "registry.example.com/shop/web:1.4";
        let digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let filler = "x".repeat(1024);
        let container = |name: &str| {
            json!({"name": name, "image": image, "env": [{"name": "A", "value": filler}], "command": [filler],
                "volumeMounts": [{"name": "data", "mountPath": filler}]})
        };
        let status = |name: &str| json!({"name": name, "image": image, "imageID": format!("{image}@{digest}"), "lastState": {"message": filler}});
        let pod = json!({
            "metadata": {
                "name": "web-5d4f8c7b9-abcde", "namespace": "shop", "annotations": {"a": filler},
                "managedFields": [{"fieldsV1": {"f": filler}}],
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f8c7b9", "controller": true}],
            },
            "spec": {"containers": [container("web"), container("sidecar")]},
            "status": {"containerStatuses": [status("web"), status("sidecar")], "conditions": [{"message": filler}]},
        });
        let text = pod.to_string();
        let pod: Pod = serde_json::from_str(&text).unwrap();
        assert_eq!(pod.sites().filter(|(_, running)| *running == Some(digest)).count(), 2);
        assert!(text.len() > 8 * 1024 && kept(&pod) < 1024, "{} of {}", kept(&pod), text.len());
    }

    #[test]
    fn what_a_status_says_runs_is_the_digest_that_was_pulled() {
        let digest = "ab".repeat(32);
        let ids = [
            (format!("docker.io/library/web@sha256:{digest}"), true),
            (format!("docker-pullable://r.test:5000/web@sha256:{digest}"), true),
            (format!("sha256:{digest}"), false),
            (String::new(), false),
            ("r.test/web@sha256:short".to_owned(), false),
        ];
        for (id, is_known) in ids {
            let pod = json!({
                "metadata": {"name": "p", "namespace": "n"},
                "spec": {"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "c", "image": {"reference": "v"}}]},
                "status": {"containerStatuses": [{"name": "other"}, {"name": "c", "imageID": id}], "initContainerStatuses": null},
            });
            let pod: Pod = serde_json::from_value(pod).unwrap();
            let running: Vec<_> =
                pod.sites().map(|(site, running)| (&*site.image, running.is_some())).collect();
            assert_eq!(running, [("i", is_known), ("v", false)], "{id}");
        }
    }

    #[test]
    fn every_kind_is_read_by_its_row() {
        let pod = json!({"containers": [{"name": "c", "image": "i"}]});
        fn images<const ROW: usize>(object: serde_json::Value) -> (String, usize) {
            let workload: Workload<ROW> = serde_json::from_value(object).unwrap();
            let template = workload.template();
            (template.owner.kind.to_string(), template.sites.len())
        }
        let metadata = json!({"name": "w", "namespace": "n"});
        let template = json!({ "spec": pod });
        let plain = json!({"metadata": metadata, "spec": {"replicas": 1, "template": template}});
        let cron = json!({"metadata": metadata, "spec": {"jobTemplate": {"spec": {"template": template}}}});
        let pod_template = json!({"metadata": metadata, "template": template});
        assert_eq!(images::<1>(pod_template), ("PodTemplate".to_owned(), 1));
        assert_eq!(images::<2>(plain.clone()), ("ReplicationController".to_owned(), 1));
        assert_eq!(images::<3>(plain.clone()), ("Deployment".to_owned(), 1));
        assert_eq!(images::<4>(plain.clone()), ("ReplicaSet".to_owned(), 1));
        assert_eq!(images::<5>(plain.clone()), ("StatefulSet".to_owned(), 1));
        assert_eq!(images::<6>(plain.clone()), ("DaemonSet".to_owned(), 1));
        assert_eq!(images::<7>(plain), ("Job".to_owned(), 1));
        assert_eq!(images::<8>(cron), ("CronJob".to_owned(), 1));
    }
}
