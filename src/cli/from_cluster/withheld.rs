//! Config maps that the caller may not read: what rests on the policies that name them is not known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::advice;
use crate::admission::judge::Resolve;
use crate::controller::{Named, ReadError};
use crate::policy::{
    CompiledPolicy, LookupError, ObjectKind, ObjectRef, PolicyId, Reason, ReferencedObjects,
};
use crate::trust::{BoxFuture, Question, Refusal, Resolved, Unavailable};

/// What policies name. A config map that may not be read counts as there and right, so that what is wrong with a policy is its own.
pub(super) struct Promised<'a>(pub &'a Named);

impl ReferencedObjects for Promised<'_> {
    fn config_map_key(&self, namespace: &str, name: &str, key: &str) -> Result<Arc<str>, LookupError> {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let object = ObjectRef { kind: ObjectKind::ConfigMap, namespace, name };
        if self.0.withheld.contains_key(&object) {
            return Ok("-----BEGIN CERTIFICATE-----".into());
        }
        self.0.objects.config_map_key(&object.namespace, &object.name, key)
    }

    fn secret(&self, namespace: &str, name: &str) -> Result<(), LookupError> {
        self.0.objects.secret(namespace, name)
    }
}

/// The policies whose demands are not known, and what each lacks.
#[derive(Debug, Clone, Default)]
pub struct Unknown(BTreeMap<PolicyId, ObjectRef>);

impl Unknown {
    /// Of these policies those that name a config map which is withheld. What stands in files, `is_in_files` says.
    pub(super) fn of(
        policies: &[Arc<CompiledPolicy>],
        named: &Named,
        is_in_files: impl Fn(&PolicyId, &ObjectRef) -> bool,
    ) -> Self {
        let lacks = |policy: &Arc<CompiledPolicy>| {
            let is_lacking = |object: &&ObjectRef| {
                named.withheld.contains_key(object) && !is_in_files(policy.id(), object)
            };
            let object = policy.references().iter().find(is_lacking)?;
            Some(((**policy.id()).clone(), object.clone()))
        };
        Self(policies.iter().filter_map(lacks).collect())
    }

    /// What the caller should know, with the commands that give the rights that are missing; `None` where nothing is unknown.
    pub(super) fn note(&self, named: &Named) -> Option<String> {
        let lines = self.0.iter().map(|(policy, object)| {
            format!("you may not read {object}, which {policy} names: images that it is about are undecided")
        });
        let mut lines: Vec<_> = lines.collect();
        let lacking: BTreeSet<&ObjectRef> = self.0.values().collect();
        let errors: Vec<ReadError> =
            lacking.into_iter().filter_map(|object| named.withheld.get(object).cloned()).collect();
        lines.extend(advice::lines(&errors));
        (!errors.is_empty()).then(|| lines.join("\n"))
    }

    /// The same resolver, but that it has no answer to these policies.
    pub fn before<'a>(&'a self, resolver: &'a dyn Resolve) -> impl Resolve + 'a {
        Withholding { unknown: self, resolver }
    }
}

struct Withholding<'a> {
    unknown: &'a Unknown,
    resolver: &'a dyn Resolve,
}

impl Resolve for Withholding<'_> {
    fn resolve<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Resolved, Refusal>> {
        let Some(object) = self.unknown.0.get(&*question.demand.policy) else {
            return self.resolver.resolve(question);
        };
        let message =
            format!("you may not read {object}, which the policy names, so what it asks is not known");
        Box::pin(async { Err(Refusal::Unavailable(Unavailable { reason: Reason::NotSynced, message })) })
    }
}
