//! `tagseal verify`: what the cluster would say of images, but for its own memory (floors and first-use pins).

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::docker_config::DockerConfig;
use super::output::{Format, print, print_json};
use super::settings::{Policies, SYSTEM_NAMESPACE, Storage};
use super::{DENIED, UNDECIDED, policy_files};
use crate::admission::judge::{Circumstances, Fault, ImageVerdict, Outcome, Passed, View};
use crate::clock::SystemClock;
use crate::foreign::{Foreign, one_line};
use crate::notary::NotaryClient;
use crate::policy::{Exemption, Finding, ImageSite, Labels, Mutation, NamespaceView};
use crate::trust::{Grant, Resolver, SignedDigest, Signer};

/// Arguments of `tagseal verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images, as a pod spec names them.
    #[arg(required = true)]
    images: Vec<String>,
    /// YAML file with policies (and the config maps that they name); `-` is standard input. May be repeated.
    #[arg(long = "policy", short = 'p', required = true, value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// The namespace that the pod would be in.
    #[arg(long, short = 'n', value_name = "NAME", default_value = "default")]
    namespace: String,
    /// A label of that namespace. Without any, every namespaceSelector of a policy counts as matching, and none of an exemption
    /// that asks for a label. May be repeated.
    #[arg(long = "namespace-label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Where in a pod the images stand: exemptions may be for some sites alone.
    #[arg(long, value_name = "SITE", default_value = "containers", value_parser = site)]
    site: ImageSite,
    /// tagseal's own namespace in the cluster, where cluster policies' config maps are looked up.
    #[arg(long, value_name = "NAME", default_value = SYSTEM_NAMESPACE)]
    system_namespace: String,
    #[command(flatten)]
    policy: Policies,
    #[command(flatten)]
    storage: Storage,
    /// Verify as of this time, RFC 3339.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// How long the answers may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// How to print.
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn site(text: &str) -> Result<ImageSite, String> {
    let known = ImageSite::ALL.into_iter().find(|site| site.as_str() == text);
    known.ok_or_else(|| format!("expected one of {}", ImageSite::ALL.map(ImageSite::as_str).join(", ")))
}

/// Verifies the images. Exits 0 when all pass, 1 when one is denied, 2 when one could not be decided.
///
/// # Errors
/// When a policy file cannot be read or does not compile.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let files = policy_files::read(&args.policies)?;
    let set = policy_files::compile(&files, &args.system_namespace, args.policy.set_options())?;
    let namespace = match args.labels.as_slice() {
        [] => NamespaceView::unlabelled(args.namespace.as_str()),
        labels => {
            NamespaceView::new(args.namespace.as_str(), Arc::new(labels.iter().cloned().collect::<Labels>()))
        }
    };
    let view = View::new(Arc::new(set), namespace);
    let verdicts = super::runtime()?.block_on(judge(&args, &view))?;
    match args.output {
        Format::Json => print_json(&verdicts.iter().map(Report::of).collect::<Vec<_>>())?,
        Format::Text => verdicts.iter().for_each(|verdict| print(&text(&Report::of(verdict)))),
    }
    Ok(exit_code(&verdicts))
}

async fn judge(args: &Args, view: &View) -> anyhow::Result<Vec<ImageVerdict>> {
    // Connections are judged by the real clock, trust data by the one that was asked for.
    let source = Arc::new(NotaryClient::new(Arc::new(SystemClock)));
    let credentials = Arc::new(DockerConfig::from_env());
    let config = args.storage.seeded_resolver();
    let clock = super::clock(args.at);
    let now = clock.now();
    let resolver = Resolver::new(config, source, credentials, args.storage.state(), clock);
    let grant = Grant { namespace: args.namespace.clone(), ..Grant::default() };
    let deadline = Instant::now() + Duration::from_secs(args.timeout);
    let site = args.site;
    let circumstances = Circumstances { grant: &grant, deadline, dry_run: false, site, now };
    let verdicts = args.images.iter().map(|image| view.judge_image(&resolver, image, circumstances));
    let mut verdicts = futures::future::join_all(verdicts).await;
    for verdict in &mut verdicts {
        // Nothing would seal such an image in the cluster either.
        if verdict.passed().is_some_and(|passed| passed.mutation == Mutation::None) {
            verdict.require_seal();
        }
    }
    Ok(verdicts)
}

/// One element of what `-o json` prints. The names are an interface: see `docs/cli.md`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    image: String,
    verdict: &'static str,
    sealed: Option<String>,
    digest: Option<String>,
    policies: Vec<String>,
    signed_by: Vec<SignedBy>,
    reason: Option<&'static str>,
    message: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exemptions: Vec<ExemptBy>,
}

