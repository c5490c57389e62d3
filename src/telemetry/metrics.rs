//! [`Metrics`]: what a replica counts and measures.
//!
//! What an admission counts costs it a few additions to numbers that it found before: no lock, no allocation. Labels come from
//! closed lists of words, and from the policies; there is never one for what a pod's author can invent.

mod bounded;
mod catalogue;
mod collect;
mod exemptions;
mod histogram;
mod labels;
mod policies;
mod pools;
mod servers;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use prometheus_client::metrics::counter::Counter;

use self::bounded::Bounded;
use self::exemptions::ExemptionCounts;
use self::histogram::Histogram;
pub use self::labels::{Endpoint, Outcome, PolicyVerdict};
pub use self::policies::{Figures, PolicyCounts, PolicyFigures};
pub use self::pools::PoolCounts;
pub use self::servers::ServerCounts;
use self::words::Words;

/// So many policies have series of their own.
const MAX_POLICIES: usize = 1_000;
/// So many trust servers do. Policies name them, and namespaced ones only such as cluster policies name.
const MAX_SERVERS: usize = 100;

/// So many exemptions have series of their own.
const MAX_EXEMPTIONS: usize = 1_000;

/// `apiserver_admission_webhook_admission_duration_seconds` has these buckets, but the first three: there warm admissions,
/// which take microseconds, would all be one.
const ADMISSION_BUCKETS: [f64; 11] = [0.0001, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0];

