//! Trust policies, built up in a scenario's terms.

use serde_json::{Value, json};

use super::publisher::{Publisher, Signer};
use super::webhooks::SLIPS_THROUGH;

/// A `ClusterTrustPolicy` or `TrustPolicy`.
#[derive(Debug, Clone)]
pub struct Policy(Value);

impl Policy {
    /// A cluster policy for the images that `include` matches.
    pub fn cluster(name: &str, include: &str, server: &str) -> Self {
        Self::of("ClusterTrustPolicy", name, include, server)
    }

    /// A policy of a namespace.
    pub fn namespaced(name: &str, namespace: &str, include: &str, server: &str) -> Self {
        let mut policy = Self::of("TrustPolicy", name, include, server);
        policy.0["metadata"]["namespace"] = json!(namespace);
        policy
    }

    fn of(kind: &str, name: &str, include: &str, server: &str) -> Self {
        Self(json!({
            "apiVersion": "tagseal.dev/v1alpha1", "kind": kind, "metadata": {"name": name},
            "spec": {"images": {"include": [include]}, "notary": {"server": server}, "roots": []},
        }))
    }

    /// Trusts the root key of `publisher`.
    pub fn trusts(self, publisher: &Publisher) -> Self {
        self.trusts_key(&publisher.root_key_id())
    }

    /// Trusts a root key by its canonical ID.
    pub fn trusts_key(mut self, id: &str) -> Self {
        self.0["spec"]["roots"].as_array_mut().expect("a list").push(json!({"keyID": id}));
        self
    }

    /// Requires these delegations.
    pub fn requires(mut self, roles: &[&str]) -> Self {
        let roles: Vec<_> = roles.iter().map(|role| json!({"role": role})).collect();
        self.0["spec"]["requiredDelegations"] = json!(roles);
        self
    }

    /// Requires that `signer` signed `role`.
    pub fn requires_signer(mut self, role: &str, signer: &Signer) -> Self {
        let required = json!({"role": role, "publicKeys": [signer.public_key()]});
        match self.0["spec"]["requiredDelegations"].as_array_mut() {
            Some(roles) => roles.push(required),
            None => self.0["spec"]["requiredDelegations"] = json!([required]),
        }
        self
    }

    /// Is applied as if tagseal did not answer: what is wrong with it then shows in its effect.
    pub fn slips_through(mut self) -> Self {
        self.0["metadata"]["labels"] = json!({SLIPS_THROUGH: "true"});
        self
    }

    /// Sets a field of the spec; the names on the way to it are separated by `/`.
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        let spec = &mut self.0["spec"];
        *field.split('/').fold(spec, |at, name| &mut at[name]) = value.into();
        self
    }

    /// The policy's name.
    pub fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().expect("a name")
    }

    /// The object to apply.
    pub fn manifest(&self) -> &Value {
        &self.0
    }

    /// An image that it matches and that nobody ever signed.
    pub fn unsigned_image(&self) -> String {
        let include = self.0["spec"]["images"]["include"][0].as_str().expect("a pattern");
        let image = include.replace("**", "never-published").replace('*', "x");
        if image.rsplit('/').next().is_some_and(|name| name.contains(':')) {
            image
        } else {
            format!("{image}:probe")
        }
    }

    /// Whether a client is told of what it finds, by refusal or warning.
    pub fn is_seen_by_clients(&self) -> bool {
        self.0["spec"]["validationActions"] != json!(["Audit"])
    }
}
