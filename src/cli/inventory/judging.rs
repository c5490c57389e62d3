//! The answers that the inventory rests on.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::cli::docker_config::DockerConfig;
use crate::cli::from_cluster::ClusterView;
use crate::cli::settings::Storage;
use crate::clock::{SharedClock, SystemClock};
use crate::gitops::inventory::{Answer, Answers};
use crate::gitops::judge::{JudgeContext, Question, judge};
use crate::notary::NotaryClient;
use crate::trust::Resolver;

/// Asks about each image once, but for those in namespaces that the webhooks are not asked about.
pub async fn answers(
    questions: HashSet<Question>,
    cluster: &ClusterView,
    storage: &Storage,
    clock: SharedClock,
    timeout: Duration,
) -> Answers {
    // Connections are judged by the real clock, trust data by the one that was asked for.
    let source = Arc::new(NotaryClient::new(Arc::new(SystemClock)));
    let credentials = Arc::new(DockerConfig::from_env());
    let now = clock.now();
    let resolver =
        Resolver::new(storage.seeded_resolver(), source, credentials, cluster.state.clone(), clock);
    let is_excluded = |question: &Question| cluster.is_excluded(&cluster.namespace(&question.namespace));
    let (excluded, asked): (Vec<_>, Vec<_>) = questions.into_iter().partition(is_excluded);
    let deadline = || Instant::now() + timeout;
    let context = JudgeContext {
        policies: Arc::clone(&cluster.policies),
        namespaces: &cluster.namespaces,
        resolver: &resolver,
        now,
        deadline: &deadline,
        progress: &|_, _| {},
    };
    let verdicts = judge(&context, &asked).await;
    let judged = asked.into_iter().zip(verdicts).map(|(question, verdict)| (question, Answer::of(verdict)));
    let excluded = excluded.into_iter().map(|question| {
        let answer = Answer::excluded(&question.image, &question.namespace);
        (question, answer)
    });
    judged.chain(excluded).collect()
}