/// The metrics of one process. Clones share everything.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    /// By endpoint, then by what came of it.
    admissions: [[Histogram<11>; Outcome::ALL.len()]; Endpoint::ALL.len()],
    /// Decisions that nothing stands against, by endpoint and word.
    passed: Mutex<BTreeMap<(Endpoint, &'static str), Counter>>,
    policies: Bounded<PolicyCounts>,
    exemptions: Bounded<ExemptionCounts>,
    /// Decisions that no policy is to blame for.
    no_policy: PolicyCounts,
    /// Changes when a policy's counts are not that policy's any more.
    generation: AtomicU64,
    cache: Words<2>,
    stale_answers: AtomicU64,
    refreshed: AtomicU64,
    /// Failed refreshes, by reason.
    not_refreshed: Mutex<BTreeMap<&'static str, u64>>,
    servers: Bounded<ServerCounts>,
    /// By name.
    pools: Mutex<BTreeMap<&'static str, Arc<PoolCounts>>>,
    resets: AtomicU64,
    state_writes: Words<3>,
    events: Words<3>,
    /// By part.
    restarts: Mutex<BTreeMap<&'static str, u64>>,
    log_lines_dropped: AtomicU64,
    figures: Mutex<Figures>,
    serving_expires: Gauge,
    authority_expires: Gauge,
    opted_out: Gauge,
    leads: Gauge,
    /// By label and its value.
    in_force: Mutex<BTreeMap<(&'static str, &'static str), bool>>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            admissions: std::array::from_fn(|_| std::array::from_fn(|_| Histogram::new(ADMISSION_BUCKETS))),
            passed: Mutex::default(),
            policies: Bounded::new(MAX_POLICIES),
            exemptions: Bounded::new(MAX_EXEMPTIONS),
            no_policy: PolicyCounts::default(),
            generation: AtomicU64::new(0),
            cache: Words::new(["hit", "miss"]),
            stale_answers: AtomicU64::new(0),
            refreshed: AtomicU64::new(0),
            not_refreshed: Mutex::default(),
            servers: Bounded::new(MAX_SERVERS),
            pools: Mutex::default(),
            resets: AtomicU64::new(0),
            state_writes: Words::new(["written", "conflict", "failed"]),
            events: Words::new(["posted", "suppressed", "failed"]),
            restarts: Mutex::default(),
            log_lines_dropped: AtomicU64::new(0),
            figures: Mutex::default(),
            serving_expires: Gauge::default(),
            authority_expires: Gauge::default(),
            opted_out: Gauge::default(),
            leads: Gauge::default(),
            in_force: Mutex::default(),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// One answered request, and how long it took.
    pub fn admission(&self, endpoint: Endpoint, answered: Outcome, took: Duration) {
        let of_endpoint = self.0.admissions.get(endpoint as usize);
        if let Some(histogram) = of_endpoint.and_then(|of| of.get(answered as usize)) {
            histogram.observe(took);
        }
    }

    /// What counts the decisions of `endpoint` that nothing stands against, by the decision's word. To be asked for once.
    pub fn passed(&self, endpoint: Endpoint, decision: &'static str) -> Counter {
        lock(&self.0.passed).entry((endpoint, decision)).or_default().clone()
    }

    /// A decision that something stands against. `policy` is whose word that is; `None`: no policy is to blame.
    pub fn refused(
        &self,
        endpoint: Endpoint,
        decision: &'static str,
        reason: &'static str,
        policy: Option<&PolicyCounts>,
    ) {
        policy.unwrap_or(&self.0.no_policy).decided(endpoint, decision, reason);
    }

    /// The counts of a policy, by its label. To be asked for once, and again when [`Self::generation`] is another: they are not
    /// shown any more when the policy is gone.
    pub fn policy(&self, label: &str) -> Arc<PolicyCounts> {
        self.0.policies.of(label)
    }

    /// Changes when [`Self::policy`] may have something else to say.
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// These are all policies, the most important first. The series of others go.
    pub fn policies(&self, labels: impl IntoIterator<Item = String>) {
        let first: BTreeSet<String> = labels.into_iter().take(MAX_POLICIES).collect();
        if self.0.policies.retain(&first) {
            self.0.generation.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// An exemption let one image pass.
    pub fn exempted(&self, endpoint: Endpoint, exemption: &str) {
        self.0.exemptions.of(exemption).exempted(endpoint);
    }

    /// These are all exemptions. The series of others go.
    pub fn exemptions(&self, names: impl IntoIterator<Item = String>) {
        self.0.exemptions.retain(&names.into_iter().take(MAX_EXEMPTIONS).collect());
    }

    /// What is the case now with policies and repositories, instead of what was.
    pub fn figures(&self, figures: Figures) {
        *lock(&self.0.figures) = figures.at_most(MAX_POLICIES, MAX_EXEMPTIONS);
    }

    /// The trust data in memory answered without waiting, or did not.
    pub fn looked_up(&self, hit: bool) {
        self.0.cache.count_at(usize::from(!hit));
    }

    /// An image was admitted by data that is older than wanted.
    pub fn stale_answer(&self) {
        add(&self.0.stale_answers);
    }

    /// A refresh of a repository is over; `Err`: why it failed.
    pub fn refreshed(&self, result: Result<(), &'static str>) {
        match result {
            Ok(()) => add(&self.0.refreshed),
            Err(reason) => *lock(&self.0.not_refreshed).entry(reason).or_default() += 1,
        }
    }

    /// The counts of the trust server at this address.
    pub fn server(&self, address: &str) -> Arc<ServerCounts> {
        self.0.servers.of(address.trim_end_matches('/'))
    }

    /// The counts of the pool of threads of this name.
    pub fn pool(&self, name: &'static str) -> Arc<PoolCounts> {
        Arc::clone(lock(&self.0.pools).entry(name).or_default())
    }

    /// Whether this replica is the leader.
    pub fn leads(&self, leads: bool) {
        self.0.leads.set(i64::from(leads));
    }

    /// When the certificate that this replica serves expires, in seconds of Unix time.
    pub fn serving_certificate_expires(&self, seconds: i64) {
        self.0.serving_expires.set(seconds);
    }

    /// When the newest certificate authority expires, in seconds of Unix time.
    pub fn authority_expires(&self, seconds: i64) {
        self.0.authority_expires.set(seconds);
    }

    /// Whether what protection rests on is in force: a `configuration`, or a `definition`, by its name.
    pub fn in_force(&self, of: (&'static str, &'static str), is_in_force: bool) {
        lock(&self.0.in_force).insert(of, is_in_force);
    }

    /// How many namespaces opted out.
    pub fn namespaces_opted_out(&self, namespaces: usize) {
        self.0.opted_out.set(i64::try_from(namespaces).unwrap_or(i64::MAX));
    }

    /// A `TrustedRepository` was deleted, and its memory with it.
    pub fn repository_reset(&self) {
        add(&self.0.resets);
    }

    /// A write of trust state to the cluster: `written`, `conflict` or `failed`.
    pub fn state_write(&self, result: &'static str) {
        self.0.state_writes.count(result);
    }

    /// A Kubernetes Event: `posted`, `suppressed` (rate limit) or `failed`.
    pub fn event(&self, result: &'static str) {
        self.0.events.count(result);
    }

    /// A part that is started anew when it ends: from now on 0 is shown of it.
    pub fn keeps(&self, part: &'static str) {
        lock(&self.0.restarts).entry(part).or_default();
    }

    /// It ended, and is started anew.
    pub fn restarted(&self, part: &'static str) {
        *lock(&self.0.restarts).entry(part).or_default() += 1;
    }

    /// So many lines of the log were dropped, because nobody read them or they could not be written.
    pub fn log_lines_dropped(&self, lines: u64) {
        self.0.log_lines_dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// All of it, in the text format of OpenMetrics.
    pub fn render(&self) -> String {
        collect::render(self)
    }

    /// The table of all metrics, in Markdown.
    pub fn table() -> String {
        catalogue::table()
    }
}

/// A number that is not there until it is set.
#[derive(Debug)]
struct Gauge(AtomicI64);

impl Default for Gauge {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Gauge {
    fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn value(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|value| *value != i64::MIN)
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
