//! What commands share that read images from files: which files, and by what their images are judged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::docker_config::DockerConfig;
use super::output::tell;
use super::policy_files::Documents;
use super::settings::{Policies, SYSTEM_NAMESPACE, Storage};
use super::{from_cluster, policy_files};
use crate::admission::judge::ImageVerdict;
use crate::clock::SystemClock;
use crate::gitops::files::{self, Input};
use crate::gitops::judge::{JudgeContext, Question, judge};
use crate::gitops::{ImagePath, Scan, ScanOptions, scan};
use crate::notary::NotaryClient;
use crate::policy::{Labels, NamespaceView, NoObjects, PolicySet};
use crate::trust::{Resolver, TrustState};

/// Which files.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub struct Manifests {
    /// File, or folder (the *.yaml, *.yml, *.json and Kustomization in it, but for what begins with a dot and the templates of Helm
    /// charts); `-` is standard input. May be repeated.
    #[arg(id = "paths", short = 'f', long = "filename", value_name = "PATH", num_args = 1..)]
    pub paths: Vec<PathBuf>,
    /// File with values of a Helm chart: mappings under a key that ends in `image`, with repository and tag. May be repeated.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub helm_values: Vec<PathBuf>,
    /// Where another kind holds images, as in Rollout.argoproj.io=spec.template.spec. `[*]` is every element; a path that ends at a
    /// mapping is a pod spec. May be repeated.
    #[arg(long = "image-path", value_name = "KIND[.GROUP]=PATH", num_args = 1..)]
    pub image_paths: Vec<ImagePath>,
}

/// By what images are judged, besides the policies.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Judging {
    #[command(flatten)]
    pub cluster: from_cluster::Args,
    /// The namespace of what names none.
    #[arg(long, short = 'n', value_name = "NAME", default_value = "default")]
    pub namespace: String,
    /// A label of that namespace. Labels of other namespaces come from Namespace objects in the files, or from the cluster; where
    /// none are known, every namespaceSelector of a policy counts as matching, and none of an exemption that asks for a label. May be
    /// repeated.
    #[arg(long = "namespace-label", value_name = "KEY=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// tagseal's own namespace in the cluster, where cluster policies' config maps are looked up.
    #[arg(long, value_name = "NAME", default_value = SYSTEM_NAMESPACE)]
    pub system_namespace: String,
    #[command(flatten)]
    pub policy: Policies,
    #[command(flatten)]
    pub storage: Storage,
    /// Verify as of this time, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
    /// How long the answer about an image may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub timeout: u64,
}

/// Reads `KEY=VALUE`.
///
/// # Errors
/// What was expected.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Manifests {
    /// Reads the files and finds their images.
    pub(super) fn read(&self, namespace: &str) -> (Input, Scan) {
        let input = files::read(&self.paths, &self.helm_values, std::io::stdin());
        let options = ScanOptions { namespace: namespace.to_owned(), image_paths: self.image_paths.clone() };
        let scan = scan(&input.files, &options);
        (input, scan)
    }

    /// Whether standard input is one of the files.
    pub(super) fn has_stdin(&self) -> bool {
        self.paths.iter().chain(&self.helm_values).any(|path| path == Path::new("-"))
    }
}

/// The policies, and what is known of namespaces and of trust.
struct Basis {
    policies: Arc<PolicySet>,
    namespaces: BTreeMap<String, Arc<Labels>>,
    /// Whether the webhooks are not asked about a namespace.
    cluster: Option<from_cluster::ClusterView>,
    state: Arc<dyn TrustState>,
}

impl Judging {
    /// The verdict on each question, in their order; `None` where the webhooks are not asked about the namespace. `declared` are the
    /// namespaces that the files declare.
    ///
    /// # Errors
    /// When a policy file cannot be read or does not compile, or a cluster does not show what verdicts depend on.
    pub(super) fn judge(
        &self,
        policies: &[PathBuf],
        declared: &BTreeMap<String, Arc<Labels>>,
        questions: &[Question],
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> anyhow::Result<Vec<Option<ImageVerdict>>> {
        let policies = Documents::load(&policy_files::read(policies)?);
        self.judge_by(&policies, declared, questions, progress)
    }

    /// The same by policies that are read already.
    ///
    /// # Errors
    /// As [`Judging::judge`].
    pub(super) fn judge_by(
        &self,
        policies: &Documents,
        declared: &BTreeMap<String, Arc<Labels>>,
        questions: &[Question],
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> anyhow::Result<Vec<Option<ImageVerdict>>> {
        let runtime = super::runtime()?;
        let Basis { policies, mut namespaces, cluster, state } = match self.cluster.from_cluster {
            true => runtime.block_on(self.of_cluster(policies))?,
            false => self.of_files(policies)?,
        };
        namespaces.extend(declared.iter().map(|(name, labels)| (name.clone(), Arc::clone(labels))));
        if !self.labels.is_empty() {
            namespaces
                .insert(self.namespace.clone(), Arc::new(self.labels.iter().cloned().collect::<Labels>()));
        }
        let is_judged = |question: &&Question| {
            let name = &*question.namespace;
            let view = match namespaces.get(name) {
                Some(labels) => NamespaceView::new(name, Arc::clone(labels)),
                None => NamespaceView::unlabelled(name),
            };
            !cluster.as_ref().is_some_and(|cluster| cluster.is_excluded(&view))
        };
        let judged: Vec<Question> = questions.iter().filter(is_judged).cloned().collect();
        // Connections are judged by the real clock, trust data by the one that was asked for.
        let source = Arc::new(NotaryClient::new(Arc::new(SystemClock)));
        let clock = super::clock(self.at);
        let now = clock.now();
        let config = self.storage.seeded_resolver();
        let resolver = Resolver::new(config, source, Arc::new(DockerConfig::from_env()), state, clock);
        let timeout = Duration::from_secs(self.timeout);
        let deadline = || Instant::now() + timeout;
        let context = JudgeContext {
            policies,
            namespaces: &namespaces,
            resolver: &resolver,
            now,
            deadline: &deadline,
            progress,
        };
        let mut verdicts = runtime.block_on(judge(&context, &judged)).into_iter();
        Ok(questions.iter().map(|question| is_judged(&question).then(|| verdicts.next()).flatten()).collect())
    }

    fn of_files(&self, files: &Documents) -> anyhow::Result<Basis> {
        let compiled = files.compile(&self.system_namespace, &NoObjects)?;
        let set =
            PolicySet::new(compiled.policies, self.policy.set_options()).with_exemptions(compiled.exemptions);
        let state = self.storage.state();
        Ok(Basis { policies: Arc::new(set), namespaces: BTreeMap::new(), cluster: None, state })
    }

    async fn of_cluster(&self, files: &Documents) -> anyhow::Result<Basis> {
        anyhow::ensure!(
            self.storage.state_dir.is_none(),
            "--state-dir is for verdicts without a cluster: with --from-cluster, floors and pins are the cluster's"
        );
        let settings = from_cluster::Settings {
            system_namespace: &self.system_namespace,
            set: self.policy.set_options(),
            files,
            namespace: None,
        };
        let cluster = from_cluster::read(&self.cluster, &settings).await?;
        cluster.notes.iter().for_each(|note| tell(&format!("tagseal: {note}")));
        Ok(Basis {
            policies: Arc::clone(&cluster.policies),
            namespaces: cluster.namespaces.clone(),
            state: cluster.state.clone(),
            cluster: Some(cluster),
        })
    }
}
