//! [`Selector::narrows`]: what one selector leaves out of what another one selects.

use std::collections::BTreeSet;
use std::fmt;

use super::{Requirement, Selector};

/// A requirement of a selector that leaves out something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrowing {
    /// The label's key.
    pub key: String,
    /// The requirement, as `kubectl` writes selectors; foreign text quoted.
    pub requirement: String,
}

impl Selector {
    /// The requirements by which this selector leaves out what `wanted` selects. Empty: it selects all of it, and perhaps more.
    ///
    /// Requirements on different keys are independent of each other, so each is compared with those of `wanted` on its key: a
    /// label is absent, or has a value that one of them names, or another one.
    pub fn narrows(&self, wanted: &Self) -> Vec<Narrowing> {
        let narrows = |requirement: &&Requirement| {
            let key = requirement.key();
            let on_key = || wanted.0.iter().filter(|other| other.key() == key);
            let mut named: BTreeSet<&str> =
                on_key().chain([*requirement]).flat_map(|other| other.values()).collect();
            // Longer than each, so none of them; and no prefix of a name begins like it.
            let another = format!("\0{}", named.iter().max_by_key(|value| value.len()).unwrap_or(&""));
            named.insert(&another);
            let mut labels = named.into_iter().map(Some).chain([None]);
            labels.any(|label| on_key().all(|other| other.holds(label)) && !requirement.holds(label))
        };
        let narrowing = self.0.iter().filter(narrows);
        narrowing
            .map(|requirement| Narrowing {
                key: requirement.key().to_owned(),
                requirement: requirement.to_string(),
            })
            .collect()
    }
}

impl Requirement {
    fn key(&self) -> &str {
        match self {
            Self::In(key, _)
            | Self::NotIn(key, _)
            | Self::Exists(key)
            | Self::DoesNotExist(key)
            | Self::NotPrefixed(key, _) => key,
        }
    }

    fn values(&self) -> impl Iterator<Item = &str> {
        let values = match self {
            Self::In(_, values) | Self::NotIn(_, values) | Self::NotPrefixed(_, values) => Some(values),
            Self::Exists(_) | Self::DoesNotExist(_) => None,
        };
        values.into_iter().flatten().map(String::as_str)
    }

