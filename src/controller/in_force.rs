//! [`InForce`]: whether what makes the API server ask tagseal is there, and as the chart has it.
//!
//! A webhook configuration that is deleted or narrowed, or a definition that is deleted, takes protection away without a
//! request that tagseal could refuse. So every replica watches both configurations and the definitions, and shows in its
//! metrics what it sees. The leader says each change once: in the log, in an Event on the object (an Event needs no object
//! that is there), and in the condition `Enforced` of every policy.
//!
//! "In force" is decided by functions of what the API server has and of what the chart gave to `serve` ([`judge`]). What
//! cannot be read is not known to be in force. Readiness does not depend on it, but for one thing: a replica whose
//! certificate no `caBundle` covers yet waits for it, because every call would fail ([`Coverage`]).

mod bundle;
mod coverage;
mod judge;
mod news;
mod shipped;
mod sights;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::Client;
use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::coverage::Coverage;
use self::judge::Findings;
pub use self::judge::{Expected, Lapse, LapseReason, MatchCondition};
use self::news::News;
use self::sights::{Part, Seen, Sight};
use super::condition::Says;
use super::events::Events;
use super::leader::Leadership;
use super::pace::Pace;
use crate::api::TrustPolicyStatus;
use crate::clock::SharedClock;
use crate::telemetry::Metrics;

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Who makes the webhook configurations anew makes them without `caBundle`, which is written right after: until this is over,
/// that is no news. What it would hide fails closed.
const BUNDLE_SETTLES: Duration = Duration::from_secs(5);
/// Two that fight over a configuration make so many changes of every policy's status at once, then one in such a time.
const CHANGES: Pace = Pace::new(20, Duration::from_secs(5));

/// What is looked at.
#[derive(Debug, Clone)]
pub struct InForceOptions {
    /// The name of both webhook configurations.
    pub webhook_configuration: String,
    /// What they have to be like.
    pub expected: Expected,
}

/// What is in force, of all that protection rests on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enforcement {
    /// What is missing, with the object's kind and name, the worst first.
    pub lapses: Vec<(String, Lapse)>,
    /// What is in order, and worth knowing.
    pub notes: Vec<String>,
}

impl Enforcement {
    /// The condition `Enforced` of every policy.
    pub(super) fn says(&self) -> Says {
        let says = |status, reason, message| Says::new(TrustPolicyStatus::ENFORCED, status, reason, message);
        let Some((_, worst)) = self.lapses.first() else {
            let notes: String = self.notes.iter().map(|note| format!("; {note}")).collect();
            let message = "the API server asks tagseal about every image that the chart covers";
            return says("True", "InForce", format!("{message}{notes}"));
        };
        let all: Vec<_> =
            self.lapses.iter().map(|(what, lapse)| format!("{what}: {}", lapse.found)).collect();
        let status = if worst.reason == LapseReason::NotReadable { "Unknown" } else { "False" };
        let message = format!("{}; {}", all.join("; "), news::remedy(worst.reason));
        says(status, worst.reason.as_str(), message)
    }
}

/// Watches what has to be in force. A clone that runs begins anew.
#[derive(Clone)]
pub struct InForce {
    client: Client,
    expected: Expected,
    sights: Vec<Sight>,
    leadership: Leadership,
    events: Events,
    metrics: Metrics,
    clock: SharedClock,
    /// What this replica serves; `None`: it is in files, and not compared.
    served: Option<watch::Receiver<Option<Arc<CertifiedKey>>>>,
    published: watch::Sender<Option<Arc<Enforcement>>>,
    coverage: Coverage,
    news: News,
    pace: Pace,
    /// Since when a `caBundle` is wrong.
    uncovered: Option<Instant>,
}

impl std::fmt::Debug for InForce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InForce")
    }
}

impl InForce {
    /// Nothing is read before [`Self::run`].
    pub fn new(
        client: Client,
        options: InForceOptions,
        leadership: Leadership,
        events: Events,
        metrics: Metrics,
        clock: SharedClock,
    ) -> Self {
        Self {
            client,
            sights: sights::all(&options.webhook_configuration),
            expected: options.expected,
            leadership,
            events,
            metrics,
            clock,
            served: None,
            published: watch::channel(None).0,
            coverage: Coverage::default(),
            news: News::default(),
            pace: CHANGES,
            uncovered: None,
        }
    }

    /// The same; `caBundle` has to cover this certificate.
    #[must_use]
    pub fn serving(self, served: watch::Receiver<Option<Arc<CertifiedKey>>>) -> Self {
        Self { served: Some(served), ..self }
    }

    /// What is in force; `None` until it is known.
    pub fn enforcement(&self) -> watch::Receiver<Option<Arc<Enforcement>>> {
        self.published.subscribe()
    }

