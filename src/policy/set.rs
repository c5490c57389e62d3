//! [`PolicySet`]: all policies at one moment, and what they ask of one image.

mod bounds;
mod change;
mod children;
mod conflicts;
mod exemptions;
mod index;
mod memo;
mod namespaces;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use url::Url;

pub use self::bounds::{Taken, is_beyond_alone};
use self::exemptions::ExemptionIndex;
use self::index::PolicyNumber;
pub use self::memo::Matched;
use self::memo::{Found, Memo};
use self::namespaces::ByNamespace;
use super::compile::taken_by;
use super::{
    Actions, CompiledPolicy, Demand, Exemption, Freshness, Mutation, NamespaceView, PolicyError, PolicyId,
    PolicyKind, Reason,
};
use crate::image::{ImageReference, ReferenceError};
use crate::limits::NAMESPACE_POLICIES;
use crate::tuf::{Gun, NameError};

/// What becomes of an image that no cluster policy with the action Deny matches, nor an exemption (`--unmatched-images`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum UnmatchedImages {
    /// It passes.
    #[default]
    Allow,
    /// It passes with a warning.
    Warn,
    /// It is refused: `NoPolicy`.
    Deny,
}

impl UnmatchedImages {
    /// Each by its word.
    pub const ALL: [(&'static str, Self); 3] =
        [("Allow", Self::Allow), ("Warn", Self::Warn), ("Deny", Self::Deny)];
}

/// What a set is built with, besides its policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetOptions {
    /// What becomes of an image that counts as unmatched.
    pub unmatched: UnmatchedImages,
    /// Trust servers that namespaced policies may name besides those of cluster policies (`--trust-servers`).
    pub trust_servers: BTreeSet<Url>,
    /// TrustPolicies of one namespace (`--policies-per-namespace`).
    pub policies_per_namespace: usize,
}

impl Default for SetOptions {
    fn default() -> Self {
        Self {
            unmatched: UnmatchedImages::default(),
            trust_servers: BTreeSet::new(),
            policies_per_namespace: NAMESPACE_POLICIES,
        }
    }
}

/// Why a policy that matches an image cannot judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// The policy.
    pub policy: Arc<PolicyId>,
    /// `InvalidPolicy`, or `RootNotPinned` where none of its roots vouches for the image.
    pub reason: Reason,
    /// What is wrong with it and what to write instead.
    pub message: String,
}

/// What a policy that does not deny says of an image.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Warn, Audit or both.
    pub actions: Actions,
    /// What it asks, or why it cannot.
    pub demand: Result<Demand, Objection>,
    /// Where it writes digests; `None`: it says nothing of that, and so only observes.
    pub mutation: Option<Mutation>,
}

/// What is asked of one image, and whether it counts as matched.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// What is asked.
    pub selection: Selection,
    /// Whether a cluster policy with the action Deny covers the image, or an exemption is in force for it. If not,
    /// [`PolicySet::unmatched`] applies, whatever other policies say: those can only add to it.
    pub is_matched: bool,
}

/// What all policies together ask of one image.
#[derive(Debug, Clone)]
pub enum Selection {
    /// No policy asks anything: none matches, or those that do are exempted from.
    Unmatched,
    /// A Deny policy matches that cannot judge: the image is refused, whatever the others say. Never empty; cluster policies
    /// first, then by name.
    Invalid(Vec<Objection>),
    /// At least one of the two is not empty. Both have cluster policies first, then by name.
    Require {
        /// All of these must pass, with the same digest. Their `mutation` and `freshness` are the strictest of them all.
        deny: Vec<Demand>,
        /// These are judged apart and never deny.
        observe: Vec<Observed>,
    },
}

/// All policies at one moment. Immutable: a request asks one set from beginning to end.
#[derive(Debug, Default)]
pub struct PolicySet {
    options: SetOptions,
    /// Cluster policies first, then by name: their numbers are their order.
    members: Vec<Member>,
    index: ByNamespace,
    exemptions: ExemptionIndex,
    memo: Memo,
}

