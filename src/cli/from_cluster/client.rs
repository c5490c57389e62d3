//! The way to the cluster: a kubeconfig, as kubectl reads it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};

/// How long making a connection to the API server may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the API server may be silent while it answers.
const SILENCE: Duration = Duration::from_secs(30);

/// Which cluster.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub struct Address {
    /// Kubeconfig file of the cluster; default: `KUBECONFIG`, else `~/.kube/config`, else the pod's own ServiceAccount.
    #[arg(long, value_name = "FILE", requires = "from_cluster")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; default: its current one.
    #[arg(long, value_name = "NAME", requires = "from_cluster")]
    pub context: Option<String>,
}

/// A client for the API server.
///
/// # Errors
/// When there is no kubeconfig that names it.
pub async fn connect(address: &Address) -> anyhow::Result<kube::Client> {
    let mut config = config(address).await?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    kube::Client::try_from(config).context("cannot make a client for the API server")
}

async fn config(address: &Address) -> anyhow::Result<kube::Config> {
    let (kubeconfig, of) = match &address.kubeconfig {
        Some(path) => (Kubeconfig::read_from(path), format!("the kubeconfig {}", path.display())),
        None => (Kubeconfig::read(), "the kubeconfig".to_owned()),
    };
    let is_given = address.kubeconfig.is_some() || address.context.is_some() || has_variable();
    let kubeconfig = match kubeconfig {
        // In a pod.
        Err(_) if !is_given && std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() => {
            return kube::Config::incluster().context("cannot use the pod's ServiceAccount");
        }
        kubeconfig => kubeconfig.with_context(|| {
            format!("cannot read {of}; name one with --kubeconfig, KUBECONFIG, or put it at ~/.kube/config")
        })?,
    };
    let contexts: Vec<_> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    if let Some(context) = &address.context
        && !contexts.contains(context)
    {
        anyhow::bail!("{of} has no context {context:?}; it has {}", listed(&contexts));
    }
    let clusters = kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref());
    let names_a_proxy = clusters.into_iter().any(|cluster| cluster.proxy_url.is_some());
    let options = KubeConfigOptions { context: address.context.clone(), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.with_context(|| format!("cannot use {of}"))?;
    if !names_a_proxy {
        // HTTPS_PROXY is for trust servers.
        config.proxy_url = None;
    }
    Ok(config)
}

fn has_variable() -> bool {
    std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty())
}

fn listed(contexts: &[String]) -> String {
    match contexts {
        [] => "none".to_owned(),
        contexts => contexts.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "),
    }
}