    /// Turns true once, when `caBundle` covers what this replica serves wherever that can be seen, or when there is nothing to
    /// wait for any more.
    pub fn is_covered(&self) -> watch::Receiver<bool> {
        self.coverage.subscribe()
    }

    /// Watches; never returns.
    pub async fn run(mut self) {
        let mut shown = sights::watches(&self.sights, &self.client, &self.clock);
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let began = Instant::now();
        loop {
            tokio::select! {
                Some((place, event)) = shown.next() => {
                    if let Some(sight) = self.sights.get_mut(place) {
                        sight.take(event);
                    }
                }
                () = self.leadership.changed() => self.news = News::default(),
                _ = ticks.tick() => {}
            }
            self.look(began.elapsed());
        }
    }

    /// Judges all that is seen, and says what is new.
    fn look(&mut self, since_start: Duration) {
        let served = self.served.as_ref().and_then(|served| served.borrow().clone());
        let now = self.clock.now();
        let flaw = |bundle: Option<&str>| bundle::flaw(bundle, served.as_deref(), now);
        let is_new = |sight: &Sight| matches!(sight.seen, Seen::Nothing);
        let flawed = self.sights.iter().filter(|sight| coverage::is_flawed(sight, &flaw)).count();
        if self.served.is_some() {
            let is_known = served.is_some() && !self.sights.iter().any(coverage::is_awaited);
            self.coverage.take(is_known && flawed == 0, since_start);
        }
        let settles = match (flawed, self.uncovered) {
            (0, _) => {
                self.uncovered = None;
                false
            }
            (_, since) => {
                self.uncovered.insert(since.unwrap_or_else(Instant::now)).elapsed() < BUNDLE_SETTLES
            }
        };
        let bundle = |bundle: Option<&str>| flaw(bundle).filter(|_| !settles);
        let findings: Vec<_> =
            self.sights.iter().map(|sight| findings(sight, &self.expected, &bundle)).collect();
        for (sight, findings) in self.sights.iter().zip(&findings) {
            if !is_new(sight) {
                self.metrics.in_force(label(sight), findings.lapses.is_empty());
            }
        }
        let is_complete = !self.sights.iter().any(is_new);
        let enforcement = enforcement(&self.sights, findings);
        if is_complete || !enforcement.lapses.is_empty() {
            self.say(enforcement);
        }
    }

    fn say(&mut self, enforcement: Enforcement) {
        let is_same = self.published.borrow().as_deref() == Some(&enforcement);
        let now = Instant::now();
        if !is_same && self.pace.lets(now) {
            self.pace.takes(now);
            self.published.send_replace(Some(Arc::new(enforcement)));
        }
        if self.leadership.is_leader()
            && let Some(published) = self.published.borrow().clone()
        {
            self.news.tell(&self.sights, &published, &self.events);
        }
    }
}

fn label(sight: &Sight) -> (&'static str, &'static str) {
    match sight.part {
        Part::Configuration(_) => ("configuration", sight.label),
        Part::Definition => ("definition", sight.label),
    }
}

/// What is wrong with one object. `bundle`: with a `caBundle`.
fn findings(sight: &Sight, expected: &Expected, bundle: &dyn Fn(Option<&str>) -> Option<String>) -> Findings {
    let mut findings = Findings::default();
    match (&sight.seen, sight.part) {
        (Seen::Nothing, _) => {}
        (Seen::Refused(why), _) => {
            findings.lapse(LapseReason::NotReadable, format!("it cannot be read: {why}"))
        }
        (Seen::Absent, Part::Configuration(_)) => {
            findings.lapse(LapseReason::WebhookMissing, "it is not there".to_owned());
        }
        (Seen::Absent, Part::Definition) => {
            findings.lapse(LapseReason::DefinitionMissing, "it is not there".to_owned());
        }
        (Seen::There(object), Part::Configuration(webhooks)) => {
            return judge::configuration(object, webhooks, expected, bundle);
        }
        (Seen::There(object), Part::Definition) => return judge::definition(object),
    }
    findings
}

fn enforcement(sights: &[Sight], findings: Vec<Findings>) -> Enforcement {
    let mut enforcement = Enforcement::default();
    for (sight, found) in sights.iter().zip(findings) {
        let what = sight.what();
        enforcement.lapses.extend(found.lapses.into_iter().map(|lapse| (what.clone(), lapse)));
        enforcement.notes.extend(found.notes);
    }
    enforcement.lapses.sort_by(|(a, x), (b, y)| x.reason.cmp(&y.reason).then_with(|| a.cmp(b)));
    enforcement
}