#[derive(Debug)]
struct Member {
    policy: Arc<CompiledPolicy>,
    /// What is wrong with it among the others.
    conflicts: Vec<PolicyError>,
}

impl PolicySet {
    /// Builds the set. A namespaced policy whose trust server no cluster policy names, nor `options`, is broken in it; so are
    /// two policies of one name.
    pub fn new(policies: impl IntoIterator<Item = Arc<CompiledPolicy>>, options: SetOptions) -> Self {
        let mut policies: Vec<_> = policies.into_iter().collect();
        policies.sort_by(|a, b| a.id().cmp(b.id()));
        let conflicts = conflicts::find(&policies, &options.trust_servers);
        let taken: Vec<_> = policies.iter().map(|policy| policy.taken()).collect();
        let bounds = bounds::beyond(&taken, options.policies_per_namespace);
        let members: Vec<Member> = policies
            .into_iter()
            .zip(conflicts)
            .zip(bounds)
            .map(|((policy, conflicts), beyond)| Member::new(policy, conflicts, beyond))
            .collect();
        let mut index = ByNamespace::default();
        for (member, number) in members.iter().zip(0..) {
            index.insert(&member.policy.scope, number);
        }
        Self { options, members, index, exemptions: ExemptionIndex::default(), memo: Memo::default() }
    }

    /// Reads `image`, a string as a pod spec has it, and [`Self::select`]s; or recalls what that gave the last time.
    ///
    /// # Errors
    /// As [`ImageReference::parse`].
    pub fn matched(&self, namespace: &NamespaceView, image: &str) -> Result<Arc<Matched>, ReferenceError> {
        self.memo.recall(namespace, image, || {
            let image = ImageReference::parse(image)?;
            let chosen = self.choose(namespace, &image, &[]);
            let exemptions = self.exemptions.find(namespace, &image);
            Ok(Found { image, chosen, exemptions })
        })
    }

    /// What is asked of an image for which `exemptions` are in force.
    pub fn choose_exempting(&self, matched: &Matched, exemptions: &[Arc<Exemption>]) -> Chosen {
        self.choose(matched.namespace(), &matched.image, exemptions)
    }

    /// What the policies that match ask of `image` in `namespace`, where no exemption is in force.
    pub fn select(&self, namespace: &NamespaceView, image: &ImageReference) -> Selection {
        self.choose(namespace, image, &[]).selection
    }

    fn choose(
        &self,
        namespace: &NamespaceView,
        image: &ImageReference,
        exemptions: &[Arc<Exemption>],
    ) -> Chosen {
        let mut is_matched = !exemptions.is_empty();
        let unmatched = |is_matched| Chosen { selection: Selection::Unmatched, is_matched };
        if exemptions.iter().any(|exemption| exemption.policies.is_none()) {
            return unmatched(true);
        }
        let hits = self.index.find(namespace, image);
        if hits.is_empty() {
            return unmatched(is_matched);
        }
        let own_name = Gun::new(image.name());
        let mut deny = Vec::with_capacity(hits.len());
        let (mut observe, mut objections) = (Vec::new(), Vec::new());
        for hit in hits {
            let Some(member) = self.member(hit.policy) else { continue };
            let (scope, id) = (&member.policy.scope, member.policy.id());
            if !scope.covers(namespace) || scope.exclude.iter().any(|pattern| pattern.excludes(image)) {
                continue;
            }
            if exemptions.iter().any(|exemption| exemption.exempts_from(id)) {
                continue;
            }
            // A tag that an exclude takes out, beside a digest that no exclude can, is ignored like one that no include
            // covers (attacks P10).
            let tag_covered =
                hit.tag_covered && !scope.exclude.iter().any(|pattern| pattern.covers_tag(image));
            let demand = member.demand(image, &own_name, tag_covered);
            let actions = member.policy.actions();
            is_matched |= actions.deny && id.namespace.is_none();
            match demand {
                demand if !actions.deny => {
                    let mutation = member.policy.requirement.as_ref().and_then(|asked| asked.mutation);
                    observe.push(Observed { actions, demand, mutation });
                }
                Ok(demand) => deny.push(demand),
                Err(objection) => objections.push(objection),
            }
        }
        if !objections.is_empty() {
            return Chosen { selection: Selection::Invalid(objections), is_matched };
        }
        if deny.is_empty() && observe.is_empty() {
            return unmatched(is_matched);
        }
        make_strictest(&mut deny);
        Chosen { selection: Selection::Require { deny, observe }, is_matched }
    }

