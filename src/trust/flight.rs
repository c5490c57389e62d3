//! Single-flight: one refresh for all who ask alike, as a task of its own that outlives its callers.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::error::Refusal;
use super::grant::Accessor;
use super::moment::Moment;
use crate::tuf::RoleName;

/// How long a failure is remembered, so that a burst of admissions does not become a burst of requests.
const REMEMBER_FAILURE: Duration = Duration::from_secs(2);

/// The same for a failure that passes as soon as a secret exists. Who created it a moment ago is admitted at once.
const REMEMBER_PASSING: Duration = Duration::from_millis(500);

/// How far apart requests are that denials force (design §2 "Resolution").
const FORCED_APART: Duration = Duration::from_secs(1);

/// Failures of more accessors than this are not remembered.
const MAX_FAILURES: usize = 256;

/// How a refresh ended.
pub(super) type Landing = Result<(), Refusal>;

/// What is under way for one repository.
#[derive(Debug, Default)]
pub(super) struct Flights {
    flying: HashMap<FlightKey, Flight>,
    failures: HashMap<FlightKey, Failure>,
    /// When the last ones started, as long as that matters.
    started: HashMap<FlightKey, Moment>,
}

/// Whose refresh: credentials are never mixed, nor what may be pinned with what may not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FlightKey {
    pub(super) accessor: Accessor,
    /// Whether a first-use pin may be written.
    pub(super) pin: bool,
}

#[derive(Debug)]
struct Flight {
    started: Moment,
    roles: Vec<RoleName>,
    landing: watch::Receiver<Option<Landing>>,
}

#[derive(Debug)]
struct Failure {
    at: Moment,
    /// The delegation that it is about, where it is about one.
    role: Option<RoleName>,
    refusal: Refusal,
    /// For how long it is remembered.
    memory: Duration,
}

impl Failure {
    fn is_remembered(&self, now: &Moment) -> bool {
        self.at.remaining(self.memory, now).is_some()
    }
}

/// What is to be known of a refresh that failed, besides why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The delegation that it is about, where it is about one.
    pub(super) role: Option<RoleName>,
    /// Whether it may pass without anybody's doing.
    pub(super) is_passing: bool,
}

/// What somebody wants of a refresh.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) key: FlightKey,
    /// Roles that it must load.
    pub(super) roles: Vec<RoleName>,
    /// It must have started after that: what was sent before cannot have seen a publish since.
    pub(super) not_before: Option<Moment>,
    /// Nobody waits for it: it is void once the repository was reset more often than this. Only who asks starts anew.
    pub(super) under: Option<u64>,
}

/// What is to be done with a ticket.
#[derive(Debug)]
pub(super) enum Boarding {
    /// Wait for this refresh: it will do.
    Aboard {
        /// When it started.
        started: Instant,
        /// How it will have ended.
        landing: watch::Receiver<Option<Landing>>,
    },
    /// Another one of the kind is under way that will not do: wait for it, and come back.
    AfterThis(watch::Receiver<Option<Landing>>),
    /// Too soon: come back then.
    After(Duration),
    /// It failed a moment ago.
    Failed(Refusal),
    /// Start one, and send its end here.
    Start(watch::Sender<Option<Landing>>, watch::Receiver<Option<Landing>>),
}

/// What became of a refresh that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flown {
    /// It was committed.
    Fresh,
    /// The repository was reset, and nobody waits: nothing was done. Whoever joined looks again, and asks for himself.
    Void,
}

impl Flights {
    pub(super) fn board(&mut self, ticket: &Ticket, now: Moment) -> Boarding {
        if let Some(flight) = self.flying.get(&ticket.key) {
            let in_time = ticket.not_before.is_none_or(|not_before| flight.started.order > not_before.order);
            let landing = flight.landing.clone();
            return match in_time && ticket.roles.iter().all(|role| flight.roles.contains(role)) {
                true => Boarding::Aboard { started: flight.started.timer, landing },
                false => Boarding::AfterThis(landing),
            };
        }
        if let Some(failure) = self.failures.get(&ticket.key)
            && failure.is_remembered(&now)
            && failure.role.as_ref().is_none_or(|role| ticket.roles.contains(role))
        {
            return Boarding::Failed(failure.refusal.clone());
        }
        let wait = self.started.get(&ticket.key).and_then(|start| start.remaining(FORCED_APART, &now));
        if let Some(wait) = wait.filter(|_| ticket.not_before.is_some()) {
            return Boarding::After(wait);
        }
        let (sender, landing) = watch::channel(None);
        let flight = Flight { started: now, roles: ticket.roles.clone(), landing: landing.clone() };
        self.flying.insert(ticket.key.clone(), flight);
        self.started.retain(|_, start| start.remaining(FORCED_APART, &now).is_some());
        self.started.insert(ticket.key.clone(), now);
        Boarding::Start(sender, landing)
    }

    /// Takes a refresh off the list.
    pub(super) fn land(&mut self, key: &FlightKey, landing: &Landing, told: Told, now: Moment) {
        self.flying.remove(key);
        if self.flying.is_empty() {
            // Every repository has one of these, mostly for nothing.
            self.flying = HashMap::new();
        }
        match landing {
            Ok(()) => {
                self.failures.remove(key);
            }
            Err(refusal) => {
                self.failures.retain(|_, failure| failure.is_remembered(&now));
                if self.failures.len() < MAX_FAILURES {
                    let Told { role, is_passing } = told;
                    let memory = if is_passing { REMEMBER_PASSING } else { REMEMBER_FAILURE };
                    let failure = Failure { at: now, role, refusal: refusal.clone(), memory };
                    self.failures.insert(key.clone(), failure);
                }
            }
        }
    }

    /// What failed may not fail again.
    pub(super) fn forget_failures(&mut self) {
        self.failures = HashMap::new();
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.flying.is_empty()
    }
}