    /// Whether it holds where the label has this value; `None`: where it is absent.
    fn holds(&self, label: Option<&str>) -> bool {
        match self {
            Self::In(_, values) => label.is_some_and(|value| values.contains(value)),
            Self::NotIn(_, values) => label.is_none_or(|value| !values.contains(value)),
            Self::Exists(_) => label.is_some(),
            Self::DoesNotExist(_) => label.is_none(),
            Self::NotPrefixed(_, prefixes) => {
                label.is_none_or(|value| !prefixes.iter().any(|prefix| value.starts_with(prefix)))
            }
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key();
        match self {
            Self::In(_, values) => write!(f, "{key:?} in {values:?}"),
            Self::NotIn(_, values) => write!(f, "{key:?} not in {values:?}"),
            Self::Exists(_) => write!(f, "{key:?} exists"),
            Self::DoesNotExist(_) => write!(f, "{key:?} does not exist"),
            Self::NotPrefixed(_, prefixes) => write!(f, "{key:?} begins with none of {prefixes:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::Labels;

    #[test]
    fn what_a_prefix_leaves_out_is_not_missed_and_nothing_else() {
        let named = |operator: &str, name: &str| {
            let expression = format!(
                r#"{{"key":"kubernetes.io/metadata.name","operator":"{operator}","values":["{name}"]}}"#
            );
            selector(&format!(r#"{{"matchExpressions":[{expression}]}}"#))
        };
        let wanted = Selector::of_webhooks("tagseal-system").without_names(&["openshift-".to_owned()]);
        for (operator, name, narrowed) in [
            ("NotIn", "openshift-dns", false),
            ("NotIn", "openshift", true),
            ("NotIn", "shop", true),
            ("In", "shop", true),
            ("In", "openshift-dns", true),
        ] {
            assert_eq!(!named(operator, name).narrows(&wanted).is_empty(), narrowed, "{operator} {name}");
        }
    }

    fn selector(json: &str) -> Selector {
        Selector::from_json(json).unwrap()
    }

    fn keys(selector: &Selector, wanted: &Selector) -> Vec<String> {
        selector.narrows(wanted).into_iter().map(|narrowing| narrowing.key).collect()
    }

    #[test]
    fn what_leaves_out_something_is_named_and_what_selects_more_is_not() {
        let shipped = Selector::of_webhooks("tagseal-system");
        let everything = Selector::default();
        assert_eq!(keys(&shipped, &shipped), [""; 0]);
        assert_eq!(keys(&everything, &shipped), [""; 0]);
        assert_eq!(keys(&shipped, &everything), ["kubernetes.io/metadata.name", "tagseal.dev/admission"]);
        for (json, narrowed) in [
            (
                r#"{"matchExpressions":[{"key":"tagseal.dev/admission","operator":"NotIn","values":["ignore","off"]}]}"#,
                true,
            ),
            (r#"{"matchExpressions":[{"key":"tagseal.dev/admission","operator":"DoesNotExist"}]}"#, true),
            (r#"{"matchLabels":{"tagseal.dev/admission":"enforce"}}"#, true),
            (
                r#"{"matchExpressions":[{"key":"kubernetes.io/metadata.name","operator":"NotIn","values":["kube-system"]}]}"#,
                false,
            ),
            (r#"{"matchExpressions":[{"key":"control-plane","operator":"DoesNotExist"}]}"#, true),
        ] {
            assert_eq!(!selector(json).narrows(&shipped).is_empty(), narrowed, "{json}");
        }
        let opt_in = selector(r#"{"matchLabels":{"tagseal.dev/admission":"enforce"}}"#);
        let without_opted_out = selector(
            r#"{"matchExpressions":[{"key":"tagseal.dev/admission","operator":"NotIn","values":["ignore"]}]}"#,
        );
        assert_eq!(keys(&without_opted_out, &opt_in), [""; 0], "what is in is not out");
    }

    #[test]
    fn foreign_text_is_quoted() {
        let narrowing = selector(r#"{"matchLabels":{"a\u001b[2J":"b\u202e"}}"#).narrows(&Selector::default());
        assert_eq!(narrowing[0].requirement, r#""a\u{1b}[2J" in {"b\u{202e}"}"#);
    }

    fn requirement() -> impl Strategy<Value = Requirement> {
        let (key, values) = (prop_oneof!["a", "b"], prop::collection::btree_set("[xyz]", 1..3));
        (key, values, 0..4).prop_map(|(key, values, kind)| match kind {
            0 => Requirement::In(key, values),
            1 => Requirement::NotIn(key, values),
            2 => Requirement::Exists(key),
            _ => Requirement::DoesNotExist(key),
        })
    }

    fn selectors() -> impl Strategy<Value = Selector> {
        prop::collection::vec(requirement(), 0..4).prop_map(Selector)
    }

    proptest! {
        #![proptest_config(crate::random::cases(256))]

        /// Every namespace that there can be is among these.
        #[test]
        fn nothing_that_is_wanted_is_left_out_unless_it_is_said(one in selectors(), wanted in selectors()) {
            let values = [None, Some("x"), Some("y"), Some("z"), Some("w")];
            let pairs = values.iter().flat_map(|a| values.iter().map(move |b| [("a", *a), ("b", *b)]));
            let labels = pairs.map(|pair| -> Labels {
                pair.iter().filter_map(|(key, value)| Some(((*key).to_owned(), (*value)?.to_owned()))).collect()
            });
            let left_out = labels.filter(|labels| wanted.matches(labels) && !one.matches(labels)).count();
            // What selects nothing is left out by nothing, though a requirement of its own may say otherwise.
            let said = !one.narrows(&wanted).is_empty();
            prop_assert!(left_out == 0 || said, "{one:?} {wanted:?}");
            let selects_something = values.iter().any(|a| values.iter().any(|b| {
                let of = |key: &str, value: &Option<&str>| value.map(|value| (key.to_owned(), value.to_owned()));
                wanted.matches(&of("a", a).into_iter().chain(of("b", b)).collect())
            }));
            prop_assert!(left_out > 0 || !said || !selects_something, "{one:?} {wanted:?}");
        }
    }
}
