//! Whether one object that protection rests on is as tagseal needs it. No I/O: what the API server has, and what is expected of it.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize as _;
use serde_json::Value;

use super::shipped::{MATCH_CONDITION, Resource, Webhook};
use crate::policy::Selector;

/// tagseal answers a second before the API server gives up: with less than two there is no time for an answer.
const SHORTEST_TIMEOUT: u64 = 2;
/// What AKS adds to the namespaceSelector of every webhook, to keep them from its own namespaces. Asked back, it adds it
/// again: it is told, and is no fault of the configuration.
const ADDED_BY_AKS: [&str; 2] = ["control-plane", "kubernetes.azure.com/managedby"];

/// What of the protection is missing. The first is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LapseReason {
    /// A webhook configuration, or a webhook of it, is not there.
    WebhookMissing,
    /// A custom resource definition is not there, or does not serve.
    DefinitionMissing,
    /// A webhook leads elsewhere, or cannot be called.
    WebhookMisdirected,
    /// A webhook is asked about less than it should be.
    WebhookNarrowed,
    /// What tagseal could not be asked about is admitted.
    WebhookFailsOpen,
    /// Nobody knows: tagseal may not read it.
    NotReadable,
}

impl LapseReason {
    /// As conditions, Events and the log have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebhookMissing => "WebhookMissing",
            Self::DefinitionMissing => "DefinitionMissing",
            Self::WebhookMisdirected => "WebhookMisdirected",
            Self::WebhookNarrowed => "WebhookNarrowed",
            Self::WebhookFailsOpen => "WebhookFailsOpen",
            Self::NotReadable => "NotReadable",
        }
    }
}

impl fmt::Display for LapseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lapse {
    /// What it is.
    pub reason: LapseReason,
    /// What was found, with the webhook's name; foreign text quoted.
    pub found: String,
}

/// A match condition that the chart's values add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchCondition {
    /// Its CEL expression.
    pub expression: String,
}

/// What the webhook configurations have to be like.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The namespace of the Service that they call: tagseal's own.
    pub namespace: String,
    /// The Service.
    pub service: String,
    /// The namespaces that they are asked about.
    pub covered: Selector,
    /// The conditions that the chart's values add to the shipped one.
    pub conditions: Vec<MatchCondition>,
}

/// What was found of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) lapses: Vec<Lapse>,
    /// What is in order, and worth knowing.
    pub(super) notes: Vec<String>,
}

impl Findings {
    pub(super) fn lapse(&mut self, reason: LapseReason, found: String) {
        self.lapses.push(Lapse { reason, found });
    }
}

/// Judges the webhooks of one configuration. `bundle`: what is wrong with a webhook's `caBundle`, base64.
pub(super) fn configuration(
    object: &Value,
    webhooks: &[Webhook],
    expected: &Expected,
    bundle: &dyn Fn(Option<&str>) -> Option<String>,
) -> Findings {
    let mut findings = Findings::default();
    for wanted in webhooks {
        let mut live = list(object, "webhooks");
        match live.find(|live| live.get("name").and_then(Value::as_str) == Some(wanted.name)) {
            Some(live) => Judged { live, wanted, expected, findings: &mut findings }.judge(bundle),
            None => findings.lapse(LapseReason::WebhookMissing, format!("it has no webhook {}", wanted.name)),
        }
    }
    findings
}

/// Judges a custom resource definition.
pub(super) fn definition(object: &Value) -> Findings {
    let mut findings = Findings::default();
    let mut missing = |found: &str| findings.lapse(LapseReason::DefinitionMissing, found.to_owned());
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        missing("it is being deleted, and with it every object of its kind");
    }
    let version = crate::api::VERSION;
    let serves = |of: &Value| of["name"] == version && of["served"] == true;
    let spec = object.get("spec").unwrap_or(&Value::Null);
    if !list(spec, "versions").any(serves) {
        missing(&format!("it does not serve {version}"));
    }
    findings
}

