//! What is wrong with a policy among the others, though it is right by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use url::Url;

use super::super::compile::without_trailing_slash;
use super::super::{CompiledPolicy, PolicyError};

/// The conflicts of each policy; `policies` are in order.
pub fn find(policies: &[Arc<CompiledPolicy>], trust_servers: &BTreeSet<Url>) -> Vec<Vec<PolicyError>> {
    // A broken cluster policy names its server all the same: the tenants' policies are not broken with it (attacks P7).
    let cluster = policies.iter().filter(|policy| policy.id().namespace.is_none());
    let named = cluster.filter_map(|policy| Some(policy.server()?.url.clone()));
    let allowed: BTreeSet<Url> =
        named.chain(trust_servers.iter().cloned().map(without_trailing_slash)).collect();
    let neighbours = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| policies.get(before));
        before.into_iter().chain(policies.get(at + 1))
    };
    let conflicts = |(at, policy): (usize, &Arc<CompiledPolicy>)| {
        let twin = neighbours(at).any(|other| other.id() == policy.id());
        let stranger = policy.id().namespace.is_some();
        let server = policy.server().filter(|server| stranger && !allowed.contains(&server.url));
        let twin = twin.then(|| PolicyError {
            field: "metadata.name".to_owned(),
            message: "another policy has the same name: remove or rename one of the two".to_owned(),
        });
        let server = server.map(|server| PolicyError {
            field: "spec.notary.server".to_owned(),
            message: format!(
                "{} is named by no ClusterTrustPolicy and not listed in --trust-servers: a TrustPolicy may name only \
                 those",
                server.url
            ),
        });
        twin.into_iter().chain(server).collect()
    };
    policies.iter().enumerate().map(conflicts).collect()
}