    /// Whether there is a policy of this name.
    pub fn has(&self, id: &PolicyId) -> bool {
        self.members.binary_search_by(|member| member.policy.id().as_ref().cmp(id)).is_ok()
    }

    /// What the policy `id`, as it stands in this set, asks of `image` wherever it covers it; `None` where it does not, or
    /// cannot judge. For status: an admission asks [`Self::select`].
    pub fn demand_of(&self, id: &PolicyId, image: &ImageReference) -> Option<Demand> {
        let place = self.members.binary_search_by(|member| member.policy.id().as_ref().cmp(id)).ok()?;
        let member = self.members.get(place)?;
        let scope = &member.policy.scope;
        let covers = scope.include.iter().any(|pattern| pattern.includes(image))
            && !scope.exclude.iter().any(|pattern| pattern.excludes(image));
        covers.then(|| member.demand(image, &Gun::new(image.name()), true).ok()).flatten()
    }

    /// Names of images that the policies which use the trust server at `server` may rewrite to `gun`. A guess: whoever makes it
    /// asks [`Self::demand_of`] where they really lead.
    pub fn origins_of<'a>(&'a self, server: &'a str, gun: &'a Gun) -> impl Iterator<Item = String> + 'a {
        let requirements = self.members.iter().filter_map(|member| member.policy.requirement.as_ref());
        let of_server = requirements.filter(move |requirement| requirement.server.url.as_str() == server);
        of_server.flat_map(|requirement| requirement.origins(gun))
    }

    fn member(&self, number: PolicyNumber) -> Option<&Member> {
        self.members.get(usize::try_from(number).ok()?)
    }

    /// Whether any Deny policy covers the namespace: then an image that cannot be read is InvalidReference, else it
    /// follows [`Self::unmatched`] (design §11).
    pub fn denies_in(&self, namespace: &NamespaceView) -> bool {
        let denies = |member: &Member| member.policy.actions().deny && member.policy.scope.covers(namespace);
        self.members.iter().any(denies)
    }

    /// What becomes of an image that counts as unmatched.
    pub fn unmatched(&self) -> UnmatchedImages {
        self.options.unmatched
    }

    /// Every policy with what is wrong with it in this set, for status. Cluster policies first, then by name.
    pub fn policies(&self) -> impl Iterator<Item = (&Arc<CompiledPolicy>, Vec<PolicyError>)> {
        self.members.iter().map(|member| (&member.policy, member.errors().cloned().collect()))
    }
}

/// Which of these policies, not yet compiled, are beyond a bound together: they are not worth more than
/// [`super::compile_beyond`].
pub fn beyond_bounds(objects: &[(PolicyKind, &Value)], options: &SetOptions) -> Vec<bool> {
    let name =
        |object: &'_ Value| object.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
    let taken: Vec<_> = objects.iter().map(|(kind, object)| taken_by(*kind, object)).collect();
    // In the order of a set.
    let mut order: Vec<_> = (0..objects.len()).collect();
    order.sort_by_cached_key(|at| (taken[*at].namespace.map(str::to_owned), name(objects[*at].1)));
    let ordered: Vec<_> = order.iter().map(|at| taken[*at]).collect();
    let found = bounds::beyond(&ordered, options.policies_per_namespace);
    let mut beyond = vec![false; objects.len()];
    for (at, error) in order.into_iter().zip(found) {
        beyond[at] = error.is_some();
    }
    beyond
}

