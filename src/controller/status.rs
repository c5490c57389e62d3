//! [`StatusWriter`]: says in each policy's status whether it compiled, whether its trust data is fresh, and whether the API
//! server asks tagseal at all.
//!
//! All conditions go into one server-side apply, by one field manager, so that neither write undoes the other. Conditions
//! of other managers are left alone, because what a server-side apply does not name it does not own.
//!
//! The leader alone writes: replicas hold different repositories, and would contradict each other. It writes nothing that
//! stands already, so that a cluster in which nothing changes sees no write, and puts right what another hand wrote. Of trust
//! data it says what it holds itself; of what it was never asked for it leaves what stands.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::apart::apart;
use super::apply::{Refused, apply};
use super::condition::{Says, find};
use super::events::{Events, Notice};
use super::in_force::Enforcement;
use super::leader::Leadership;
use super::news::news;
use super::pace::Pace;
use super::policies::Published;
use super::pull_rights::{PullSecretRemarks, Remarks};
use super::retries::{Retries, Wake};
use super::trust_data::{Holdings, TrustData, holdings};
use super::watched::Watched;
use crate::api::TrustPolicyStatus;
use crate::clock::SharedClock;
use crate::policy::{CompiledPolicy, PolicyError, PolicyId};

/// How often it is looked whether trust data is fresh.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// What trust data alone changes in a status is written at once a few times, then once in a while: a server that comes and
/// goes, or a roll-out that asks for one repository after the other, makes no write each.
const SETTLE: Pace = Pace::new(4, Duration::from_secs(30));

/// Writes the status of policies, for as long as it leads.
#[derive(Clone)]
pub(super) struct StatusWriter {
    pub(super) client: Client,
    pub(super) clock: SharedClock,
    pub(super) leadership: Leadership,
    pub(super) events: Events,
    pub(super) enforcement: watch::Receiver<Option<Arc<Enforcement>>>,
}

/// Writes the status of what a [`PolicyWatch`](super::PolicyWatch) publishes. No decision depends on it: it may end, and a
/// clone begin anew.
#[derive(Clone)]
pub struct PolicyStatuses {
    pub(super) writer: StatusWriter,
    /// Nothing is ever read from this one, so that a clone begins with what was published last.
    pub(super) published: watch::Receiver<Option<Published>>,
    pub(super) trust: Arc<dyn TrustData>,
    pub(super) pull_secrets: Option<PullSecretRemarks>,
}

impl fmt::Debug for PolicyStatuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PolicyStatuses")
    }
}

impl PolicyStatuses {
    /// The same, which say too whether tagseal may read the pull secrets that policies count on.
    #[must_use]
    pub fn with_pull_secrets(self, remarks: PullSecretRemarks) -> Self {
        Self { pull_secrets: Some(remarks), ..self }
    }

    /// Writes until nothing is published any more.
    pub async fn run(self) {
        self.writer.run(self.published, self.trust, self.pull_secrets).await;
    }
}

/// What a policy's status should say.
#[derive(Debug)]
struct Wanted {
    ready: Says,
    /// `None`: whatever stands.
    data: Option<Data>,
    /// `None`: whatever stands.
    enforced: Option<Says>,
}

#[derive(Debug)]
struct Data {
    fresh: Says,
    repositories: i64,
}

/// A status that is to be written.
struct Due {
    object: Arc<Watched>,
    status: TrustPolicyStatus,
    /// What is to be told once it is written.
    news: Vec<Notice>,
}

/// What was written last: it stands until the watch shows a newer version of the object than `version`.
struct Written {
    version: Option<String>,
    status: TrustPolicyStatus,
}

/// What the leader knows of statuses.
struct Desk {
    clock: SharedClock,
    /// Since when this replica leads: what others hold it knows nothing of.
    began: Timestamp,
    written: BTreeMap<PolicyId, Written>,
    paces: BTreeMap<PolicyId, Pace>,
}

