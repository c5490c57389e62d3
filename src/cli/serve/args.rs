//! The arguments of `tagseal serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::cli::settings::{Policies, SYSTEM_NAMESPACE, Storage};
use crate::telemetry::LogFormat;

/// Arguments of `tagseal serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address to serve HTTPS on.
    #[arg(long, default_value = "0.0.0.0:8443", value_name = "ADDRESS")]
    pub(super) listen: SocketAddr,
    /// Address to serve metrics on, in plain HTTP at /metrics; `none`: no metrics.
    #[arg(long, default_value = "0.0.0.0:8080", value_name = "ADDRESS", value_parser = MetricsListen::parse)]
    pub(super) metrics_listen: MetricsListen,
    /// PEM file with the serving certificate and its intermediates; read again when it changes.
    #[arg(long, value_name = "FILE", default_value = "/etc/tagseal/tls/tls.crt")]
    pub(super) tls_cert: PathBuf,
    /// PEM file with its private key.
    #[arg(long, value_name = "FILE", default_value = "/etc/tagseal/tls/tls.key")]
    pub(super) tls_key: PathBuf,
    /// Kubeconfig file; default: the pod's own ServiceAccount, else `KUBECONFIG` and `~/.kube/config`.
    #[arg(long, value_name = "FILE", conflicts_with = "policies")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// Read the policies from the YAML files of this folder; no cluster is asked for anything.
    #[arg(long, value_name = "DIR")]
    pub(super) policies: Option<PathBuf>,
    /// tagseal's own namespace, where cluster policies' config maps and secrets are looked up.
    #[arg(long, value_name = "NAME", default_value = SYSTEM_NAMESPACE)]
    pub(super) namespace: String,
    #[command(flatten)]
    pub(super) policy: Policies,
    #[command(flatten)]
    pub(super) storage: Storage,
    /// How log lines look: json or text.
    #[arg(long, value_name = "FORMAT", default_value = "json", value_parser = log_format)]
    pub(super) log_format: LogFormat,
}

/// Where metrics are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricsListen {
    At(SocketAddr),
    Nowhere,
}

impl MetricsListen {
    fn parse(value: &str) -> Result<Self, String> {
        match value {
            "none" => Ok(Self::Nowhere),
            address => address.parse().map(Self::At).map_err(|_| "expected IP:PORT or none".to_owned()),
        }
    }
}

fn log_format(value: &str) -> Result<LogFormat, String> {
    match value {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err("expected json or text".to_owned()),
    }
}
