//! [`Keeper`]: what only the leader does: one step of the plan after the other, and `caBundle` kept right.

mod pace;

use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher::{self, Event};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use self::pace::Pace;
use super::bundle::{Configurations, Kind, Read, called, is_everywhere};
use super::call::Failed;
use super::material::Material;
use super::plan::{InForce, Next, Sight, Step, Wanted, decide, perform};
use super::secret::{Store, sight};
use super::serving::Shown;
use crate::clock::SharedClock;
use crate::controller::Leadership;
use crate::controller::follow::follow;
use crate::controller::trouble::Subject;

/// How often all is looked at, even if nothing seems to have changed: the clock may have been set.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// How often the clock and the leadership are looked at, which costs nothing. Timers stand still while a machine sleeps, and a term
/// that is over by the wall clock alone, and is renewed before the election notices, is no change of leadership.
const GLANCE_EVERY: Duration = Duration::from_secs(5);
/// So many rounds are made at once. A rotation takes three; more is somebody else's writing.
const ROUNDS: usize = 12;

/// The leader's part.
pub(super) struct Keeper {
    pub(super) store: Store,
    pub(super) configurations: Configurations,
    pub(super) wanted: Wanted,
    pub(super) leadership: Leadership,
    pub(super) clock: SharedClock,
    pub(super) shown: watch::Receiver<Shown>,
    pub(super) in_force: InForce,
    pub(super) pace: Pace,
}

/// How long there is nothing to do.
struct Pause {
    at_most: Duration,
    /// By the wall clock.
    until: Timestamp,
}

impl Pause {
    /// Waits until it is over, `goes_on` is no more, or the clock was set back: what was valid may not be then.
    async fn passes(self, clock: &SharedClock, goes_on: impl Fn() -> bool) {
        let (begins, over) = (clock.now(), Instant::now() + self.at_most);
        let is_set_back = |now: Timestamp| begins.duration_since(now) > SignedDuration::from_secs(1);
        loop {
            let (now, left) = (clock.now(), over.saturating_duration_since(Instant::now()));
            if left.is_zero() || now >= self.until || is_set_back(now) || !goes_on() {
                return;
            }
            sleep(left.min(GLANCE_EVERY)).await;
        }
    }
}

/// What became of a round.
enum Round {
    /// Something was written, or somebody else wrote: there may be more to do.
    Again,
    /// There is nothing to do before then.
    Rest(Timestamp),
    /// Not everything was done; it is tried again soon.
    Failed(Vec<String>),
}

impl Keeper {
    /// Keeps all of it right while this replica leads; never returns.
    pub(super) async fn run(mut self) {
        let kinds = self.configurations.kinds().map(|kind| self.changes(kind).boxed());
        let mut changes: BoxStream<'static, ()> = futures::stream::select_all(kinds).boxed();
        loop {
            let leads = self.leadership.is_leader();
            let pause = if leads { self.tend().await } else { self.rests() };
            let (leadership, clock) = (self.leadership.clone(), self.clock.clone());
            tokio::select! {
                Some(()) = changes.next() => {}
                Ok(()) = self.shown.changed() => {}
                () = self.leadership.changed() => {}
                () = pause.passes(&clock, || leadership.is_leader() == leads) => {}
            }
        }
    }

    /// What another leader does meanwhile is not seen by this one.
    fn rests(&mut self) -> Pause {
        self.in_force.forget();
        self.pace = Pace::default();
        Pause { at_most: LOOK_EVERY, until: Timestamp::MAX }
    }

