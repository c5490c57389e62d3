//! [`Selector`]: a label selector, compiled.

mod containment;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize as _;
use serde_json::Value;

use super::Labels;
use super::compile::PolicyError;

pub use self::containment::Narrowing;

/// A label selector; all of its requirements must hold. Without any it selects everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, BTreeSet<String>),
    NotIn(String, BTreeSet<String>),
    Exists(String),
    DoesNotExist(String),
    /// Nothing that Kubernetes has: the webhooks say it in a matchCondition.
    NotPrefixed(String, BTreeSet<String>),
}

/// The label that has a namespace's name.
const NAME: &str = "kubernetes.io/metadata.name";

impl Selector {
    /// Compiles a selector that stands at `path`.
    ///
    /// # Errors
    /// Every requirement that Kubernetes would not take.
    pub fn compile(selector: LabelSelector, path: &str) -> Result<Self, Vec<PolicyError>> {
        let labels = selector.match_labels.into_iter().flatten();
        let mut requirements: Vec<Requirement> =
            labels.map(|(key, value)| Requirement::In(key, BTreeSet::from([value]))).collect();
        let mut errors = Vec::new();
        for (index, expression) in selector.match_expressions.into_iter().flatten().enumerate() {
            let key = expression.key;
            let values: BTreeSet<String> = expression.values.into_iter().flatten().collect();
            let field = format!("{path}.matchExpressions[{index}]");
            let mut error = |field: String, message: String| errors.push(PolicyError { field, message });
            match (expression.operator.as_str(), values.is_empty()) {
                ("In", false) => requirements.push(Requirement::In(key, values)),
                ("NotIn", false) => requirements.push(Requirement::NotIn(key, values)),
                ("Exists", true) => requirements.push(Requirement::Exists(key)),
                ("DoesNotExist", true) => requirements.push(Requirement::DoesNotExist(key)),
                ("In" | "NotIn", true) => {
                    error(
                        format!("{field}.values"),
                        format!("{} needs at least one value", expression.operator),
                    );
                }
                ("Exists" | "DoesNotExist", false) => {
                    error(format!("{field}.values"), format!("{} takes no values", expression.operator));
                }
                (other, _) => error(
                    format!("{field}.operator"),
                    format!("{other:?} is none of In, NotIn, Exists, DoesNotExist"),
                ),
            }
        }
        if errors.is_empty() { Ok(Self(requirements)) } else { Err(errors) }
    }

