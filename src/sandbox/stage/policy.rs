//! The sample policies.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;
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

/// Puts a new authority in the place of the former one in the policies that an earlier sandbox wrote, if there are any. What
/// else was written into them stays.
pub(super) fn change_authority(home: &Path, former: &str, new: &str) -> Result<(), StageError> {
    let path = home.join("policy.yaml");
    match std::fs::read_to_string(&path) {
        Ok(text) => write(&path, text.replace(&inline(former), &inline(new)).as_bytes()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StageError::io(path, &error)),
    }
}

/// PEM as a policy has it inline.
fn inline(pem: &str) -> String {
    pem.lines().map(|line| format!("        {line}\n")).collect()
}

/// Two policies: what the shop sells is signed by two people, a tool by one.
fn policies(registry: &str, notary: &str, ca_pem: &str, root: KeyId) -> String {
    let mut text = String::new();
    for (name, folder, roles) in
        [("shop", "shop", &["targets/alice", "targets/qa"][..]), ("tools", "tools", &["targets/alice"][..])]
    {
        let separator = if text.is_empty() { "" } else { "---\n" };
        let ca = inline(ca_pem);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_authority_takes_the_place_of_the_former_one_and_nothing_else_changes() {
        let home = tempfile::tempdir().unwrap();
        let root = KeyId::from_hex(&"5f".repeat(32)).unwrap();
        let written = |ca: &str| policies("localhost:5000", "https://localhost:4443", ca, root) + "# mine\n";
        let (former, new) =
            ("-----BEGIN-----\nformer\n-----END-----\n", "-----BEGIN-----\nnew\n-----END-----\n");
        change_authority(home.path(), former, new).unwrap();
        assert!(!home.path().join("policy.yaml").exists());
        std::fs::write(home.path().join("policy.yaml"), written(former)).unwrap();
        change_authority(home.path(), former, new).unwrap();
        assert_eq!(std::fs::read_to_string(home.path().join("policy.yaml")).unwrap(), written(new));
    }
}
