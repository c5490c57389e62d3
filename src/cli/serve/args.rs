//! The arguments of `tagseal serve`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use jiff::SignedDuration;

use super::limits::Limits;
use crate::cli::durations::duration;
use crate::cli::settings::{Policies, SYSTEM_NAMESPACE, Storage};
use crate::controller::{CertificateOptions, Expected, InForceOptions, Lifetimes, MatchCondition};
use crate::policy::{Selector, SetOptions};
use crate::telemetry::LogFormat;
use crate::trust::ResolverConfig;

/// Arguments of `tagseal serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address to serve HTTPS on.
    #[arg(long, default_value = "0.0.0.0:8443", value_name = "ADDRESS")]
    pub(super) listen: SocketAddr,
    /// Address to serve metrics on, in plain HTTP at /metrics; `none`: no metrics.
    #[arg(long, default_value = "0.0.0.0:8080", value_name = "ADDRESS", value_parser = MetricsListen::parse)]
    pub(super) metrics_listen: MetricsListen,
    /// Folder with the serving certificate (tls.crt, intermediates included) and its private key (tls.key), read again when they
    /// change. Default: tagseal makes and renews them itself, and keeps caBundle of the webhook configurations right.
    #[arg(long, value_name = "DIR")]
    pub(super) cert_dir: Option<PathBuf>,
    /// PEM file with the authorities of client certificates, read again when it changes. With it, only callers that present one
    /// are answered, but for probes.
    #[arg(long, value_name = "FILE")]
    pub(super) client_ca: Option<PathBuf>,
    /// Of the callers with a certificate of --client-ca, answer only those whose certificate bears this name, as its subject's common name
    /// or as a DNS name (repeatable). Default: any certificate of these authorities.
    #[arg(long = "client-name", value_name = "NAME", requires = "client_ca", value_parser = NonEmptyStringValueParser::new())]
    pub(super) client_names: Vec<String>,
    #[command(flatten)]
    pub(super) certificates: SelfManaged,
    /// Kubeconfig file; default: the pod's own ServiceAccount, else `KUBECONFIG` and `~/.kube/config`.
    #[arg(long, value_name = "FILE", conflicts_with = "policies")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// Read the policies from the YAML files of this folder; no cluster is asked for anything.
    #[arg(long, value_name = "DIR", requires = "cert_dir")]
    pub(super) policies: Option<PathBuf>,
    /// tagseal's own namespace, where cluster policies' config maps and secrets are looked up.
    #[arg(long, value_name = "NAME", default_value = SYSTEM_NAMESPACE)]
    pub(super) namespace: String,
    /// namespaceSelector of the webhook configurations, as JSON: what runs elsewhere is not said to be left uncovered by a change of a
    /// policy. Default: every namespace but kube-system, tagseal's own and those labelled tagseal.dev/admission: ignore.
    #[arg(long, value_name = "SELECTOR", value_parser = Selector::from_json, conflicts_with = "policies")]
    pub(super) webhook_namespaces: Option<Selector>,
    /// matchConditions that the webhook configurations have besides the shipped one, as JSON: they are known, and do not count as
    /// narrowed.
    #[arg(long, value_name = "CONDITIONS", value_parser = match_conditions, conflicts_with = "policies")]
    pub(super) webhook_match_conditions: Option<MatchConditions>,
    /// Namespaces whose names begin with this are not asked about either, by a matchCondition of the webhook configurations (repeatable).
    #[arg(long = "exclude-namespace-prefix", value_name = "PREFIX", value_parser = namespace_prefix, conflicts_with = "policies")]
    pub(super) excluded_prefixes: Vec<String>,
    #[command(flatten)]
    pub(super) policy: Policies,
    #[command(flatten)]
    pub(super) storage: Storage,
    /// How log lines look: json or text.
    #[arg(long, value_name = "FORMAT", default_value = "json", value_parser = log_format)]
    pub(super) log_format: LogFormat,
    // The last ones, because options after them would stand below their heading in the help.
    #[command(flatten)]
    pub(super) limits: Limits,
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

impl Args {
    /// The namespaces that the webhooks ask about.
    pub(super) fn covered(&self) -> Selector {
        let selected =
            self.webhook_namespaces.clone().unwrap_or_else(|| Selector::of_webhooks(&self.namespace));
        selected.without_names(&self.excluded_prefixes)
    }

