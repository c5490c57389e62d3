//! Which images in which namespaces a policy is about, and what it does to them, read field by field from the raw spec.
//!
//! Read so for every policy, good or broken: what is unreadable counts as widest (design §11), so that a broken policy
//! denies what it could have matched. That a field has the wrong type is reported by the schema; here it is only widened.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;

use super::super::selector::Selector;
use super::super::{Actions, PolicyId};
use super::Errors;
use crate::image::ImagePattern;

/// Which images in which namespaces.
#[derive(Debug, PartialEq)]
pub struct Scope {
    /// The namespaces.
    pub namespaces: Namespaces,
    /// Any of these; never empty.
    pub include: Vec<ImagePattern>,
    /// None of these.
    pub exclude: Vec<ImagePattern>,
}

/// Which namespaces.
#[derive(Debug, PartialEq)]
pub enum Namespaces {
    /// Every one that tagseal covers.
    All,
    /// Those with these labels.
    Labelled(Selector),
    /// This one.
    One(Arc<str>),
}

/// Reads scope and actions of the policy `id` from its spec.
pub fn read(id: &PolicyId, spec: &Value, errors: &mut Errors) -> (Scope, Actions) {
    let namespaces = match &id.namespace {
        None => selector(spec.get("namespaceSelector"), errors),
        Some(namespace) if namespace.is_empty() => Namespaces::All,
        Some(namespace) => Namespaces::One(namespace.as_str().into()),
    };
    let include = include(spec.pointer("/images/include"), errors);
    let exclude = exclude(spec.pointer("/images/exclude"), errors);
    (Scope { namespaces, include, exclude }, actions(spec.get("validationActions"), errors))
}

/// The widest scope that a tenant's policy can have, and what it does.
pub fn widest(id: &PolicyId, spec: &Value) -> (Scope, Actions) {
    // Errors of the actions are dropped: the set reports the bound that the policy exceeds.
    let actions = actions(spec.get("validationActions"), &mut Errors::default());
    (Scope::everything_in(id.namespace.as_deref().unwrap_or_default()), actions)
}

impl Scope {
    /// Every image of a namespace; of every one where none is named.
    pub fn everything_in(namespace: &str) -> Self {
        let namespaces = match namespace {
            "" => Namespaces::All,
            namespace => Namespaces::One(namespace.into()),
        };
        Self { namespaces, include: vec![ImagePattern::everything()], exclude: Vec::new() }
    }
}

/// Reads the scope of an exemption. One with an error exempts nothing, so that nothing is widened here in the end.
pub fn of_exemption(spec: &Value, errors: &mut Errors) -> Scope {
    Scope {
        namespaces: selector(spec.get("namespaceSelector"), errors),
        include: include(spec.pointer("/images/include"), errors),
        exclude: exclude(spec.pointer("/images/exclude"), errors),
    }
}

fn selector(selector: Option<&Value>, errors: &mut Errors) -> Namespaces {
    let Some(selector) = selector else { return Namespaces::All };
    let Ok(selector) = serde_json::from_value::<LabelSelector>(selector.clone()) else {
        return Namespaces::All;
    };
    match Selector::compile(selector, "spec.namespaceSelector") {
        Ok(selector) => Namespaces::Labelled(selector),
        Err(wrong) => {
            errors.0.extend(wrong);
            Namespaces::All
        }
    }
}

fn include(include: Option<&Value>, errors: &mut Errors) -> Vec<ImagePattern> {
    let entries = include.and_then(Value::as_array).filter(|entries| !entries.is_empty());
    let Some(entries) = entries else { return vec![ImagePattern::everything()] };
    let pattern = |(index, entry): (usize, &Value)| {
        let pattern = entry
            .as_str()
            .and_then(|text| errors.keep(format!("spec.images.include[{index}]"), ImagePattern::parse(text)));
        pattern.unwrap_or_else(ImagePattern::everything)
    };
    entries.iter().enumerate().map(pattern).collect()
}

fn exclude(exclude: Option<&Value>, errors: &mut Errors) -> Vec<ImagePattern> {
    let entries = exclude.and_then(Value::as_array).into_iter().flatten().enumerate();
    let pattern = |(index, entry): (usize, &Value)| {
        let field = format!("spec.images.exclude[{index}]");
        entry.as_str().and_then(|text| errors.keep(field, ImagePattern::parse(text)))
    };
    entries.filter_map(pattern).collect()
}

fn actions(actions: Option<&Value>, errors: &mut Errors) -> Actions {
    let Some(actions) = actions else { return Actions::DENY };
    let entries = actions.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut read = Actions { deny: entries.is_empty(), warn: false, audit: false };
    for entry in entries {
        match entry.as_str() {
            Some("Warn") => read.warn = true,
            Some("Audit") => read.audit = true,
            _ => read.deny = true,
        }
    }
    if read.deny && read.warn {
        let message = "Deny and Warn cannot be combined: a denial tells the caller already, leave Warn out";
        errors.push("spec.validationActions", message);
    }
    read
}
