//! Installs the webhook configurations that users apply, pointed at a process on loopback.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::account::TAGSEAL;
use super::ca::Authority;
use super::cluster::Cluster;
use super::installation::installed;
use super::manifests::pod;
use super::poll::eventually;
use super::run::RUN;
use super::tagseal::{PROBE, TagsealOptions};

/// The label of namespaces that the suite's common tagseal leaves alone.
pub const OWN: &str = "e2e.tagseal.dev/own";

/// The label of policies that are applied as if tagseal did not answer: their webhook fails open, and is not asked about
/// them.
pub const SLIPS_THROUGH: &str = "e2e.tagseal.dev/slips-through";

const POLICIES: &str = "policies.tagseal.dev";

const VALIDATING: &str = "ValidatingWebhookConfiguration";
const MUTATING: &str = "MutatingWebhookConfiguration";

/// The ports of tagseal's Service that the two webhooks are called at.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub mutate: u16,
    pub validate: u16,
}

/// Lets the installed webhooks call the Service at `ports`, and waits until the API server does. Nothing else of them
/// changes; `caBundle` is tagseal's to write.
pub fn redirect(cluster: &Cluster, ports: &Ports) {
    for (kind, port) in [(VALIDATING, ports.validate), (MUTATING, ports.mutate)] {
        let configuration = patch(cluster, kind, |at, _| {
            vec![json!({"op": "replace", "path": format!("{at}/clientConfig/service/port"), "value": port})]
        });
        awaits_call(cluster, &configuration);
    }
}

/// Lets the installed webhooks spare the namespaces that have a tagseal of their own, or none, and what is to slip through.
pub fn spare_own(cluster: &Cluster) {
    for kind in [VALIDATING, MUTATING] {
        patch(cluster, kind, |at, webhook| {
            let mut selectors = webhook.clone();
            select(&mut selectors, &json!({"key": OWN, "operator": "DoesNotExist"}));
            let replaced = ["namespaceSelector", "objectSelector"].map(|selector| {
                json!({"op": "replace", "path": format!("{at}/{selector}"), "value": selectors[selector]})
            });
            replaced.to_vec()
        });
    }
}

/// Patches the installed configuration of `kind`: `operations` has the JSON pointer of each webhook, and the webhook.
fn patch(cluster: &Cluster, kind: &str, operations: impl Fn(&str, &Value) -> Vec<Value>) -> Value {
    let configuration = cluster.gets(&format!("{kind}/{TAGSEAL}"));
    let webhooks = configuration["webhooks"].as_array().expect("webhooks").iter().enumerate();
    let operations = webhooks.flat_map(|(index, webhook)| operations(&format!("/webhooks/{index}"), webhook));
    let operations = Value::Array(operations.collect()).to_string();
    cluster.does(&["patch", kind, TAGSEAL, "--type=json", "-p", &operations]);
    configuration
}

/// Where the webhooks of a configuration are to go, past any Service.
pub struct Target<'a> {
    pub port: u16,
    pub authority: &'a str,
}

/// Applies the shipped configurations once more, for the namespace of `cluster` and `target` alone, and waits until the API
/// server calls them.
pub fn install(cluster: &Cluster, target: &Target, options: &TagsealOptions) {
    let kinds = [VALIDATING, MUTATING];
    for kind in &kinds[..if options.without_mutating { 1 } else { 2 }] {
        let configuration = rewritten(shipped(cluster, kind), cluster.namespace(), target, options);
        cluster.applies(&configuration);
        awaits_call(cluster, &configuration);
    }
}

/// Applies the shipped configurations for the namespace of `cluster`, where nobody answers.
pub fn install_unanswered(cluster: &Cluster) {
    let authority = Authority::new("nobody");
    let target = Target { port: RUN.free_port(), authority: authority.pem() };
    for kind in [MUTATING, VALIDATING] {
        // The mutating one fails open: only the other's absence is told.
        let configuration =
            rewritten(shipped(cluster, kind), cluster.namespace(), &target, &TagsealOptions::default());
        cluster.applies(&configuration);
    }
    eventually("the validating webhook is called", Duration::from_secs(30), || {
        let answer = cluster.tries(&pod("probe", PROBE));
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

fn awaits_call(cluster: &Cluster, configuration: &Value) {
    let hook = configuration["webhooks"][0]["name"].as_str().expect("a name").to_owned();
    // The mutating one denies nothing, and warns.
    let word = match configuration["kind"].as_str() {
        Some(MUTATING) => "; validate.tagseal.dev decides".to_owned(),
        _ => format!("webhook \"{hook}\" denied the request"),
    };
    eventually(&format!("{hook} is called"), Duration::from_secs(30), || {
        let answer = cluster.tries(&pod("probe", PROBE));
        let called = answer.errors.contains(&word);
        if called { Ok(()) } else { Err(answer.text()) }
    });
}

/// The configuration of `kind` in `manifests/install.yaml`.
fn shipped(cluster: &Cluster, kind: &str) -> Value {
    let found = installed(cluster).into_iter().find(|object| object["kind"] == kind);
    found.unwrap_or_else(|| panic!("manifests/install.yaml: no {kind}"))
}

fn rewritten(mut configuration: Value, namespace: &str, target: &Target, options: &TagsealOptions) -> Value {
    let name = configuration["metadata"]["name"].as_str().expect("a name").to_owned();
    configuration["metadata"]["name"] = json!(format!("{name}-{namespace}"));
    let mine = json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace]});
    for webhook in configuration["webhooks"].as_array_mut().expect("webhooks") {
        let path = webhook["clientConfig"]["service"]["path"].as_str().unwrap_or("/").to_owned();
        webhook["clientConfig"] = json!({
            "url": format!("https://127.0.0.1:{}{path}", target.port),
            "caBundle": STANDARD.encode(target.authority),
        });
        select(webhook, &mine);
        if webhook["name"] == POLICIES {
            // What has no namespace is selected by none: cluster policies are the common tagseal's.
            webhook["rules"][0]["scope"] = json!("Namespaced");
        }
        if let Some(seconds) = options.timeout_seconds {
            webhook["timeoutSeconds"] = json!(seconds);
        }
    }
    configuration
}

/// Lets a webhook be called only for the namespaces of `expression`, besides what it selects anyway.
fn select(webhook: &mut Value, expression: &Value) {
    let selector = &mut webhook["namespaceSelector"]["matchExpressions"];
    match selector.as_array_mut() {
        Some(expressions) => expressions.push(expression.clone()),
        None => *selector = json!([expression]),
    }
    if webhook["name"] == POLICIES {
        let expression = json!({"key": SLIPS_THROUGH, "operator": "DoesNotExist"});
        webhook["objectSelector"] = json!({"matchExpressions": [expression]});
    }
}
