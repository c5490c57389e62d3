//! [`Cluster`]: a real cluster that calls the sandbox's webhook, and how it is left as it was found.

use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use tokio::time::timeout;

use crate::cli::output::tell;
use crate::sandbox::cluster::{LABEL, NAME, mutating, namespace, validating};
use crate::sandbox::stage::Stage;

/// How long the API server may take for one request.
const PATIENCE: Duration = Duration::from_secs(10);

/// A cluster.
pub(super) struct Cluster {
    client: kube::Client,
    /// What was put there, the last first.
    made: Vec<Value>,
}

impl Cluster {
    /// Reaches the cluster; nothing is changed yet.
    pub(super) async fn reach(kubeconfig: &Path) -> anyhow::Result<Self> {
        let read = || format!("cannot use the kubeconfig {}", kubeconfig.display());
        let config = Kubeconfig::read_from(kubeconfig).with_context(read)?;
        let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default())
            .await
            .with_context(read)?;
        let url = config.cluster_url.clone();
        let client = kube::Client::try_from(config).with_context(read)?;
        let version = timeout(PATIENCE, client.apiserver_version()).await;
        version.map_err(anyhow::Error::from).and_then(|version| Ok(version?)).with_context(|| {
            format!("the API server at {url} does not answer: check the kubeconfig {}", kubeconfig.display())
        })?;
        Ok(Self { client, made: Vec::new() })
    }

    /// Registers the webhook. What an earlier run left is taken over.
    pub(super) async fn register(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let url = stage.advertised_webhook_url();
        let objects = [namespace(), mutating(&url, stage.ca_pem()), validating(&url, stage.ca_pem())];
        for object in objects {
            self.check_ours(&object).await?;
            // Noted first: an answer that is lost leaves something behind.
            self.made.insert(0, object.clone());
            let apply = PatchParams::apply(NAME).force();
            let api = self.api(&object);
            let applied = timeout(PATIENCE, api.patch(NAME, &apply, &Patch::Apply(&object))).await;
            applied
                .map_err(anyhow::Error::from)
                .and_then(|applied| Ok(applied?))
                .with_context(|| format!("cannot put the {} {NAME} into the cluster", kind(&object)))?;
        }
        Ok(())
    }

    /// Something of our name that somebody else made is not ours to change, nor to remove.
    async fn check_ours(&self, object: &Value) -> anyhow::Result<()> {
        let api = self.api(object);
        let found =
            timeout(PATIENCE, api.get_opt(NAME)).await.context("the API server does not answer")??;
        if found.is_some_and(|found| found.metadata.labels.is_none_or(|labels| !labels.contains_key(LABEL))) {
            bail!(
                "the cluster has a {} {NAME} that no sandbox made (it has no label {LABEL}): remove it, or use another cluster",
                kind(object)
            );
        }
        Ok(())
    }

    /// Removes what was put there: first the hooks, then the namespace.
    pub(super) async fn leave(self) {
        for object in &self.made {
            let api = self.api(object);
            let removed = timeout(PATIENCE, api.delete(NAME, &DeleteParams::background())).await;
            let failure = match removed {
                Ok(Ok(_)) => None,
                Ok(Err(kube::Error::Api(status))) if status.is_not_found() => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("the API server did not answer within {} s", PATIENCE.as_secs())),
            };
            if let Some(failure) = failure {
                let kind = kind(object).to_lowercase();
                tell(&format!(
                    "tagseal: {failure}; the {kind} {NAME} is still in the cluster: `kubectl delete {kind} {NAME}` removes it"
                ));
            }
        }
    }

    fn api(&self, object: &Value) -> Api<DynamicObject> {
        let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind(object)));
        Api::all_with(self.client.clone(), &resource)
    }
}

fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or_default()
}

/// The address that this machine has towards the outside: what containers on it, kind's nodes among them, reach it by.
/// Nothing is sent.
pub(super) fn outward_address() -> anyhow::Result<String> {
    let find = || {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        // An address for documentation (RFC 5737): only the route to it is looked up.
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    };
    let address: std::io::Result<std::net::SocketAddr> = find();
    let address = address.context(
        "this machine has no outward address: name one by which the cluster reaches it with --advertise",
    )?;
    Ok(address.ip().to_string())
}