struct Judged<'a> {
    live: &'a Value,
    wanted: &'a Webhook,
    expected: &'a Expected,
    findings: &'a mut Findings,
}

impl Judged<'_> {
    fn judge(&mut self, bundle: &dyn Fn(Option<&str>) -> Option<String>) {
        self.rules();
        self.selectors();
        self.conditions();
        if self.text("matchPolicy").is_some_and(|policy| policy != "Equivalent") {
            self.narrowed("matchPolicy is not Equivalent: other versions of the same objects pass unseen");
        }
        if self.wanted.fails_closed && self.text("failurePolicy").is_some_and(|policy| policy != "Fail") {
            let found = "failurePolicy is not Fail: what tagseal cannot be asked about is admitted";
            self.says(LapseReason::WebhookFailsOpen, found);
        }
        self.call(bundle);
    }

    fn says(&mut self, reason: LapseReason, found: &str) {
        self.findings.lapse(reason, format!("{}: {found}", self.wanted.name));
    }

    fn narrowed(&mut self, found: &str) {
        self.says(LapseReason::WebhookNarrowed, found);
    }

    fn misdirected(&mut self, found: &str) {
        self.says(LapseReason::WebhookMisdirected, found);
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.live.get(field).and_then(Value::as_str)
    }

    fn rules(&mut self) {
        let rules: Vec<_> = list(self.live, "rules").collect();
        let missing = self.wanted.resources.iter().filter_map(|resource| {
            let is_asked = |operation: &str| rules.iter().any(|rule| asks(rule, resource, operation));
            let missing: Vec<_> =
                resource.operations.iter().copied().filter(|operation| !is_asked(operation)).collect();
            (!missing.is_empty()).then(|| format!("{} ({})", resource.name, missing.join(", ")))
        });
        let missing: Vec<_> = missing.collect();
        if !missing.is_empty() {
            self.narrowed(&format!("its rules leave out {}", missing.join(", ")));
        }
    }

    fn selectors(&mut self) {
        let everything = Selector::default();
        // No namespaceSelector selects cluster-wide objects away, and policies are to be asked about everywhere.
        let covered = if self.wanted.is_about_images { &self.expected.covered } else { &everything };
        for (field, wanted) in [("namespaceSelector", covered), ("objectSelector", &everything)] {
            let found = match selector(self.live.get(field)) {
                Ok(live) => live.narrows(wanted),
                Err(error) => {
                    self.narrowed(&format!("{field} cannot be read: {error}"));
                    continue;
                }
            };
            let is_by_aks = |key: &str| field == "namespaceSelector" && ADDED_BY_AKS.contains(&key);
            let (added, narrowing): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|narrowing| is_by_aks(&narrowing.key));
            let told = |of: &[crate::policy::Narrowing]| {
                of.iter().map(|narrowing| narrowing.requirement.clone()).collect::<Vec<_>>().join(", ")
            };
            if !narrowing.is_empty() {
                self.narrowed(&format!(
                    "{field} leaves out what it should select: {} is required",
                    told(&narrowing)
                ));
            }
            if !added.is_empty() {
                self.findings.notes.push(format!(
                    "{}: as AKS has it, {} is required of namespaces, and others are not covered",
                    self.wanted.name,
                    told(&added)
                ));
            }
        }
    }

    fn conditions(&mut self) {
        let shipped = self.wanted.is_about_images.then_some(MATCH_CONDITION);
        let added = self.expected.conditions.iter().map(|condition| condition.expression.as_str());
        let known: Vec<String> =
            shipped.into_iter().chain(added.filter(|_| shipped.is_some())).map(normal).collect();
        let unknown = list(self.live, "matchConditions").filter(|condition| {
            let expression = condition.get("expression").and_then(Value::as_str).unwrap_or_default();
            !known.contains(&normal(expression))
        });
        let unknown: Vec<_> = unknown
            .map(|condition| {
                format!("{:?}", condition.get("name").and_then(Value::as_str).unwrap_or_default())
            })
            .collect();
        if !unknown.is_empty() {
            self.narrowed(&format!("matchConditions has what the chart does not: {}", unknown.join(", ")));
        }
    }

    /// Whether the API server can call it, and reaches tagseal.
    fn call(&mut self, bundle: &dyn Fn(Option<&str>) -> Option<String>) {
        let config = self.live.get("clientConfig").unwrap_or(&Value::Null);
        let field = |name: &str| config.pointer(name).and_then(Value::as_str);
        let Expected { namespace, service, .. } = self.expected;
        if let Some(url) = field("/url") {
            self.misdirected(&format!("it calls {url:?}, not the Service {namespace}/{service}"));
            return;
        }
        let called = (field("/service/namespace"), field("/service/name"));
        if called != (Some(namespace), Some(service)) {
            let (in_namespace, name) = (called.0.unwrap_or_default(), called.1.unwrap_or_default());
            self.misdirected(&format!(
                "it calls the Service {in_namespace:?}/{name:?}, not {namespace}/{service}"
            ));
        }
        let path = field("/service/path").unwrap_or_default();
        if path != self.wanted.path {
            self.misdirected(&format!("it calls the path {path:?}, not {}", self.wanted.path));
        }
        if let Some(wrong) = bundle(field("/caBundle")) {
            self.misdirected(&format!("caBundle {wrong}"));
        }
        let mut versions = list(self.live, "admissionReviewVersions");
        if self.live.get("admissionReviewVersions").is_some() && !versions.any(|version| version == "v1") {
            self.misdirected("admissionReviewVersions lacks v1, the only one that tagseal speaks");
        }
        if let Some(seconds) = self.live.get("timeoutSeconds").and_then(Value::as_u64)
            && seconds < SHORTEST_TIMEOUT
        {
            self.misdirected(&format!("timeoutSeconds is {seconds}, which leaves no time for an answer"));
        }
    }
}