impl StatusWriter {
    /// Writes the statuses of what is published, the newest alone, until nothing more is. What could not be written is
    /// tried again.
    pub(super) async fn run(
        mut self,
        mut published: watch::Receiver<Option<Published>>,
        trust: Arc<dyn TrustData>,
        pull_secrets: Option<PullSecretRemarks>,
    ) {
        let mut desk = Desk::new(self.clock.clone());
        let mut retries = Retries::default();
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wake = tokio::select! {
                changed = published.changed() => match changed {
                    Ok(()) => Wake::Policies,
                    Err(_) => return,
                },
                () = changes(&mut self.enforcement) => Wake::Policies,
                () = retries.over() => Wake::Retry,
                _ = ticks.tick() => Wake::Tick,
                () = self.leadership.changed() => {
                    // What others wrote meanwhile stands in the watch.
                    desk = Desk::new(self.clock.clone());
                    Wake::Policies
                }
            };
            if !self.leadership.is_leader() {
                retries = Retries::default();
                continue;
            }
            let Some(newest) = published.borrow_and_update().clone() else { continue };
            let now = self.clock.now();
            let Some(holdings) = look(&newest, Arc::clone(&trust), now).await else { return };
            let enforced =
                self.enforcement.borrow_and_update().as_ref().map(|enforcement| enforcement.says());
            let remarks = match &pull_secrets {
                Some(pull_secrets) => pull_secrets.of(&newest.set).await,
                None => Remarks::new(),
            };
            let mut due = desk.due(&newest, &holdings, &remarks, enforced.as_ref());
            due.retain(|one| retries.lets(wake, &one.object.id));
            let failed = self.write(due, &mut desk).await;
            retries.note(wake, failed);
        }
    }

    /// Writes these, and returns those that are to be tried again.
    async fn write(&self, due: Vec<Due>, desk: &mut Desk) -> Vec<PolicyId> {
        let mut failed = Vec::new();
        let mut first = None;
        let mut is_there = true;
        for one in due {
            // Every write goes through here.
            if !self.leadership.is_leader() {
                break;
            }
            let id = one.object.id.clone();
            if !is_there {
                failed.push(id);
                continue;
            }
            match apply(&self.client, &one.object, &one.status).await {
                Ok(()) => {
                    for notice in desk.wrote(one) {
                        self.events.post(notice);
                    }
                }
                // What is gone has no status, and is not asked about again.
                Err(Refused::Gone) => drop(desk.wrote(one)),
                Err(refused) => {
                    is_there = !matches!(refused, Refused::NoAnswer(_));
                    first.get_or_insert((id.clone(), refused));
                    failed.push(id);
                }
            }
        }
        if let Some((policy, error)) = first {
            tracing::warn!(%policy, %error, unwritten = failed.len(), "statuses cannot be written; decisions do not depend on them");
        }
        failed
    }
}

/// Waits until something else is in force; never returns where nobody looks.
async fn changes(enforcement: &mut watch::Receiver<Option<Arc<Enforcement>>>) {
    if enforcement.changed().await.is_err() {
        std::future::pending().await
    }
}

/// What the policies rest on. On a thread of its own: with thousands of repositories it takes milliseconds, which
/// admissions are not to wait for. `None`: the runtime shuts down.
async fn look(
    published: &Published,
    trust: Arc<dyn TrustData>,
    now: Timestamp,
) -> Option<BTreeMap<Arc<PolicyId>, Holdings>> {
    let set = Arc::clone(&published.set);
    apart(move || holdings(&set, &trust.health(), now)).await
}

impl Desk {
    fn new(clock: SharedClock) -> Self {
        let began = clock.now();
        Self { clock, began, written: BTreeMap::new(), paces: BTreeMap::new() }
    }

    /// What does not stand there yet.
    fn due(
        &mut self,
        published: &Published,
        holdings: &BTreeMap<Arc<PolicyId>, Holdings>,
        remarks: &Remarks,
        enforced: Option<&Says>,
    ) -> Vec<Due> {
        let objects: BTreeMap<_, _> = published.objects.iter().map(|object| (&object.id, object)).collect();
        self.written.retain(|id, _| objects.contains_key(id));
        self.paces.retain(|id, _| objects.contains_key(id));
        let nothing = Holdings::default();
        let mut due = Vec::new();
        for (policy, errors) in published.set.policies() {
            let Some(object) = objects.get(&**policy.id()) else { continue };
            let holdings = holdings.get(policy.id()).unwrap_or(&nothing);
            let ready = Says::ready(policy, &errors, remarks.get(policy.id()).map(String::as_str));
            due.extend(self.due_for(object, ready, policy, &errors, holdings, enforced));
        }
        due
    }