    /// How the resolver is set up.
    pub(super) fn resolver(&self) -> ResolverConfig {
        ResolverConfig { bounds: self.limits.bounds(), ..self.storage.resolver() }
    }

    /// What a set of policies is built with.
    pub(super) fn set_options(&self) -> SetOptions {
        let policies_per_namespace = self.limits.bounds().policies_per_namespace;
        SetOptions { policies_per_namespace, ..self.policy.set_options() }
    }

    /// What has to be in force.
    pub(super) fn in_force(&self) -> InForceOptions {
        InForceOptions {
            webhook_configuration: self.certificates.webhook_configuration.clone(),
            expected: Expected {
                namespace: self.namespace.clone(),
                service: self.certificates.service.clone(),
                covered: self.covered(),
                conditions: self.webhook_match_conditions.clone().map_or_else(Vec::new, |of| of.0),
            },
        }
    }

    /// As the controller takes them.
    pub(super) fn certificates(&self) -> CertificateOptions {
        let args = &self.certificates;
        CertificateOptions {
            namespace: self.namespace.clone(),
            secret: args.certificate_secret.clone(),
            service: args.service.clone(),
            webhook_configuration: args.webhook_configuration.clone(),
            lifetimes: Lifetimes::of_leaf(args.certificate_lifetime),
        }
    }
}

/// The certificate that tagseal makes itself.
#[derive(Debug, clap::Args)]
pub(super) struct SelfManaged {
    /// Secret in tagseal's namespace that the certificate and its authority are kept in.
    #[arg(long, value_name = "NAME", default_value = "tagseal-tls", conflicts_with = "cert_dir")]
    pub(super) certificate_secret: String,
    /// Service by which the API server calls tagseal: the certificate is for NAME.NAMESPACE.svc.
    #[arg(long, value_name = "NAME", default_value = "tagseal")]
    pub(super) service: String,
    /// Name of the mutating and of the validating webhook configuration: whether they are in force is watched, and without --cert-dir
    /// their caBundle is kept right.
    #[arg(long, value_name = "NAME", default_value = "tagseal")]
    pub(super) webhook_configuration: String,
    /// How long a certificate is valid; its authority lives four times as long, and both are renewed when a third is left.
    #[arg(long, value_name = "DURATION", default_value = "2160h", value_parser = certificate_lifetime, conflicts_with = "cert_dir")]
    pub(super) certificate_lifetime: SignedDuration,
}

/// Shorter, and a certificate would be over before everybody has it.
const SHORTEST: SignedDuration = SignedDuration::from_secs(10);
/// Longer, and a key that leaked is good for too long.
const LONGEST: SignedDuration = SignedDuration::from_hours(365 * 24);

fn certificate_lifetime(value: &str) -> Result<SignedDuration, String> {
    let lifetime = duration(value)?;
    let fits = (SHORTEST..=LONGEST).contains(&lifetime);
    fits.then_some(lifetime).ok_or_else(|| format!("a certificate lives from {SHORTEST:#} to {LONGEST:#}"))
}

/// Match conditions of the webhook configurations.
#[derive(Debug, Clone)]
pub(super) struct MatchConditions(Vec<MatchCondition>);

fn match_conditions(value: &str) -> Result<MatchConditions, String> {
    let conditions: Vec<BTreeMap<String, String>> =
        serde_json::from_str(value).map_err(|error| error.to_string())?;
    let expression = |condition: &BTreeMap<String, String>| match condition.get("expression") {
        Some(expression) => Ok(MatchCondition { expression: expression.clone() }),
        None => Err("a match condition has an expression".to_owned()),
    };
    conditions.iter().map(expression).collect::<Result<_, _>>().map(MatchConditions)
}

/// What the name of a namespace can begin with.
///
/// # Errors
/// What to write instead.
pub fn namespace_prefix(value: &str) -> Result<String, String> {
    let begins = value.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let fits =
        value.len() <= 63 && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (begins && fits)
        .then(|| value.to_owned())
        .ok_or_else(|| "expected what the name of a namespace begins with, like openshift-".to_owned())
}

fn log_format(value: &str) -> Result<LogFormat, String> {
    match value {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err("expected json or text".to_owned()),
    }
}