/// Whether a rule has the API server ask about this.
fn asks(rule: &Value, resource: &Resource, operation: &str) -> bool {
    let names = |field: &str, wanted: &str| list(rule, field).any(|name| name == wanted || name == "*");
    let scope = rule.get("scope").and_then(Value::as_str).unwrap_or("*");
    let wanted_scope = if resource.is_namespaced { "Namespaced" } else { "Cluster" };
    names("apiGroups", resource.group)
        && names("apiVersions", resource.version)
        && names("operations", operation)
        && (scope == "*" || scope == wanted_scope)
        && list(rule, "resources").filter_map(Value::as_str).any(|named| is_of(resource.name, named))
}

/// Whether a rule's `resources` entry means this resource: `pods`, `pods/status`, `*`, `*/*`, `pods/*`, `*/status`.
fn is_of(resource: &str, named: &str) -> bool {
    let (name, subresource) =
        resource.split_once('/').map_or((resource, None), |(name, sub)| (name, Some(sub)));
    match (named.split_once('/'), subresource) {
        (None, None) => named == "*" || named == name,
        (None, Some(_)) => false,
        (Some(("*", "*")), _) => true,
        (Some(_), None) => false,
        (Some((a, b)), Some(subresource)) => (a == "*" || a == name) && (b == "*" || b == subresource),
    }
}

fn selector(field: Option<&Value>) -> Result<Selector, String> {
    let Some(field) = field.filter(|field| !field.is_null()) else { return Ok(Selector::default()) };
    let selector = LabelSelector::deserialize(field).map_err(|error| error.to_string())?;
    Selector::compile(selector, "selector")
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// An expression without what YAML does to its whitespace.
fn normal(expression: &str) -> String {
    expression.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn list<'v>(object: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    object.get(field).and_then(Value::as_array).into_iter().flatten()
}
