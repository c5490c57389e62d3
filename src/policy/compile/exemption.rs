//! [`compile_exemption`]: from a raw `TrustExemption` to a [`CompiledExemption`].

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::super::exemption::{Exemption, ImageSite};
use super::super::{NamespaceView, PolicyId};
use super::{Errors, PolicyError, Scope, schema, scope};
use crate::api::{self, TrustExemptionSpec};
use crate::image::ImageReference;

/// The kind of exemptions.
pub const EXEMPTION: &str = "TrustExemption";

/// Whether this is the kind of exemptions.
pub fn is_exemption(group: &str, kind: &str) -> bool {
    group == api::GROUP && kind == EXEMPTION
}

/// An exemption, ready to be matched. One that is broken is one too: it exempts nothing.
#[derive(Debug)]
pub struct CompiledExemption {
    name: String,
    errors: Vec<PolicyError>,
    terms: Option<Terms>,
}

/// What an exemption that works says.
#[derive(Debug)]
struct Terms {
    scope: Scope,
    exemption: Arc<Exemption>,
}

/// Compiles one raw object. It never fails: an exemption that cannot be compiled exempts nothing.
///
/// A field that the schema does not know breaks it, in a cluster as in files: it may be a newer tagseal's, and narrow what
/// is exempt. So no field of an exemption may ever have a default that the API server fills in.
pub fn compile_exemption(object: &Value) -> CompiledExemption {
    let mut errors = Errors::default();
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if name.is_empty() {
        errors.push("metadata.name", "is missing, and must be there");
    }
    if object.pointer("/metadata/namespace").is_some_and(|namespace| !namespace.is_null()) {
        errors.push("metadata.namespace", "must be left out: a TrustExemption has no namespace");
    }
    if let Some(version) = object.get("apiVersion").filter(|version| *version != api::API_VERSION) {
        errors.push("apiVersion", format_args!("is {version}; this tagseal knows {}", api::API_VERSION));
    }
    let spec = schema::without_nulls(object.get("spec").unwrap_or(&Value::Null));
    let violations = schema::check_exemption(&spec);
    errors.0.extend(violations.errors);
    errors.0.extend(violations.unknown);
    let scope = scope::of_exemption(&spec, &mut errors);
    let until = until(&spec, &mut errors);
    let decoded = match errors.0.is_empty() {
        true => errors.keep("spec", serde_json::from_value::<TrustExemptionSpec>(spec)),
        false => None,
    };
    let exemption = decoded.map(|spec| exemption(&name, spec, until, &mut errors));
    let terms = exemption.filter(|_| errors.0.is_empty());
    let terms = terms.map(|exemption| Terms { scope, exemption: Arc::new(exemption) });
    CompiledExemption { name, errors: errors.0, terms }
}

/// The end, where there is one that can be read. What the schema says of it is said elsewhere.
fn until(spec: &Value, errors: &mut Errors) -> Option<Timestamp> {
    let text = spec.get("until")?.as_str().filter(|text| !text.is_empty())?;
    let wanted = || format!("{text:?} is no time: write it as RFC 3339 has it, 2026-12-04T17:00:00Z");
    errors.keep("spec.until", text.parse::<Timestamp>().map_err(|_| wanted()))
}

fn exemption(
    name: &str,
    spec: TrustExemptionSpec,
    until: Option<Timestamp>,
    errors: &mut Errors,
) -> Exemption {
    if spec.reason.trim().is_empty() {
        errors.push("spec.reason", "is blank: say why the images are exempt");
    }
    let sites = spec.sites.map(|sites| sites.into_iter().map(site).collect());
    let policies = spec.policies.map(|names| {
        let names = names.iter().enumerate();
        let id =
            |(index, name): (usize, &String)| errors.keep(format!("spec.policies[{index}]"), policy(name));
        names.filter_map(id).collect::<BTreeSet<_>>()
    });
    Exemption { name: name.to_owned(), reason: spec.reason, until, sites, policies }
}

fn site(site: api::ImageSite) -> ImageSite {
    match site {
        api::ImageSite::InitContainers => ImageSite::InitContainers,
        api::ImageSite::Containers => ImageSite::Containers,
        api::ImageSite::EphemeralContainers => ImageSite::EphemeralContainers,
        api::ImageSite::Volumes => ImageSite::Volumes,
    }
}

/// `production` is a cluster policy, `shop/web` one of the namespace `shop`.
fn policy(text: &str) -> Result<PolicyId, String> {
    let (namespace, name) = match text.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, text),
    };
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
    };
    if is_name(name) && namespace.is_none_or(is_name) {
        return Ok(PolicyId { namespace: namespace.map(str::to_owned), name: name.to_owned() });
    }
    let wanted = "name a ClusterTrustPolicy by its name, and a TrustPolicy as NAMESPACE/NAME";
    Err(format!("{text:?} is no policy's name: {wanted}"))
}

impl CompiledExemption {
    /// The name of the `TrustExemption`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says; `None` for one that is broken.
    pub fn exemption(&self) -> Option<&Arc<Exemption>> {
        self.terms.as_ref().map(|terms| &terms.exemption)
    }

    /// What is wrong with it; empty for one that works.
    pub fn errors(&self) -> &[PolicyError] {
        &self.errors
    }

    /// The images and namespaces that it is about; `None` for one that is broken.
    pub(in crate::policy) fn scope(&self) -> Option<&Scope> {
        self.terms.as_ref().map(|terms| &terms.scope)
    }
}

impl Scope {
    /// Whether an exemption with this scope is surely about `image` in `namespace`. Every doubt is against it: labels that
    /// nobody knows are not those that it asks for, and a tag beside a digest, which runtimes ignore, is none. So a tagged
    /// `include` exempts no reference by digest, and a tagged `exclude` takes every one out.
    pub(in crate::policy) fn surely_covers(&self, namespace: &NamespaceView, image: &ImageReference) -> bool {
        self.surely_covers_namespace(namespace)
            && self.include.iter().any(|pattern| pattern.excludes(image))
            && !self.exclude.iter().any(|pattern| pattern.includes(image))
    }
}
