//! [`PullSecretRemarks`]: which policies count on pull secrets that tagseal may not read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::policy::{
    EntriesFuture, LacksFuture, LiveObjects, NamespaceLabels, ObjectRef, PolicyId, PolicySet, PullRights,
    Selector,
};

/// How often the API server is asked the same. What was granted, or taken away, is seen after that.
const ASK_EVERY: Duration = Duration::from_secs(30);
/// How long all answers may take: statuses wait for them.
const WAIT: Duration = Duration::from_secs(5);

/// What the API server says of tagseal's rights to read pull secrets, for the statuses of policies.
#[derive(Debug, Clone)]
pub struct PullSecretRemarks {
    objects: Arc<Remembered>,
    namespaces: Arc<dyn NamespaceLabels>,
    covered: Arc<Selector>,
    /// What is said while the API server does not answer in time.
    last: Arc<Mutex<Remarks>>,
}

/// What is to be said of policies.
pub(super) type Remarks = BTreeMap<Arc<PolicyId>, String>;

impl PullSecretRemarks {
    /// Asks `objects`. `covered` selects the namespaces that the webhooks ask about.
    pub fn new(
        objects: Arc<dyn LiveObjects>,
        namespaces: Arc<dyn NamespaceLabels>,
        covered: Arc<Selector>,
    ) -> Self {
        let objects = Arc::new(Remembered { objects, answers: Mutex::default() });
        Self { objects, namespaces, covered, last: Arc::default() }
    }

    /// What is to be said of these policies.
    pub(super) async fn of(&self, set: &PolicySet) -> Remarks {
        let rights =
            PullRights { objects: &*self.objects, namespaces: &*self.namespaces, covered: &self.covered };
        let all = async {
            let mut remarks = Remarks::new();
            for (policy, _) in set.policies() {
                // What the API server does not say is no news.
                if let Ok(Some(remark)) = rights.remark(policy).await {
                    remarks.insert(Arc::clone(policy.id()), remark);
                }
            }
            remarks
        };
        let said = timeout(WAIT, all).await;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(remarks) = said {
            *last = remarks;
        }
        last.clone()
    }
}

/// Asks about each namespace once in a while.
#[derive(Debug)]
struct Remembered {
    objects: Arc<dyn LiveObjects>,
    answers: Mutex<BTreeMap<Option<String>, Answer>>,
}

#[derive(Debug, Clone)]
struct Answer {
    at: Instant,
    lacks: Option<String>,
}

impl Remembered {
    fn answer(&self, namespace: Option<&str>) -> Option<Answer> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(&namespace.map(str::to_owned)).cloned()
    }
}

impl LiveObjects for Remembered {
    fn read<'a>(&'a self, object: &'a ObjectRef) -> EntriesFuture<'a> {
        self.objects.read(object)
    }

    fn lacks<'a>(&'a self, namespace: Option<&'a str>) -> LacksFuture<'a> {
        Box::pin(async move {
            let before = self.answer(namespace);
            if let Some(answer) = before.as_ref().filter(|answer| answer.at.elapsed() < ASK_EVERY) {
                return Ok(answer.lacks.clone());
            }
            let lacks = match (self.objects.lacks(namespace).await, before) {
                (Ok(lacks), _) => lacks,
                (Err(_), Some(before)) => before.lacks,
                (Err(error), None) => return Err(error),
            };
            let now = Instant::now();
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            // Namespaces come and go.
            answers.retain(|_, answer| now.duration_since(answer.at) < ASK_EVERY * 4);
            answers.insert(namespace.map(str::to_owned), Answer { at: now, lacks: lacks.clone() });
            Ok(lacks)
        })
    }
}