    fn due_for(
        &self,
        object: &Arc<Watched>,
        ready: Says,
        policy: &CompiledPolicy,
        errors: &[PolicyError],
        holdings: &Holdings,
        enforced: Option<&Says>,
    ) -> Option<Due> {
        let now = self.clock.now();
        let current =
            self.written.get(&object.id).filter(|written| written.version == object.resource_version);
        let standing = current.map_or(&object.status, |written| &written.status);
        let generation = object.generation;
        let wanted = Wanted {
            ready,
            enforced: enforced.cloned(),
            data: match (errors, policy.freshness()) {
                ([], Some(freshness)) => {
                    let may_speak = now.duration_since(self.began) > freshness.max_staleness;
                    let leaves = holdings.is_empty() && !may_speak && speaks_of_data(standing, generation);
                    (!leaves).then(|| Data { fresh: holdings.says(), repositories: holdings.repositories() })
                }
                _ => Some(Data { fresh: Says::invalid(), repositories: 0 }),
            },
        };
        let is_ready = standing.observed_generation == generation
            && [Some(&wanted.ready), enforced]
                .into_iter()
                .flatten()
                .all(|says| says.stands_in(&standing.conditions, generation));
        let settles = || self.paces.get(&object.id).is_some_and(|pace| !pace.lets(Instant::now()));
        if is_ready && (wanted.data_stands_in(standing, generation) || settles()) {
            return None;
        }
        let status = wanted.status(standing, generation, now);
        let news = news(object, standing, &status);
        Some(Due { object: Arc::clone(object), status, news })
    }

    /// Takes note of it; answers what is to be told.
    fn wrote(&mut self, due: Due) -> Vec<Notice> {
        let version = due.object.resource_version.clone();
        let id = due.object.id.clone();
        self.paces.entry(id.clone()).or_insert(SETTLE).takes(Instant::now());
        self.written.insert(id, Written { version, status: due.status });
        due.news
    }
}

/// Whether a status speaks of the trust data of this generation. A leader that was asked nothing yet leaves that alone for
/// as long as such data may serve: it knows less than whoever wrote it.
fn speaks_of_data(status: &TrustPolicyStatus, generation: Option<i64>) -> bool {
    find(&status.conditions, TrustPolicyStatus::TRUST_DATA_FRESH)
        .is_some_and(|condition| condition.observed_generation == generation && condition.status != "Unknown")
}

impl Wanted {
    fn data_stands_in(&self, standing: &TrustPolicyStatus, generation: Option<i64>) -> bool {
        self.data.as_ref().is_none_or(|data| {
            standing.repositories == Some(data.repositories)
                && data.fresh.stands_in(&standing.conditions, generation)
        })
    }

    fn status(
        &self,
        standing: &TrustPolicyStatus,
        generation: Option<i64>,
        now: Timestamp,
    ) -> TrustPolicyStatus {
        let condition = |says: &Says| says.condition(&standing.conditions, generation, now);
        let (fresh, repositories): (Option<Condition>, _) = match &self.data {
            Some(data) => (Some(condition(&data.fresh)), Some(data.repositories)),
            None => {
                let fresh = find(&standing.conditions, TrustPolicyStatus::TRUST_DATA_FRESH);
                (fresh.cloned(), standing.repositories)
            }
        };
        let enforced = match &self.enforced {
            Some(enforced) => Some(condition(enforced)),
            None => find(&standing.conditions, TrustPolicyStatus::ENFORCED).cloned(),
        };
        TrustPolicyStatus {
            conditions: [condition(&self.ready)].into_iter().chain(fresh).chain(enforced).collect(),
            observed_generation: generation,
            repositories,
        }
    }
}