impl Member {
    /// A policy among others. Of one that is beyond a bound nothing is kept but that it denies.
    fn new(
        policy: Arc<CompiledPolicy>,
        mut conflicts: Vec<PolicyError>,
        beyond: Option<PolicyError>,
    ) -> Self {
        let is_beyond = beyond.is_some();
        if let Some(beyond) = beyond {
            conflicts.insert(0, beyond);
        }
        let policy = match (is_beyond, policy.is_beyond()) {
            (true, false) => Arc::new(policy.beyond()),
            (false, true) => {
                let message = "the policy was beyond a bound of memory among others, and was not read since";
                conflicts.push(PolicyError { field: "spec".to_owned(), message: message.to_owned() });
                policy
            }
            _ => policy,
        };
        Self { policy, conflicts }
    }

    fn errors(&self) -> impl Iterator<Item = &PolicyError> {
        self.policy.errors().iter().chain(&self.conflicts)
    }

    fn demand(
        &self,
        image: &ImageReference,
        own_name: &Result<Gun, NameError>,
        tag_covered: bool,
    ) -> Result<Demand, Objection> {
        match &self.policy.requirement {
            Some(requirement) if self.conflicts.is_empty() => {
                requirement.demand(self.policy.id(), image, own_name, tag_covered)
            }
            _ => Err(self.broken()),
        }
    }

    fn broken(&self) -> Objection {
        let mut messages = self.errors().map(ToString::to_string);
        let mut message = messages.by_ref().take(MAX_ERRORS_SHOWN).collect::<Vec<_>>().join("; ");
        let more = messages.count();
        if more > 0 {
            message.push_str(&format!("; and {more} more"));
        }
        Objection { policy: Arc::clone(self.policy.id()), reason: Reason::InvalidPolicy, message }
    }
}

/// A denial's message names this many errors of a policy; its status names all.
const MAX_ERRORS_SHOWN: usize = 3;

/// Where the digest is written, of several Deny policies: the strictest of the cluster's; a namespaced one's `None` on top.
/// What a namespaced policy says else must not matter: its `Pods` would take back that templates need their digest under
/// the cluster's `Workloads`. For the same reason `Workloads` holds among namespaced policies alone.
fn strictest_mutation(demands: &[Demand]) -> Option<Mutation> {
    let of = |cluster: bool| {
        let of_kind = demands.iter().filter(move |demand| demand.policy.namespace.is_none() == cluster);
        of_kind.map(|demand| demand.mutation)
    };
    let none = of(false).find(|mutation| *mutation == Mutation::None);
    none.or_else(|| of(true).min()).or_else(|| of(false).max())
}

/// Where Deny policies differ in `mutation` or `freshness` the strictest holds (design §2).
fn make_strictest(demands: &mut [Demand]) {
    let Some(mutation) = strictest_mutation(demands) else { return };
    let revalidate_after = demands.iter().map(|demand| demand.freshness.revalidate_after).min();
    let max_staleness = demands.iter().map(|demand| demand.freshness.max_staleness).min();
    for demand in demands {
        demand.mutation = mutation;
        let own = demand.freshness;
        demand.freshness = Freshness {
            revalidate_after: revalidate_after.unwrap_or(own.revalidate_after),
            max_staleness: max_staleness.unwrap_or(own.max_staleness),
        };
    }
}

impl Selection {
    /// Where the digest is written: the strictest of the Deny policies; where none matches, of the others that say so.
    pub fn mutation(&self) -> Option<Mutation> {
        let Self::Require { deny, observe } = self else { return None };
        let observed = observe.iter().filter(|observed| observed.demand.is_ok());
        let denying = deny.iter().map(|demand| demand.mutation).min();
        denying.or_else(|| observed.filter_map(|observed| observed.mutation).min())
    }
}

/// What the webhook knows of policies: the value of the watch channel between controller and webhook (design §5).
#[derive(Debug, Clone, Default)]
pub enum PolicySnapshot {
    /// Policies are not loaded yet: everything is denied with `NotSynced`.
    #[default]
    NotSynced,
    /// The policies.
    Synced(Arc<PolicySet>),
}