/// An exemption in force for an image.
#[derive(Debug, Serialize)]
struct ExemptBy {
    name: String,
    until: Option<String>,
    reason: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedBy {
    role: String,
    #[serde(rename = "keyIDs")]
    key_ids: Vec<String>,
}

impl Report {
    fn of(verdict: &ImageVerdict) -> Self {
        let passed = verdict.passed();
        let signed = passed.and_then(|passed| passed.signed());
        let headline = verdict.headline();
        let sealed = passed.and_then(|passed| sealed(&verdict.image, passed));
        Self {
            image: verdict.image.clone(),
            verdict: word(verdict),
            sealed,
            digest: signed.map(|signed| signed.digest().to_string()),
            policies: verdict.policies.iter().map(ToString::to_string).collect(),
            signed_by: signed.map(signed_by).unwrap_or_default(),
            reason: headline.map(|denial| denial.reason().as_str()),
            message: headline.map(|_| message(verdict)),
            warnings: warnings(verdict),
            exemptions: verdict.exemptions.iter().map(|exemption| exempt_by(exemption)).collect(),
        }
    }
}

fn exempt_by(exemption: &Exemption) -> ExemptBy {
    let Exemption { name, until, reason, .. } = exemption;
    ExemptBy { name: name.clone(), until: until.map(|until| until.to_string()), reason: reason.clone() }
}

fn signed_by(signed: &SignedDigest) -> Vec<SignedBy> {
    let of = |signer: &Signer| SignedBy {
        role: signer.role.to_string(),
        key_ids: signer.key_ids.iter().map(ToString::to_string).collect(),
    };
    signed.signers().iter().map(of).collect()
}

/// What a pod would name: with the digest that is written there, or as it is where its digest was found signed. `None`:
/// nobody vouches for a digest, or no policy writes it.
fn sealed(image: &str, passed: &Passed) -> Option<String> {
    match &passed.sealed {
        Some(sealed) => (passed.mutation != Mutation::None).then(|| sealed.clone()),
        None => (passed.signed().is_some() && image.contains('@')).then(|| image.to_owned()),
    }
}

fn word(verdict: &ImageVerdict) -> &'static str {
    match (&verdict.outcome, verdict.headline().map(|denial| denial.fault)) {
        (Outcome::Passed(passed), _) if sealed(&verdict.image, passed).is_none() => "Admitted",
        (Outcome::Passed(_), _) => "Sealed",
        (Outcome::Denied(_), Some(Fault::Unavailable)) => "Unavailable",
        (Outcome::Denied(_), _) => "Denied",
        (Outcome::Unmatched, _) => "Unmatched",
        (Outcome::Exempt, _) => "Exempt",
    }
}

/// Everything that stands against the image, the headline's policy first.
fn message(verdict: &ImageVerdict) -> String {
    verdict.denials().iter().map(|denial| line(&denial.finding)).collect::<Vec<_>>().join("; ")
}

fn line(finding: &Finding) -> String {
    let policy = finding.policy.as_ref().map(|policy| format!("{policy}: ")).unwrap_or_default();
    format!("{policy}{}: {}", finding.reason, finding.message)
}

fn warnings(verdict: &ImageVerdict) -> Vec<String> {
    let remarks = verdict.remarks.iter().map(|remark| line(&remark.denial.finding));
    verdict.warnings.iter().cloned().chain(remarks).collect()
}

fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    match report.verdict {
        "Sealed" => {
            lines.push(format!("sealed      {}", Foreign(report.sealed.as_deref().unwrap_or(&report.image))));
        }
        word => {
            lines.push(format!("{:<11} {}", word.to_ascii_lowercase(), Foreign(&report.image)));
            lines.extend(
                report.message.iter().map(|message| format!("            {}", one_line(message, usize::MAX))),
            );
            let digest = report.digest.iter();
            lines.extend(digest.map(|digest| format!("            {digest}, which no policy writes")));
        }
    }
    for signer in &report.signed_by {
        let keys: Vec<_> = signer.key_ids.iter().map(|id| id.get(..12).unwrap_or(id)).collect();
        lines.push(format!("            signed in {} by {}", signer.role, keys.join(", ")));
    }
    let exemptions = report.exemptions.iter().map(|exemption| {
        let until = exemption.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
        format!(
            "            exempt by TrustExemption {}{until}: {}",
            Foreign(&exemption.name),
            one_line(&exemption.reason, usize::MAX)
        )
    });
    lines.extend(exemptions);
    lines.extend(
        report.warnings.iter().map(|text| format!("            warning: {}", one_line(text, usize::MAX))),
    );
    lines.join("\n")
}

/// Mixed results: 1 beats 2 beats 0 (design §11).
fn exit_code(verdicts: &[ImageVerdict]) -> ExitCode {
    let faults: Vec<_> =
        verdicts.iter().filter_map(|verdict| verdict.headline()).map(|denial| denial.fault).collect();
    if faults.contains(&Fault::Untrusted) {
        ExitCode::from(DENIED)
    } else if faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(UNDECIDED)
    }
}
