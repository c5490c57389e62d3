//! Installs the webhook configurations that users apply, pointed at a process on loopback.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::ca::Authority;
use super::cluster::Cluster;
use super::installation::installed;
use super::manifests::pod;
use super::poll::eventually;
use super::run::RUN;
use super::tagseal::TagsealOptions;

/// The label of namespaces that the suite's common tagseal leaves alone.
pub const OWN: &str = "e2e.tagseal.dev/own";

/// The label of policies that are applied as if tagseal did not answer: their webhook fails open, and is not asked about
/// them.
pub const SLIPS_THROUGH: &str = "e2e.tagseal.dev/slips-through";

const POLICIES: &str = "policies.tagseal.dev";

const VALIDATING: &str = "ValidatingWebhookConfiguration";
const MUTATING: &str = "MutatingWebhookConfiguration";

/// Where the webhooks of a configuration are to go.
pub struct Target<'a> {
    pub port: u16,
    pub authority: &'a str,
    /// The namespace that they are for; `None` for all that have no tagseal of their own.
    pub namespace: Option<&'a str>,
}

/// Applies the shipped configurations for `target`, and waits until the API server calls them.
///
/// `probe` is an image that is denied once a webhook is called.
pub fn install(cluster: &Cluster, target: &Target, options: &TagsealOptions, probe: &str) {
    // The validating one first: while both are there, the mutating one is asked first and its refusal is all one sees.
    point(cluster, VALIDATING, target, options, probe);
    if !options.without_mutating {
        point(cluster, MUTATING, target, options, probe);
    }
}

/// The ports of tagseal's Service that the two webhooks are called at.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub mutate: u16,
    pub validate: u16,
}

/// Applies the shipped configurations as they are but for the port of the Service and its authority, and waits until the
/// API server calls them.
pub fn install_for_service(cluster: &Cluster, ports: &Ports, authority: &str, probe: &str) {
    for (kind, port) in [(VALIDATING, ports.validate), (MUTATING, ports.mutate)] {
        let mut configuration = shipped(cluster, kind);
        for webhook in configuration["webhooks"].as_array_mut().expect("webhooks") {
            webhook["clientConfig"]["service"]["port"] = json!(port);
            webhook["clientConfig"]["caBundle"] = json!(STANDARD.encode(authority));
        }
        apply_and_await(cluster, &configuration, probe);
    }
}

/// Applies the shipped configurations for the namespace of `cluster`, where nobody answers.
pub fn install_unanswered(cluster: &Cluster) {
    let authority = Authority::new("nobody");
    let target =
        Target { port: RUN.free_port(), authority: authority.pem(), namespace: Some(cluster.namespace()) };
    for kind in [MUTATING, VALIDATING] {
        // The mutating one fails open: only the other's absence is told.
        let configuration = rewritten(shipped(cluster, kind), &target, &TagsealOptions::default());
        cluster.applies(&configuration);
    }
    eventually("the validating webhook is called", Duration::from_secs(30), || {
        let answer = cluster.tries(&pod("probe", "probe.test/never:published"));
        if answer.errors.contains("failed calling webhook") { Ok(()) } else { Err(answer.text()) }
    });
}

/// Takes away what [`install_unanswered`] applied.
pub fn remove_unanswered(cluster: &Cluster) {
    for kind in [MUTATING, VALIDATING] {
        let name = format!("tagseal-{}", cluster.namespace());
        cluster.does(&["delete", kind, &name]);
    }
}

fn point(cluster: &Cluster, kind: &str, target: &Target, options: &TagsealOptions, probe: &str) {
    apply_and_await(cluster, &rewritten(shipped(cluster, kind), target, options), probe);
}

fn apply_and_await(cluster: &Cluster, configuration: &Value, probe: &str) {
    let hook = configuration["webhooks"][0]["name"].as_str().expect("a name").to_owned();
    cluster.applies(configuration);
    eventually(&format!("{hook} is called"), Duration::from_secs(30), || {
        let answer = cluster.tries(&pod("probe", probe));
        let called = answer.errors.contains(&format!("webhook \"{hook}\" denied the request"));
        if called { Ok(()) } else { Err(answer.text()) }
    });
}

/// The configuration of `kind` in `manifests/install.yaml`.
fn shipped(cluster: &Cluster, kind: &str) -> Value {
    let found = installed(cluster).into_iter().find(|object| object["kind"] == kind);
    found.unwrap_or_else(|| panic!("manifests/install.yaml: no {kind}"))
}

fn rewritten(mut configuration: Value, target: &Target, options: &TagsealOptions) -> Value {
    let name = configuration["metadata"]["name"].as_str().expect("a name").to_owned();
    let mine = match target.namespace {
        Some(namespace) => {
            configuration["metadata"]["name"] = json!(format!("{name}-{namespace}"));
            json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace]})
        }
        None => json!({"key": OWN, "operator": "DoesNotExist"}),
    };
    for webhook in configuration["webhooks"].as_array_mut().expect("webhooks") {
        let path = webhook["clientConfig"]["service"]["path"].as_str().unwrap_or("/").to_owned();
        webhook["clientConfig"] = json!({
            "url": format!("https://127.0.0.1:{}{path}", target.port),
            "caBundle": STANDARD.encode(target.authority),
        });
        let selector = &mut webhook["namespaceSelector"]["matchExpressions"];
        match selector.as_array_mut() {
            Some(expressions) => expressions.push(mine.clone()),
            None => *selector = json!([mine]),
        }
        if webhook["name"] == POLICIES {
            let expression = json!({"key": SLIPS_THROUGH, "operator": "DoesNotExist"});
            webhook["objectSelector"] = json!({"matchExpressions": [expression]});
            // What has no namespace is selected by none: cluster policies are the common tagseal's.
            if target.namespace.is_some() {
                webhook["rules"][0]["scope"] = json!("Namespaced");
            }
        }
        if let Some(seconds) = options.timeout_seconds {
            webhook["timeoutSeconds"] = json!(seconds);
        }
    }
    configuration
}
