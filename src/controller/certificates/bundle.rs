//! [`Configurations`]: `caBundle` of the webhook configurations, and nothing else of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use rustls::pki_types::DnsName;
use serde_json::{Value, json};

use super::call::{Failed, call};
use super::secret::MANAGER;

/// The two configurations, which have one name.
#[derive(Clone)]
pub(super) struct Configurations {
    pub(super) mutating: Kind,
    pub(super) validating: Kind,
    name: String,
}

/// One of the two.
#[derive(Clone)]
pub(super) struct Kind {
    api: Api<DynamicObject>,
    pub(super) resource: ApiResource,
}

/// A configuration as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Configuration {
    version: Option<String>,
    /// Name and `caBundle`, base64, of its webhooks.
    hooks: Vec<(String, Option<String>)>,
    /// The names by which API servers call them.
    called: Vec<String>,
    /// Who wrote a `caBundle` last.
    writers: Vec<String>,
}

/// Both, as they were read. `None`: it is not there, and that is no error.
pub(super) type Read = [Result<Option<Configuration>, Failed>; 2];

impl Configurations {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn new(client: &Client, name: &str) -> Self {
        let kind = |kind| Kind::new(client.clone(), kind);
        Self {
            mutating: kind("MutatingWebhookConfiguration"),
            validating: kind("ValidatingWebhookConfiguration"),
            name: name.to_owned(),
        }
    }

    pub(super) fn kinds(&self) -> [&Kind; 2] {
        [&self.mutating, &self.validating]
    }

    /// `MutatingWebhookConfiguration tagseal`.
    pub(super) fn what(&self, kind: &Kind) -> String {
        format!("{} {}", kind.resource.kind, self.name)
    }

    pub(super) async fn read(&self) -> Read {
        let (mutating, validating) =
            join(self.read_one(&self.mutating), self.read_one(&self.validating)).await;
        [mutating, validating]
    }

    async fn read_one(&self, kind: &Kind) -> Result<Option<Configuration>, Failed> {
        let found = call(kind.api.get_opt(&self.name), || self.right("get", kind)).await?;
        Ok(found.as_ref().map(Configuration::of))
    }

    /// Gives every webhook of `seen` this bundle; [`Failed::Conflict`] when the configuration is no longer as it was seen.
    ///
    /// Each by its name, in a strategic merge, which leaves the rest of the list alone. Not by server-side apply: a webhook
    /// that its owner takes away would stay, as an item that nobody but the bundle's writer has.
    pub(super) async fn write(&self, kind: &Kind, seen: &Configuration, bundle: &str) -> Result<(), Failed> {
        let encoded = STANDARD.encode(bundle);
        let hooks: Vec<_> = seen
            .hooks
            .iter()
            .map(|(name, _)| json!({"name": name, "clientConfig": {"caBundle": encoded}}))
            .collect();
        let patch = json!({"metadata": {"resourceVersion": seen.version}, "webhooks": hooks});
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Strategic(patch);
        call(kind.api.patch(&self.name, &params, &patch), || self.right("patch", kind)).await.map(drop)
    }

    fn right(&self, verb: &str, kind: &Kind) -> String {
        format!("{verb} {} ({})", kind.resource_name(), self.name)
    }
}

impl Kind {
    fn new(client: Client, kind: &str) -> Self {
        let resource =
            ApiResource::from_gvk(&GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind));
        Self { api: Api::all_with(client, &resource), resource }
    }

    pub(super) fn api(&self) -> Api<DynamicObject> {
        self.api.clone()
    }

    /// As RBAC names it.
    pub(super) fn resource_name(&self) -> String {
        format!("{}.{}", self.resource.plural, self.resource.group)
    }
}

impl Configuration {
    fn of(object: &DynamicObject) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let hooks = || object.data.get("webhooks").and_then(Value::as_array).into_iter().flatten();
        let services = hooks().filter_map(|hook| hook.get("clientConfig")?.get("service"));
        let called = services.filter_map(|service| {
            let name =
                format!("{}.{}.svc", service.get("name")?.as_str()?, service.get("namespace")?.as_str()?);
            // What is no name would be in no certificate.
            DnsName::try_from(name.as_str()).is_ok().then_some(name)
        });
        let called = called.collect();
        let hooks = hooks().filter_map(|hook| {
            let name = text(hook.get("name")?)?;
            let bundle = hook.get("clientConfig").and_then(|config| config.get("caBundle")).and_then(text);
            Some((name, bundle))
        });
        let managers = object.metadata.managed_fields.iter().flatten().filter(|entry| {
            let fields = entry.fields_v1.as_ref().map(|fields| fields.0.to_string());
            fields.is_some_and(|fields| fields.contains("f:caBundle"))
        });
        let writers = managers.filter_map(|entry| entry.manager.clone()).filter(|name| name != MANAGER);
        Self {
            version: object.metadata.resource_version.clone(),
            hooks: hooks.collect(),
            called,
            writers: writers.collect(),
        }
    }

    /// Whether every webhook has this bundle.
    pub(super) fn carries(&self, bundle: &str) -> bool {
        let encoded = STANDARD.encode(bundle);
        self.hooks.iter().all(|(_, has)| has.as_ref() == Some(&encoded))
    }

    /// Whether a webhook has another bundle, and not just none yet: who else writes it.
    pub(super) fn overwritten_by(&self, bundle: &str) -> Option<String> {
        let encoded = STANDARD.encode(bundle);
        let mut others = self.hooks.iter().filter_map(|(_, has)| has.as_ref());
        others.any(|has| !has.is_empty() && *has != encoded).then(|| self.writers.join(", "))
    }
}

/// The names by which API servers call, as far as configurations could be read. One that goes by another name than this version
/// was told is served all the same.
pub(super) fn called(read: &Read) -> Vec<String> {
    let read = read.iter().filter_map(|configuration| configuration.as_ref().ok()?.as_ref());
    read.flat_map(|configuration| configuration.called.iter().cloned()).collect()
}

/// Whether every configuration that is there has the bundle. One that cannot be read may not have it.
pub(super) fn is_everywhere(read: &Read, bundle: &str) -> bool {
    read.iter().all(|configuration| match configuration {
        Ok(configuration) => configuration.as_ref().is_none_or(|configuration| configuration.carries(bundle)),
        Err(_) => false,
    })
}
