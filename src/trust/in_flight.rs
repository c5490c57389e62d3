//! [`InFlight`]: the refreshes of one repository that are under way, which all who ask alike share, and those that failed a
//! moment ago.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::moment::Moment;
use crate::limits::REMEMBERED_FAILURES;
use crate::resolution::Refusal;
use crate::source::Requester;
use crate::tuf::RoleName;

/// How long a failure is remembered, so that a burst of admissions does not become a burst of requests.
const REMEMBER_FAILURE: Duration = Duration::from_secs(2);

/// The same for a failure that passes as soon as a secret exists. Who created it a moment ago is admitted at once.
const REMEMBER_PASSING: Duration = Duration::from_millis(500);

/// How far apart requests are that denials force (design §2 "Resolution").
const FORCED_APART: Duration = Duration::from_secs(1);

/// How a refresh ended.
pub(super) type RefreshResult = Result<(), Refusal>;

/// What is under way for one repository.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    running: HashMap<RefreshKey, Running>,
    failures: HashMap<RefreshKey, Failure>,
    /// When the last ones started, as long as that matters.
    started: HashMap<RefreshKey, Moment>,
}

/// Whose refresh: credentials are never mixed, nor what may be pinned with what may not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RefreshKey {
    pub(super) requester: Requester,
    /// Whether a first-use pin may be written.
    pub(super) pin: bool,
}

#[derive(Debug)]
struct Running {
    started: Moment,
    roles: Vec<RoleName>,
    result: watch::Receiver<Option<RefreshResult>>,
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
pub(super) struct FailureScope {
    /// The delegation that it is about, where it is about one.
    pub(super) role: Option<RoleName>,
    /// Whether it may pass without anybody's doing.
    pub(super) is_passing: bool,
}

/// What somebody wants of a refresh.
#[derive(Debug, Clone)]
pub(super) struct RefreshRequest {
    pub(super) key: RefreshKey,
    /// Roles that it must load.
    pub(super) roles: Vec<RoleName>,
    /// It must have started after that: what was sent before cannot have seen a publish since.
    pub(super) not_before: Option<Moment>,
}

impl RefreshRequest {
    /// One that nobody waits for: no role is needed, so that each is done without if it fails.
    pub(super) fn in_background(requester: Requester, pin: bool) -> Self {
        Self { key: RefreshKey { requester, pin }, roles: Vec::new(), not_before: None }
    }
}

/// What is to be done with a request.
#[derive(Debug)]
pub(super) enum Join {
    /// Wait for this refresh: it will do.
    Joined {
        /// When it started.
        started: Instant,
        /// How it will have ended.
        result: watch::Receiver<Option<RefreshResult>>,
    },
    /// Another one of the kind is under way that will not do: wait for it, and come back.
    Behind(watch::Receiver<Option<RefreshResult>>),
    /// Too soon: come back then.
    After(Duration),
    /// It failed a moment ago.
    Failed(Refusal),
    /// Start one, and send its end here.
    Start(watch::Sender<Option<RefreshResult>>, watch::Receiver<Option<RefreshResult>>),
}

impl InFlight {
    pub(super) fn join(&mut self, request: &RefreshRequest, now: Moment) -> Join {
        if let Some(running) = self.running.get(&request.key) {
            let in_time =
                request.not_before.is_none_or(|not_before| running.started.order > not_before.order);
            let result = running.result.clone();
            return match in_time && request.roles.iter().all(|role| running.roles.contains(role)) {
                true => Join::Joined { started: running.started.timer, result },
                false => Join::Behind(result),
            };
        }
        if let Some(failure) = self.failures.get(&request.key)
            && failure.is_remembered(&now)
            && failure.role.as_ref().is_none_or(|role| request.roles.contains(role))
        {
            return Join::Failed(failure.refusal.clone());
        }
        let wait = self.started.get(&request.key).and_then(|start| start.remaining(FORCED_APART, &now));
        if let Some(wait) = wait.filter(|_| request.not_before.is_some()) {
            return Join::After(wait);
        }
        let (sender, result) = watch::channel(None);
        let started = Running { started: now, roles: request.roles.clone(), result: result.clone() };
        self.running.insert(request.key.clone(), started);
        self.started.retain(|_, start| start.remaining(FORCED_APART, &now).is_some());
        self.started.insert(request.key.clone(), now);
        Join::Start(sender, result)
    }

    /// Takes a refresh off the list.
    pub(super) fn end(&mut self, key: &RefreshKey, result: &RefreshResult, scope: FailureScope, now: Moment) {
        self.running.remove(key);
        if self.running.is_empty() {
            // Every repository has one of these, mostly for nothing.
            self.running = HashMap::new();
        }
        match result {
            Ok(()) => {
                self.failures.remove(key);
            }
            Err(refusal) => {
                self.failures.retain(|_, failure| failure.is_remembered(&now));
                if self.failures.len() < REMEMBERED_FAILURES {
                    let FailureScope { role, is_passing } = scope;
                    let memory = if is_passing { REMEMBER_PASSING } else { REMEMBER_FAILURE };
                    let failure = Failure { at: now, role, refusal: refusal.clone(), memory };
                    self.failures.insert(key.clone(), failure);
                }
            }
        }
    }
}
