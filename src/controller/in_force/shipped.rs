//! What the shipped webhook configurations ask the API server to show tagseal. The chart's template has the same; a test
//! compares them, and another one this table with the table of image sites.

/// A resource that has to be asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resource {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    /// With its subresource, as rules name it.
    pub(super) name: &'static str,
    pub(super) operations: &'static [&'static str],
    pub(super) is_namespaced: bool,
}

/// One of the webhooks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Webhook {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    pub(super) resources: &'static [Resource],
    /// Whether what it could not be asked about is refused.
    pub(super) fails_closed: bool,
    /// Whether it is asked about the covered namespaces alone, and not about updates that leave the pod spec as it was.
    pub(super) is_about_images: bool,
}

const WRITES: &[&str] = &["CREATE", "UPDATE"];

const fn workload(group: &'static str, name: &'static str) -> Resource {
    Resource { group, version: "v1", name, operations: WRITES, is_namespaced: true }
}

/// The kinds that hold images.
const WORKLOADS: &[Resource] = &[
    workload("", "pods"),
    // Nobody creates a subresource.
    Resource { operations: &["UPDATE"], ..workload("", "pods/ephemeralcontainers") },
    workload("", "podtemplates"),
    workload("", "replicationcontrollers"),
    workload("apps", "deployments"),
    workload("apps", "replicasets"),
    workload("apps", "statefulsets"),
    workload("apps", "daemonsets"),
    workload("batch", "jobs"),
    workload("batch", "cronjobs"),
];

const fn policies(name: &'static str, is_namespaced: bool) -> Resource {
    let operations = &["CREATE", "UPDATE", "DELETE"];
    Resource { group: "tagseal.dev", version: "v1alpha1", name, operations, is_namespaced }
}

const POLICIES: &[Resource] = &[
    policies("clustertrustpolicies", false),
    policies("trustpolicies", true),
    policies("trustexemptions", false),
];

/// Those of the mutating configuration.
pub(super) const MUTATING: &[Webhook] = &[Webhook {
    name: "mutate.tagseal.dev",
    path: "/mutate",
    resources: WORKLOADS,
    fails_closed: false,
    is_about_images: true,
}];

/// Those of the validating one.
pub(super) const VALIDATING: &[Webhook] = &[
    Webhook {
        name: "validate.tagseal.dev",
        path: "/validate",
        resources: WORKLOADS,
        fails_closed: true,
        is_about_images: true,
    },
    Webhook {
        name: "policies.tagseal.dev",
        path: "/policies",
        resources: POLICIES,
        fails_closed: false,
        is_about_images: false,
    },
];

/// The custom resource definitions.
pub(super) const DEFINITIONS: &[&str] = &[
    "clustertrustpolicies.tagseal.dev",
    "trustedrepositories.tagseal.dev",
    "trustexemptions.tagseal.dev",
    "trustpolicies.tagseal.dev",
];

/// The condition on which the webhooks are asked about an UPDATE.
pub(super) const MATCH_CONDITION: &str = "\
    request.operation != 'UPDATE' || \
    (has(object.template) || has(oldObject.template) \
      ? !(has(object.template) && has(oldObject.template) && object.template == oldObject.template) \
      : !(has(object.spec) && has(oldObject.spec)) ? true \
      : has(object.spec.template) || has(oldObject.spec.template) \
      ? !(has(object.spec.template) && has(oldObject.spec.template) \
          && object.spec.template == oldObject.spec.template) \
      : has(object.spec.jobTemplate) || has(oldObject.spec.jobTemplate) \
      ? !(has(object.spec.jobTemplate) && has(oldObject.spec.jobTemplate) \
          && object.spec.jobTemplate == oldObject.spec.jobTemplate) \
      : object.spec != oldObject.spec)";
