//! What the policies of tenants may take: by policy, by namespace and in all. Whoever takes more loses what is beyond, and
//! nobody else does.

use std::collections::BTreeMap;

use super::super::PolicyError;
use crate::limits;

/// What a policy takes.
#[derive(Debug, Clone, Copy)]
pub struct Taken<'a> {
    /// `None`: a cluster policy.
    pub namespace: Option<&'a str>,
    /// Bytes of memory, about.
    pub bytes: usize,
    /// Entries of `roots`.
    pub roots: usize,
}

/// Of each policy, which bound it is beyond. Of a namespace's policies the smallest are within, then the first; and of all
/// namespaces those that take least. A namespace may have `most` policies.
pub fn beyond(policies: &[Taken<'_>], most: usize) -> Vec<Option<PolicyError>> {
    let mut errors: Vec<_> = policies.iter().map(alone).collect();
    let mut namespaces: BTreeMap<&str, Vec<(usize, &Taken<'_>)>> = BTreeMap::new();
    for (at, policy) in policies.iter().enumerate().filter(|(at, _)| errors[*at].is_none()) {
        if let Some(namespace) = policy.namespace {
            namespaces.entry(namespace).or_default().push((at, policy));
        }
    }
    let mut left: Vec<(usize, Vec<(usize, &Taken<'_>)>)> = Vec::new();
    for (namespace, mut policies) in namespaces {
        policies.sort_by_key(|(_, policy)| policy.bytes);
        let (mut bytes, mut roots) = (0, 0);
        let mut within = Vec::new();
        for (at, policy) in policies {
            let error = match () {
                () if within.len() >= most => Some(too_many(namespace, most)),
                () if roots + policy.roots > limits::NAMESPACE_ROOTS => Some(too_many_roots(namespace)),
                () if bytes + policy.bytes > limits::NAMESPACE_POLICY_BYTES => Some(too_large(namespace)),
                () => None,
            };
            if error.is_none() {
                bytes += policy.bytes;
                roots += policy.roots;
                within.push((at, policy));
            }
            errors[at] = error;
        }
        left.push((bytes, within));
    }
    left.sort_by_key(|(bytes, _)| *bytes);
    let mut bytes = 0;
    for (at, policy) in left.into_iter().flat_map(|(_, policies)| policies) {
        if bytes + policy.bytes > limits::TENANT_POLICY_BYTES {
            errors[at] = Some(too_large_together());
        } else {
            bytes += policy.bytes;
        }
    }
    errors
}

/// Whether a policy is beyond the bound for one.
pub fn is_beyond_alone(bytes: usize) -> bool {
    bytes > limits::POLICY_BYTES
}

fn alone(policy: &Taken<'_>) -> Option<PolicyError> {
    is_beyond_alone(policy.bytes).then(|| {
        let (takes, most) = (mebibytes(policy.bytes), mebibytes(limits::POLICY_BYTES));
        error(
            "spec",
            format!("takes about {takes} MiB of memory, and a policy may take {most}: use fewer or shorter patterns"),
        )
    })
}

fn too_many(namespace: &str, most: usize) -> PolicyError {
    let message = format!(
        "{namespace:?} has more than {most} TrustPolicies, and this one is beyond: delete some, or put several into one"
    );
    error("metadata.namespace", message)
}

fn too_many_roots(namespace: &str) -> PolicyError {
    let most = limits::NAMESPACE_ROOTS;
    let message = format!(
        "the TrustPolicies of {namespace:?} name more than {most} roots, and those of this one are beyond: leave out what is not needed"
    );
    error("spec.roots", message)
}

fn too_large(namespace: &str) -> PolicyError {
    let most = mebibytes(limits::NAMESPACE_POLICY_BYTES);
    let message = format!(
        "the TrustPolicies of {namespace:?} take more than {most} MiB of memory, and this one is beyond: use fewer or shorter patterns"
    );
    error("metadata.namespace", message)
}

fn too_large_together() -> PolicyError {
    let most = mebibytes(limits::TENANT_POLICY_BYTES);
    let message = format!(
        "the TrustPolicies of all namespaces take more than {most} MiB of memory, and this namespace is among those that \
         take most: use fewer or shorter patterns"
    );
    error("metadata.namespace", message)
}

fn error(field: &str, message: String) -> PolicyError {
    PolicyError { field: field.to_owned(), message }
}

fn mebibytes(bytes: usize) -> usize {
    bytes >> 20
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn taken(namespace: &str, bytes: usize, roots: usize) -> Taken<'_> {
        Taken { namespace: Some(namespace), bytes, roots }
    }

    /// The fields of the errors.
    fn fields(policies: &[Taken<'_>]) -> Vec<Option<String>> {
        beyond(policies, limits::NAMESPACE_POLICIES)
            .into_iter()
            .map(|error| error.map(|error| error.field))
            .collect()
    }

    #[test]
    fn a_policy_that_is_too_large_is_beyond_whoever_wrote_it_and_counts_for_nobody() {
        let large = limits::POLICY_BYTES + 1;
        let of_cluster = Taken { namespace: None, bytes: large, roots: 1 };
        let policies = [of_cluster, taken("a", large, 1), taken("a", limits::POLICY_BYTES, 1)];
        assert_eq!(fields(&policies), [Some("spec".to_owned()), Some("spec".to_owned()), None]);
    }

    #[test]
    fn of_a_namespace_the_smallest_policies_are_within() {
        let mut policies = vec![taken("a", 2, 1); 5];
        policies.push(taken("a", 1, 1));
        policies.push(taken("b", 3, 1));
        let errors = beyond(&policies, 5);
        let beyond: Vec<_> = (0..errors.len()).filter(|at| errors[*at].is_some()).collect();
        assert_eq!(beyond, [4]);
        assert_eq!(
            errors[beyond[0]].as_ref().unwrap().to_string(),
            "metadata.namespace: \"a\" has more than 5 TrustPolicies, and this one is beyond: delete some, or put several into one"
        );
    }

    #[test]
    fn roots_and_bytes_of_a_namespace_are_bounded_together() {
        let roots = [taken("a", 1, limits::NAMESPACE_ROOTS), taken("a", 2, 1), taken("b", 2, 1)];
        assert_eq!(fields(&roots), [None, Some("spec.roots".to_owned()), None]);
        let most = limits::NAMESPACE_POLICY_BYTES / 8;
        let mut bytes = vec![taken("a", most, 0); 8];
        assert_eq!(fields(&bytes), [const { None }; 8]);
        bytes.push(taken("a", most + 1, 0));
        let found = fields(&bytes);
        assert_eq!(found.iter().filter(|error| error.is_some()).count(), 1);
        assert_eq!(found[8].as_deref(), Some("metadata.namespace"));
    }

    #[test]
    fn p14_of_all_namespaces_those_that_take_least_are_within() {
        let names: Vec<String> = (0..20).map(|n| format!("greedy-{n}")).collect();
        let mut policies: Vec<_> = names.iter().flat_map(|name| vec![taken(name, 4 * MIB, 1); 2]).collect();
        policies.push(taken("honest", MIB, 1));
        policies.push(Taken { namespace: None, bytes: 4 * MIB, roots: 1 });
        let errors = beyond(&policies, limits::NAMESPACE_POLICIES);
        let within = errors.iter().filter(|error| error.is_none()).count();
        // The honest one, the cluster's, and as many of the others as fit.
        assert_eq!(within, 2 + (limits::TENANT_POLICY_BYTES - MIB) / (4 * MIB));
        assert_eq!(&errors[40..], [None, None]);
    }
}
