//! [`Asked`]: what a request of a Kubernetes client asks for.

use std::fmt;

use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{Method, request::Parts};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::Key;

const RESOURCES: &[&str] = &[
    "clustertrustpolicies",
    "trustpolicies",
    "trustexemptions",
    "trustedrepositories",
    "namespaces",
    "configmaps",
    "secrets",
    "serviceaccounts",
    "leases",
    "events",
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
    "pods",
    "podtemplates",
    "replicationcontrollers",
    "deployments",
    "replicasets",
    "statefulsets",
    "daemonsets",
    "jobs",
    "cronjobs",
    "customresourcedefinitions",
    "selfsubjectaccessreviews",
];

const GROUPS: &[&str] = &[
    "/api/v1/",
    "/apis/apps/v1/",
    "/apis/batch/v1/",
    "/apis/tagseal.dev/v1alpha1/",
    "/apis/coordination.k8s.io/v1/",
    "/apis/events.k8s.io/v1/",
    "/apis/admissionregistration.k8s.io/v1/",
    "/apis/apiextensions.k8s.io/v1/",
    "/apis/authorization.k8s.io/v1/",
];

/// Selects pods that have not ended.
const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    List,
    Watch,
    Get,
    Create,
    /// Asks what it may do.
    Review,
    /// Replaces one version of an object.
    Update,
    /// Merges fields into an object.
    Merge,
    /// Strategic merge into one version of an object: webhooks by their names.
    Patch,
    /// Merges fields into one version of a status.
    Count,
    /// Server-side apply of the status, by tagseal, with force.
    Apply,
}

#[derive(Debug, Clone)]
pub struct Asked {
    pub verb: Verb,
    pub resource: String,
    /// The version after which events are wanted.
    pub after: u64,
    /// At most so many, from this place on.
    pub page: Option<(usize, usize)>,
    /// Only pods that have not ended.
    not_ended: bool,
    namespace: String,
    name: Option<String>,
    /// The one name that is selected.
    selected: Option<String>,
    metadata_only: bool,
}

impl Asked {
    /// `None` for a request that the controller has no business to make.
    pub fn read(head: &Parts) -> Option<Self> {
        let path = head.uri.path();
        let path = GROUPS.iter().find_map(|group| path.strip_prefix(group))?;
        let mut segments: Vec<&str> = path.split('/').collect();
        let namespace = if segments.len() > 2 && segments[0] == "namespaces" {
            let namespace = segments[1].to_owned();
            segments.drain(..2);
            namespace
        } else {
            String::new()
        };
        let (resource, name, subresource) = match segments[..] {
            [resource] => (resource, None, None),
            [resource, name] => (resource, Some(name.to_owned()), None),
            [resource, name, subresource] => (resource, Some(name.to_owned()), Some(subresource)),
            _ => return None,
        };
        let query: Vec<(String, String)> =
            form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let parameter =
            |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let manager = parameter("fieldManager");
        let is_manager = manager == Some("tagseal") || manager == Some("tagseal-certificates");
        let verb = match (&head.method, &name, subresource) {
            (&Method::GET, None, None) if parameter("watch") == Some("true") => Verb::Watch,
            (&Method::GET, None, None) => Verb::List,
            (&Method::GET, Some(_), None) => Verb::Get,
            (&Method::POST, None, None) if resource == "selfsubjectaccessreviews" => Verb::Review,
            (&Method::POST, None, None) if is_manager => Verb::Create,
            (&Method::PUT, Some(_), None) if is_manager => Verb::Update,
            (&Method::PATCH, Some(_), None)
                if header(CONTENT_TYPE) == "application/merge-patch+json"
                    && parameter("fieldManager") == Some("tagseal") =>
            {
                Verb::Merge
            }
            (&Method::PATCH, Some(_), None)
                if header(CONTENT_TYPE) == "application/strategic-merge-patch+json"
                    && parameter("fieldManager") == Some("tagseal-certificates") =>
            {
                Verb::Patch
            }
            (&Method::PATCH, Some(_), Some("status"))
                if header(CONTENT_TYPE) == "application/merge-patch+json"
                    && parameter("fieldManager") == Some("tagseal-uses") =>
            {
                Verb::Count
            }
            (&Method::PATCH, Some(_), Some("status"))
                if header(CONTENT_TYPE) == "application/apply-patch+yaml"
                    && parameter("fieldManager") == Some("tagseal")
                    && parameter("force") == Some("true") =>
            {
                Verb::Apply
            }
            _ => return None,
        };
        RESOURCES.contains(&resource).then_some(())?;
        let selector = parameter("fieldSelector").filter(|selector| *selector != NOT_ENDED);
        let not_ended = parameter("fieldSelector") == Some(NOT_ENDED);
        let number = |name: &str| parameter(name).map(|number| number.parse().unwrap());
        let selected = selector.map(|selector| {
            selector.strip_prefix("metadata.name=").expect("a selector of one name").to_owned()
        });
        Some(Self {
            verb,
            resource: resource.to_owned(),
            after: parameter("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or_default(),
            page: number("limit").map(|limit| (number("continue").unwrap_or_default(), limit)),
            not_ended,
            namespace,
            name,
            selected,
            metadata_only: header(ACCEPT).contains("as=PartialObjectMetadata"),
        })
    }

    pub fn key(&self) -> Key {
        (self.resource.clone(), self.namespace.clone(), self.name.clone().unwrap_or_default())
    }

    pub fn is_about(&self, (resource, namespace, name): &Key) -> bool {
        *resource == self.resource
            && (self.namespace.is_empty() || *namespace == self.namespace)
            && self.selected.as_ref().is_none_or(|selected| selected == name)
    }

    /// Whether the object is one of those that were asked for.
    pub fn wants(&self, object: &Value) -> bool {
        !(self.not_ended && ["Succeeded", "Failed"].iter().any(|phase| object["status"]["phase"] == *phase))
    }

    /// The object as it was asked for.
    pub fn shown(&self, resource: &str, mut object: Value) -> Value {
        if self.metadata_only {
            return json!({
                "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object["metadata"]
            });
        }
        // A list of built-in objects says neither kind nor version of each.
        if self.verb == Verb::List && !resource.ends_with("ies") {
            let fields = object.as_object_mut().unwrap();
            fields.remove("kind");
            fields.remove("apiVersion");
        }
        object
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.verb {
            Verb::List => "LIST",
            Verb::Watch => "WATCH",
            Verb::Get => "GET",
            Verb::Create => "CREATE",
            Verb::Review => "REVIEW",
            Verb::Update => "UPDATE",
            Verb::Merge => "MERGE",
            Verb::Patch => "PATCH",
            Verb::Count => "COUNT",
            Verb::Apply => "APPLY",
        };
        write!(f, "{verb} {}", self.resource)?;
        if self.metadata_only {
            f.write_str("(metadata)")?;
        }
        let place =
            [Some(self.namespace.as_str()).filter(|namespace| !namespace.is_empty()), self.name.as_deref()];
        let place = place.into_iter().flatten().collect::<Vec<_>>().join("/");
        if !place.is_empty() {
            write!(f, " {place}")?;
        }
        if matches!(self.verb, Verb::Apply | Verb::Count) {
            f.write_str("/status")?;
        }
        if let Some(name) = &self.selected {
            write!(f, " name={name}")?;
        }
        match self.page {
            Some((from, _)) if from > 0 => write!(f, " from={from}"),
            _ => Ok(()),
        }
    }
}
