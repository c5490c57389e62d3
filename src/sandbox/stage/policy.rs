//! The sample policies.

use std::fmt::Write as _;
use std::sync::Arc;

use super::home::write;
use super::{Stage, StageError};
use crate::policy::{CompileContext, NoObjects, PolicySet, PolicySnapshot, SetOptions, UnknownFields, load};
use crate::tuf::KeyId;

/// The namespace of whoever plays.
pub(super) const NAMESPACE: &str = "tagseal-sandbox";

/// After how long the webhook asks the trust server for news, in seconds: short, so that whoever tries something sees it.
pub(super) const REVALIDATE_AFTER: i64 = 5;

impl Stage {
    /// Writes the sample policies, which pin this root key, and puts them in force.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn pin(&self, root: KeyId) -> Result<(), StageError> {
        let text = policies(&self.registry_host(), &self.notary_url(), self.ca_pem(), root);
        write(&self.path().join("policy.yaml"), text.as_bytes())?;
        self.enforce(&text)
    }

    /// Puts the policies in force that an earlier sandbox wrote here.
    ///
    /// # Errors
    /// When they cannot be read, or do not compile any more.
    pub fn enforce_earlier(&self) -> Result<(), StageError> {
        let path = self.path().join("policy.yaml");
        let text = std::fs::read_to_string(&path).map_err(|error| StageError::io(path, &error))?;
        self.enforce(&text)
    }

    fn enforce(&self, text: &str) -> Result<(), StageError> {
        let file = load("policy.yaml", text).map_err(|error| StageError::Policy(error.to_string()))?;
        let context = CompileContext {
            system_namespace: NAMESPACE,
            objects: &NoObjects,
            unknown_fields: UnknownFields::Refuse,
        };
        let mut compiled = Vec::new();
        for document in &file.policies {
            let (policy, errors) = document.compile(&context);
            if let Some(error) = errors.first() {
                return Err(StageError::Policy(error.to_string()));
            }
            compiled.push(Arc::new(policy));
        }
        let set = PolicySet::new(compiled, SetOptions::default());
        self.webhook.policies.send_replace(PolicySnapshot::Synced(Arc::new(set)));
        Ok(())
    }
}

/// Two policies: what the shop sells is signed by two people, a tool by one.
fn policies(registry: &str, notary: &str, ca_pem: &str, root: KeyId) -> String {
    let mut text = String::new();
    for (name, folder, roles) in
        [("shop", "shop", &["targets/alice", "targets/qa"][..]), ("tools", "tools", &["targets/alice"][..])]
    {
        let separator = if text.is_empty() { "" } else { "---\n" };
        let ca: String = ca_pem.lines().map(|line| format!("        {line}\n")).collect();
        let roles: String = roles.iter().map(|role| format!("  - role: {role}\n")).collect();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{separator}\
             apiVersion: tagseal.dev/v1alpha1\n\
             kind: ClusterTrustPolicy\n\
             metadata: {{name: {name}}}\n\
             spec:\n\
             \x20 images: {{include: [\"{registry}/{folder}/**\"]}}\n\
             \x20 notary:\n\
             \x20   server: {notary}\n\
             \x20   caBundle:\n\
             \x20     inline: |\n\
             {ca}\
             \x20 roots:\n\
             \x20 - keyID: {root}\n\
             \x20 requiredDelegations:\n\
             {roles}\
             \x20 freshness: {{revalidateAfter: {REVALIDATE_AFTER}s, maxStaleness: 24h}}\n"
        );
    }
    text
}
