//! How commands judge images: by policies from files or from a cluster, the labels of namespaces, and trust data as of a time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::docker_config::DockerConfig;
use super::from_cluster::{self, ClusterView, Unknown};
use super::output::tell;
use super::policy_files::{self, Documents};
use super::settings::{Policies, SYSTEM_NAMESPACE, Storage, client, live_resolver};
use crate::admission::judge::ImageVerdict;
use crate::clock::SharedClock;
use crate::gitops::judge::{JudgeContext, Question, judge};
use crate::policy::{Labels, NamespaceView, PolicySet, Selector};
use crate::trust::TrustState;

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

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// The policies, and what is known of namespaces and of trust.
pub struct Basis {
    policies: Arc<PolicySet>,
    namespaces: BTreeMap<String, Arc<Labels>>,
    /// The namespaces that the webhooks ask about; `None` where there is no cluster: then every one is judged.
    covered: Option<Selector>,
    state: Arc<dyn TrustState>,
    unknown: Unknown,
}

impl Judging {
    /// The verdict on each question, in their order; `None` where the webhooks are not asked about the namespace. `declared` are the
    /// namespaces that the files declare.
    ///
    /// # Errors
    /// When a policy file cannot be read or does not compile, or a cluster does not show what verdicts depend on.
    pub fn judge(
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
    pub fn judge_by(
        &self,
        policies: &Documents,
        declared: &BTreeMap<String, Arc<Labels>>,
        questions: &[Question],
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> anyhow::Result<Vec<Option<ImageVerdict>>> {
        super::runtime()?.block_on(async {
            let basis = self.basis(policies, None, declared).await?;
            Ok(basis.judge(questions, &self.storage, self.clock(), self.timeout(), progress).await)
        })
    }

    /// By what is judged, of the files' policies and the cluster's. `only` is the one namespace that is asked about, for which fewer
    /// rights are needed.
    ///
    /// # Errors
    /// When a policy does not compile, or a cluster does not show what verdicts depend on.
    pub async fn basis(
        &self,
        files: &Documents,
        only: Option<&str>,
        declared: &BTreeMap<String, Arc<Labels>>,
    ) -> anyhow::Result<Basis> {
        if !self.cluster.from_cluster && !files.has_policies() {
            tell("tagseal: the policy files hold no policies: every image is unmatched");
        }
        let mut basis = match self.cluster.from_cluster {
            true => Basis::from(self.cluster_view(files, only).await?),
            false => Basis {
                policies: Arc::new(files.policy_set(&self.system_namespace, self.policy.set_options())?),
                namespaces: BTreeMap::new(),
                covered: None,
                state: self.storage.state(),
                unknown: Unknown::default(),
            },
        };
        basis.namespaces.extend(declared.iter().map(|(name, labels)| (name.clone(), Arc::clone(labels))));
        if !self.labels.is_empty() {
            let labels = self.labels.iter().cloned().collect::<Labels>();
            basis.namespaces.insert(self.namespace.clone(), Arc::new(labels));
        }
        Ok(basis)
    }

    async fn cluster_view(&self, files: &Documents, only: Option<&str>) -> anyhow::Result<ClusterView> {
        self.storage.leave_state_to_cluster()?;
        let settings = from_cluster::Settings {
            system_namespace: &self.system_namespace,
            set: self.policy.set_options(),
            files,
            namespace: only,
        };
        let cluster = from_cluster::read(&self.cluster, &settings).await?;
        cluster.tell_notes();
        Ok(cluster)
    }

    /// The clock that trust data is judged by.
    pub fn clock(&self) -> SharedClock {
        super::clock(self.at)
    }

    /// How long the answer about an image may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

impl From<ClusterView> for Basis {
    fn from(cluster: ClusterView) -> Self {
        let ClusterView { policies, namespaces, covered, state, unknown, notes: _ } = cluster;
        Self { policies, namespaces, covered: Some(covered), state, unknown }
    }
}

impl Basis {
    /// Whether there is a cluster that has no such namespace, and nothing else says its labels.
    pub fn lacks(&self, namespace: &str) -> bool {
        self.covered.is_some() && !self.namespaces.contains_key(namespace)
    }

    /// Whether the webhooks are not asked about this namespace: what is in it runs unverified.
    pub fn is_excluded(&self, namespace: &str) -> bool {
        let NamespaceView { name, labels } = NamespaceView::among(&self.namespaces, namespace);
        let labels = labels.unwrap_or_default();
        self.covered.as_ref().is_some_and(|covered| !covered.selects(&name, &labels))
    }

    /// The verdict on each question, in their order; `None` where the webhooks are not asked about the namespace.
    pub async fn judge(
        self,
        questions: &[Question],
        storage: &Storage,
        clock: SharedClock,
        timeout: Duration,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Vec<Option<ImageVerdict>> {
        let is_judged: Vec<bool> =
            questions.iter().map(|question| !self.is_excluded(&question.namespace)).collect();
        let judged = questions.iter().zip(&is_judged).filter(|(_, is_judged)| **is_judged);
        let judged: Vec<Question> = judged.map(|(question, _)| question.clone()).collect();
        let now = clock.now();
        let resolver = live_resolver(
            storage.seeded_resolver(),
            Arc::new(client()),
            DockerConfig::from_env(),
            self.state,
            clock,
        );
        let resolver = self.unknown.before(&resolver);
        let deadline = || Instant::now() + timeout;
        let context = JudgeContext {
            policies: self.policies,
            namespaces: &self.namespaces,
            resolver: &resolver,
            now,
            deadline: &deadline,
            progress,
        };
        let mut verdicts = judge(&context, &judged).await.into_iter();
        is_judged.into_iter().map(|is_judged| is_judged.then(|| verdicts.next()).flatten()).collect()
    }
}
