//! What is wrong with a policy among the others, though it is right by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use url::Url;

use super::super::compile::without_trailing_slash;
use super::super::{CompiledPolicy, PolicyError};

/// The conflicts of each policy; `policies` are in order.
pub fn find(policies: &[Arc<CompiledPolicy>], trust_servers: &BTreeSet<Url>) -> Vec<Vec<PolicyError>> {
    let (by_denying, by_any) = named(policies, trust_servers);
    let neighbours = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| policies.get(before));
        before.into_iter().chain(policies.get(at + 1))
    };
    let conflicts = |(at, policy): (usize, &Arc<CompiledPolicy>)| {
        let twin = neighbours(at).any(|other| other.id() == policy.id());
        let stranger = policy.id().namespace.is_some();
        let allowed = if policy.actions().deny { &by_denying } else { &by_any };
        let server = policy.server().filter(|server| stranger && !allowed.contains(&server.url));
        let twin = twin.then(|| PolicyError {
            field: "metadata.name".to_owned(),
            message: "another policy has the same name: remove or rename one of the two".to_owned(),
        });
        let server = server.map(|server| PolicyError {
            field: "spec.notary.server".to_owned(),
            message: unknown_server(&server.url, by_any.contains(&server.url)),
        });
        twin.into_iter().chain(server).collect()
    };
    policies.iter().enumerate().map(conflicts).collect()
}

/// The trust servers that namespaced policies may name: those that deny, and those that do not.
///
/// A policy that denies may name what cluster policies that deny do. If a cluster policy that only warns or audits counted,
/// adding one would make policies usable that were broken, and admit what they denied (attacks P12). A broken cluster policy
/// names its server all the same: the tenants' policies are not broken with it (attacks P7).
fn named(policies: &[Arc<CompiledPolicy>], trust_servers: &BTreeSet<Url>) -> (BTreeSet<Url>, BTreeSet<Url>) {
    let listed: BTreeSet<Url> = trust_servers.iter().cloned().map(without_trailing_slash).collect();
    let (mut by_denying, mut by_any) = (listed.clone(), listed);
    for policy in policies.iter().filter(|policy| policy.id().namespace.is_none()) {
        let Some(server) = policy.server() else { continue };
        by_any.insert(server.url.clone());
        if policy.actions().deny {
            by_denying.insert(server.url.clone());
        }
    }
    (by_denying, by_any)
}

fn unknown_server(server: &Url, is_observed: bool) -> String {
    if is_observed {
        return format!(
            "{server} is named only by ClusterTrustPolicies that warn or audit, and not listed in --trust-servers: a \
             TrustPolicy that denies may name only what one that denies names"
        );
    }
    format!(
        "{server} is named by no ClusterTrustPolicy and not listed in --trust-servers: a TrustPolicy may name only those"
    )
}
