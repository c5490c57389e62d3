//! `tagseal verify`: what the cluster would say of images, but for its own memory (floors and first-use pins).

mod files;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use super::judging::Judging;
use super::manifests::Manifests;
use super::output::{Format, print, print_json, tell};
use super::policy_files::Documents;
use super::{exit_code, policy_files};
use crate::admission::judge::{Fault, ImageVerdict};
use crate::foreign::Foreign;
use crate::gitops::judge::{Question, stored};
use crate::gitops::report::{Form, ImageReport, image_text};
use crate::policy::ImageSite;

/// Arguments of `tagseal verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images, as a pod spec names them.
    #[arg(required_unless_present_any = ["paths", "helm_values"], conflicts_with_all = ["paths", "helm_values"])]
    images: Vec<String>,
    #[command(flatten)]
    manifests: Manifests,
    /// YAML file with policies (and the config maps that they name); `-` is standard input. May be repeated. Beside --from-cluster, a
    /// policy of a file takes the place of the cluster's of the same name.
    #[arg(long = "policy", short = 'p', required_unless_present = "from_cluster", value_name = "FILE")]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    judging: Judging,
    /// Where in a pod IMAGES stand: exemptions may be for some sites alone.
    #[arg(long, value_name = "SITE", default_value = "containers", value_parser = site, conflicts_with_all = ["paths", "helm_values"])]
    site: ImageSite,
    /// How to print. Only text and json are for IMAGES.
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Output,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Text,
    /// Stable JSON, documented in `docs/`.
    Json,
    /// JUnit's XML.
    Junit,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Annotations of a GitHub workflow.
    Github,
    /// GitLab's code quality report.
    Gitlab,
}

impl Output {
    fn form(self) -> Form {
        match self {
            Self::Text => Form::Text,
            Self::Json => Form::Json,
            Self::Junit => Form::Junit,
            Self::Sarif => Form::Sarif,
            Self::Github => Form::Github,
            Self::Gitlab => Form::Gitlab,
        }
    }

    /// The form for images that stand in no file.
    fn without_places(self) -> anyhow::Result<Format> {
        match self {
            Self::Text => Ok(Format::Text),
            Self::Json => Ok(Format::Json),
            Self::Junit | Self::Sarif | Self::Github | Self::Gitlab => {
                anyhow::bail!(
                    "this output names the places of images in files: name the files with -f, or ask for -o json"
                )
            }
        }
    }
}

fn site(text: &str) -> Result<ImageSite, String> {
    let known = ImageSite::ALL.into_iter().find(|site| site.as_str() == text);
    known.ok_or_else(|| format!("expected one of {}", ImageSite::ALL.map(ImageSite::as_str).join(", ")))
}

/// Verifies the images, or those of the files. Exits 0 when all pass, 1 when one is denied, 2 when one could not be decided.
///
/// # Errors
/// When a policy file cannot be read or does not compile, or a cluster does not show what verdicts depend on.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.images.is_empty() {
        return files::run(&args);
    }
    let format = args.output.without_places()?;
    let judging = &args.judging;
    let documents = Documents::load(&policy_files::read(&args.policies)?);
    let question = |image: &String| Question {
        namespace: judging.namespace.clone(),
        image: image.clone(),
        image_site: args.site,
    };
    let questions: Vec<_> = args.images.iter().map(question).collect();
    let verdicts = super::runtime()?.block_on(async {
        let basis = judging.basis(&documents, Some(&judging.namespace), &BTreeMap::new()).await?;
        if basis.lacks(&judging.namespace) && !basis.is_excluded(&judging.namespace) {
            let name = Foreign(&judging.namespace);
            tell(&format!(
                "tagseal: the cluster has no namespace {name}: every namespaceSelector of a policy counts as matching"
            ));
        }
        let (clock, timeout) = (judging.clock(), judging.timeout());
        anyhow::Ok(basis.judge(&questions, &judging.storage, clock, timeout, &|_, _| {}).await)
    })?;
    let verdicts: Vec<_> = verdicts.into_iter().map(|verdict| Some(stored(verdict?, None))).collect();
    let report = |(image, verdict): (&String, &Option<ImageVerdict>)| match verdict {
        Some(verdict) => ImageReport::of(verdict),
        None => ImageReport::excluded(image, &judging.namespace),
    };
    show(&args.images.iter().zip(&verdicts).map(report).collect::<Vec<_>>(), format)?;
    let headlines = verdicts.iter().flatten().filter_map(ImageVerdict::headline);
    let faults: Vec<_> = headlines.map(|denial| denial.fault).collect();
    Ok(exit_code(faults.contains(&Fault::Untrusted), !faults.is_empty()))
}

fn show(reports: &[ImageReport], format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => print_json(&reports)?,
        Format::Text => reports.iter().for_each(|report| print(&image_text(report))),
    }
    Ok(())
}