    fn changes(&self, kind: &Kind) -> impl Stream<Item = ()> + Send + use<> {
        let subject = Subject {
            what: self.configurations.what(kind),
            resource: kind.resource_name(),
            meanwhile: "its caBundle is looked at once an hour",
        };
        let config =
            watcher::Config::default().fields(&format!("metadata.name={}", self.configurations.name()));
        follow(kind.api(), config, subject, self.clock.clone()).filter_map(async |event| {
            matches!(event, Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone)).then_some(())
        })
    }

    /// Does what is to do; answers how long there is nothing more.
    async fn tend(&mut self) -> Pause {
        let for_as_long = |at_most| Pause { at_most, until: Timestamp::MAX };
        for _ in 0..ROUNDS {
            match self.round().await {
                Round::Again => {}
                Round::Rest(until) => {
                    self.pace.works(self.clock.now());
                    let left = until.duration_since(self.clock.now()).max(SignedDuration::ZERO);
                    // A hundredth late rather than a hundredth early, and once more.
                    let left = left.saturating_add(SignedDuration::from_millis(10));
                    let at_most = Duration::try_from(left).unwrap_or(LOOK_EVERY).min(LOOK_EVERY);
                    return Pause { at_most, until };
                }
                Round::Failed(errors) => {
                    return for_as_long(self.pace.fails(&errors.join("; "), self.clock.now()));
                }
            }
        }
        for_as_long(self.pace.fails("somebody else keeps writing what tagseal writes", self.clock.now()))
    }

    /// One round: read the configurations, then the Secret, then write one thing.
    ///
    /// In this order, because a bundle is only ever written over the configuration that was read *before* the Secret that it
    /// is taken from: so nobody who was slow puts an older bundle in the place of a newer one.
    async fn round(&mut self) -> Round {
        if !self.leadership.is_leader() {
            return Round::Rest(Timestamp::MAX);
        }
        let configurations = self.configurations.read().await;
        let secret = match self.store.read().await {
            Ok(secret) => secret,
            Err(error) => return Round::Failed(vec![self.told(&error)]),
        };
        let now = self.clock.now();
        let seen = sight(secret.as_ref());
        let bundle = match &seen {
            Sight::Held { material, .. } if !material.authorities.is_empty() => material.bundle().ok(),
            _ => None,
        };
        if let Some(bundle) = &bundle {
            self.in_force.note(bundle, is_everywhere(&configurations, bundle), now);
        }
        let since = bundle.as_ref().and_then(|bundle| self.in_force.since(bundle));
        let memory = self.shown.borrow().memory.clone();
        let wanted = self.wanted.and_for(called(&configurations));
        let (until, mut errors) = match decide(&seen, memory.as_deref(), since, &wanted, now) {
            Some(Next::Write(step)) => match self.write(step, &wanted, &seen, secret, memory, now).await {
                Ok(()) | Err(Failed::Conflict | Failed::Gone) => return Round::Again,
                Err(error) => (now, vec![self.told(&error)]),
            },
            Some(Next::Wait(until)) => (until, Vec::new()),
            None => (now, vec![self.foreign()]),
        };
        if let Some(bundle) = bundle {
            match self.spread(&configurations, &bundle, now).await {
                Ok(true) => return Round::Again,
                Ok(false) => {}
                Err(mut failed) => errors.append(&mut failed),
            }
        }
        if errors.is_empty() { Round::Rest(until) } else { Round::Failed(errors) }
    }

    /// Takes one step, unless this replica leads no more.
    async fn write(
        &self,
        step: Step,
        wanted: &Wanted,
        seen: &Sight,
        secret: Option<Secret>,
        memory: Option<Arc<Material>>,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let (held, damage) = match seen {
            Sight::Held { material, damage, .. } => (Some(&**material), damage.as_slice()),
            _ => (None, Default::default()),
        };
        let material = perform(step, held, memory.as_deref(), wanted, now)
            .map_err(|error| Failed::Other(error.to_string()))?;
        if !self.leadership.is_leader() {
            return Ok(());
        }
        self.store.write(secret, &material, step.heeds()).await?;
        let until = material.leaf.as_ref().map(|leaf| leaf.certificate.until.to_string());
        let authority = material.authorities.first().map(|newest| newest.certificate.until.to_string());
        tracing::info!(?step, ?damage, until, authority, "{} written: {}", self.store.what(), told(step));
        Ok(())
    }

    /// Gives every configuration the bundle that it lacks. Whether something was written, or has to be read again.
    async fn spread(&mut self, read: &Read, bundle: &str, now: Timestamp) -> Result<bool, Vec<String>> {
        let (mut again, mut errors) = (false, Vec::new());
        for (kind, configuration) in self.configurations.clone().kinds().into_iter().zip(read) {
            let seen = match configuration {
                Ok(Some(seen)) if !seen.carries(bundle) => seen,
                Ok(_) => continue,
                Err(error) => {
                    errors.push(format!("{}: {error}", self.configurations.what(kind)));
                    continue;
                }
            };
            self.pace.corrects(now).await;
            if !self.leadership.is_leader() {
                return Ok(true);
            }
            match self.configurations.write(kind, seen, bundle).await {
                Ok(()) => {
                    again = true;
                    let overwritten_by = seen.overwritten_by(bundle);
                    tracing::info!(overwritten_by, "{}: caBundle written", self.configurations.what(kind));
                }
                Err(Failed::Conflict | Failed::Gone) => again = true,
                Err(error) => errors.push(format!("{}: {error}", self.configurations.what(kind))),
            }
        }
        if errors.is_empty() { Ok(again) } else { Err(errors) }
    }

    fn told(&self, error: &Failed) -> String {
        format!("{}: {error}", self.store.what())
    }

    fn foreign(&self) -> String {
        format!(
            "{} was not made by tagseal, which leaves it alone; delete it, name another with --certificate-secret, or \
             serve it with --cert-dir",
            self.store.what()
        )
    }
}

fn told(step: Step) -> &'static str {
    match step {
        Step::Create => "a new authority and its first certificate",
        Step::Restore => "what it last held",
        Step::Authority => "a new authority, which issues as soon as the webhook configurations have it",
        Step::Leaf(0) => "a new certificate, issued by the newest authority",
        Step::Leaf(_) => "a new certificate, issued by an older authority: the newest is not everywhere yet",
        Step::Forget => "without the authorities that have expired",
        Step::Heed => "a new authority was asked for, and is under way",
    }
}
