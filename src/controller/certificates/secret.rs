//! [`Store`]: the Secret, read and written with optimistic concurrency.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use super::call::{Failed, call};
use super::material::{AUTHORITIES, AUTHORITY_KEYS, LEAF, LEAF_KEY, Material};
use super::plan::Sight;

/// The field manager of what is written here.
pub(super) const MANAGER: &str = "tagseal-certificates";
/// Says that the Secret is tagseal's to write.
const OWNER_LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "tagseal");
/// Asks for a new authority, whatever its value. The leader takes it away when it heeds it.
pub(super) const ROTATE: &str = "tagseal.dev/rotate";

/// The Secret `namespace/name`.
#[derive(Clone)]
pub(super) struct Store {
    api: Api<Secret>,
    namespace: String,
    name: String,
}

impl Store {
    pub(super) fn new(client: Client, namespace: &str, name: &str) -> Self {
        let api = Api::namespaced(client, namespace);
        Self { api, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub(super) fn api(&self) -> Api<Secret> {
        self.api.clone()
    }

    /// `Secret tagseal-system/tagseal-tls`.
    pub(super) fn what(&self) -> String {
        format!("Secret {}/{}", self.namespace, self.name)
    }

    /// The Secret as it is now.
    pub(super) async fn read(&self) -> Result<Option<Secret>, Failed> {
        call(self.api.get_opt(&self.name), || self.right("get")).await
    }

    /// Puts `material` in the place of `seen`; [`Failed::Conflict`] when that is no longer what is there. `heeds`: a new
    /// authority that was asked for need not be asked for any more.
    pub(super) async fn write(
        &self,
        seen: Option<Secret>,
        material: &Material,
        heeds: bool,
    ) -> Result<Secret, Failed> {
        let data = material.write().map_err(|error| Failed::Other(error.to_string()))?;
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        match seen {
            Some(mut secret) => {
                let metadata = &mut secret.metadata;
                if let Some(annotations) = metadata.annotations.as_mut().filter(|_| heeds) {
                    annotations.remove(ROTATE);
                }
                // A secret without it is empty: whoever made it left the rest to tagseal.
                own(metadata);
                secret.data.get_or_insert_default().extend(data);
                call(self.api.replace(&self.name, &params, &secret), || self.right("update")).await
            }
            None => {
                let mut metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
                own(&mut metadata);
                let secret = Secret {
                    metadata,
                    type_: Some("kubernetes.io/tls".to_owned()),
                    data: Some(data),
                    ..Secret::default()
                };
                call(self.api.create(&params, &secret), || self.right("create")).await
            }
        }
    }

    fn right(&self, verb: &str) -> String {
        format!("{verb} secrets in the namespace {} ({})", self.namespace, self.name)
    }
}

fn own(metadata: &mut ObjectMeta) {
    let (name, value) = OWNER_LABEL;
    metadata.labels.get_or_insert_default().insert(name.to_owned(), value.to_owned());
}

/// What the Secret is to tagseal.
pub(super) fn sight(secret: Option<&Secret>) -> Sight {
    let Some(secret) = secret else { return Sight::Absent };
    let nothing = BTreeMap::new();
    let data = secret.data.as_ref().unwrap_or(&nothing);
    let (name, value) = OWNER_LABEL;
    let is_ours =
        secret.metadata.labels.as_ref().and_then(|labels| labels.get(name)).is_some_and(|v| v == value);
    let is_blank = |entry| data.get(entry).is_none_or(|ByteString(bytes)| bytes.is_empty());
    if !is_ours && ![AUTHORITIES, AUTHORITY_KEYS, LEAF, LEAF_KEY].into_iter().all(is_blank) {
        return Sight::Foreign;
    }
    let rotation_asked = secret.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(ROTATE));
    let (material, damage) = Material::read(data);
    Sight::Held { material: Box::new(material), damage, rotation_asked }
}