    /// Reads a selector as JSON, `{"matchLabels": …, "matchExpressions": …}`.
    ///
    /// # Errors
    /// What is wrong with it. What Kubernetes would prune is an error here: an empty selector selects everything.
    pub fn from_json(json: &str) -> Result<Self, String> {
        let fields: BTreeMap<String, Value> =
            serde_json::from_str(json).map_err(|error| error.to_string())?;
        if let Some(field) =
            fields.keys().find(|field| !["matchLabels", "matchExpressions"].contains(&field.as_str()))
        {
            return Err(format!("{field:?} is neither matchLabels nor matchExpressions"));
        }
        let selector = Value::Object(fields.into_iter().collect());
        let selector = LabelSelector::deserialize(selector).map_err(|error| error.to_string())?;
        Self::compile(selector, "selector")
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    /// That of the webhooks where nothing else is said (design §3): every namespace but `kube-system`, tagseal's own and those
    /// that opted out.
    pub fn of_webhooks(system_namespace: &str) -> Self {
        let but = |key: &str, values: &[&str]| {
            Requirement::NotIn(key.to_owned(), values.iter().map(|value| (*value).to_owned()).collect())
        };
        Self(vec![but(NAME, &["kube-system", system_namespace]), but("tagseal.dev/admission", &["ignore"])])
    }

    /// The same, but for namespaces whose names begin with one of these.
    #[must_use]
    pub fn without_names(mut self, prefixes: &[String]) -> Self {
        if !prefixes.is_empty() {
            self.0.push(Requirement::NotPrefixed(NAME.to_owned(), prefixes.iter().cloned().collect()));
        }
        self
    }

    /// Whether it selects a namespace of this name. The API server keeps the name among the labels.
    pub fn selects(&self, namespace: &str, labels: &Labels) -> bool {
        if labels.contains_key(NAME) {
            return self.matches(labels);
        }
        let mut labels = Labels::clone(labels);
        labels.insert(NAME.to_owned(), namespace.to_owned());
        self.matches(&labels)
    }

    /// Whether the selector selects an object with these labels.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Requirement::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Requirement::Exists(key) => labels.contains_key(key),
            Requirement::DoesNotExist(key) => !labels.contains_key(key),
            Requirement::NotPrefixed(key, prefixes) => {
                labels.get(key).is_none_or(|value| !prefixes.iter().any(|prefix| value.starts_with(prefix)))
            }
        })
    }

    /// Whether the selector asks for nothing.
    pub fn selects_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// A label that must have one of these values for anything to be selected: the one with the fewest values.
    pub fn narrowest(&self) -> Option<(&str, &BTreeSet<String>)> {
        let named = self.0.iter().filter_map(|requirement| match requirement {
            Requirement::In(key, values) => Some((key.as_str(), values)),
            _ => None,
        });
        named.min_by_key(|(_, values)| values.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selector(selector: serde_json::Value) -> Result<Selector, Vec<PolicyError>> {
        Selector::compile(serde_json::from_value(selector).unwrap(), "spec.namespaceSelector")
    }

    fn expression(operator: &str, values: &[&str]) -> serde_json::Value {
        json!({"matchExpressions": [{"key": "env", "operator": operator, "values": values}]})
    }

    #[test]
    fn requirements_mean_what_they_mean_to_kubernetes() {
        let none = Labels::new();
        let labelled = |value: &str| Labels::from([("env".to_owned(), value.to_owned())]);
        for (given, expected) in [
            (json!({}), [true, true, true]),
            (json!({"matchLabels": {"env": "a"}}), [true, false, false]),
            (expression("In", &["a", "b"]), [true, true, false]),
            (expression("NotIn", &["a"]), [false, true, true]),
            (expression("Exists", &[]), [true, true, false]),
            (expression("DoesNotExist", &[]), [false, false, true]),
        ] {
            let read = selector(given.clone()).unwrap();
            let found = [&labelled("a"), &labelled("b"), &none].map(|labels| read.matches(labels));
            assert_eq!(found, expected, "{given}");
        }
    }

    #[test]
    fn a_selector_as_json_is_read_to_its_end_or_not_at_all() {
        let excluded = r#"{"matchExpressions":[{"key":"env","operator":"NotIn","values":["a"]}]}"#;
        let read = Selector::from_json(excluded).unwrap();
        assert_eq!(read, selector(expression("NotIn", &["a"])).unwrap());
        for (wrong, why) in [
            (
                r#"{"namespaceSelector":{}}"#,
                "\"namespaceSelector\" is neither matchLabels nor matchExpressions",
            ),
            (
                r#"{"matchExpressions":[{"key":"a","operator":"Is"}]}"#,
                "selector.matchExpressions[0].operator: ",
            ),
            ("a=b", "expected value"),
            ("7", "invalid type"),
            (r#"{"matchLabels":7}"#, "invalid type"),
        ] {
            let error = Selector::from_json(wrong).unwrap_err();
            assert!(error.starts_with(why), "{wrong}: {error}");
        }
    }

    #[test]
    fn names_that_begin_with_a_prefix_are_left_out() {
        let named = |name: &str| Labels::from([(NAME.to_owned(), name.to_owned())]);
        let read = Selector::of_webhooks("tagseal-system")
            .without_names(&["openshift-".to_owned(), "aks".to_owned()]);
        for (name, selected) in [
            ("openshift-dns", false),
            ("openshift", true),
            ("my-openshift-dns", true),
            ("aks-command", false),
            ("shop", true),
        ] {
            assert_eq!(read.matches(&named(name)), selected, "{name}");
        }
        assert!(!read.matches(&named("kube-system")), "what was left out before stays so");
        assert!(Selector::default().without_names(&[]).matches(&named("openshift-dns")));
    }

    #[test]
    fn all_requirements_must_hold() {
        let both = json!({"matchLabels": {"env": "a", "team": "x"}});
        let read = selector(both).unwrap();
        assert!(!read.matches(&Labels::from([("env".to_owned(), "a".to_owned())])));
    }

    #[test]
    fn what_kubernetes_would_not_take_is_an_error_with_its_field() {
        for (given, field) in [
            (expression("In", &[]), "values"),
            (expression("Exists", &["a"]), "values"),
            (expression("Equals", &["a"]), "operator"),
        ] {
            let errors = selector(given).unwrap_err();
            let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
            assert_eq!(fields, [format!("spec.namespaceSelector.matchExpressions[0].{field}")]);
        }
    }
}
