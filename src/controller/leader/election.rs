//! [`Election`]: gets the Lease, keeps it, and goes on whatever happens.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::lease::{Candidate, Next, Seen, TERM, given_up};
use super::{Leadership, Office, Term};
use crate::backoff::jitter;
use crate::clock::SharedClock;
use crate::controller::apply::MANAGER;
use crate::controller::repeated::RepeatedError;
use crate::controller::trouble::chain;
use crate::telemetry::Metrics;

/// How often the lease is renewed, or looked at.
const EVERY: Duration = Duration::from_secs(2);
/// The same for who does not lead, while that fails.
const SELDOM: Duration = Duration::from_secs(10);
/// The longest that one request takes: two fit into a term, and a pause.
const REQUEST: Duration = Duration::from_secs(3);

/// Which lease, and whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElectionOptions {
    /// The lease's namespace: tagseal's own.
    pub namespace: String,
    /// Its name.
    pub lease: String,
    /// Who this is among the replicas.
    pub identity: String,
}

/// One replica's part in the election.
pub struct Election {
    api: Api<Lease>,
    lease: String,
    clock: SharedClock,
    metrics: Metrics,
    candidate: Candidate,
    /// As this replica last wrote it.
    held: Option<Lease>,
    /// As another one did.
    seen: Option<Seen>,
    leads: watch::Sender<bool>,
    term: watch::Sender<Option<Term>>,
    resigns: watch::Receiver<bool>,
    errors: RepeatedError,
}

/// Why the lease could be neither read nor written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Failed {
    /// Somebody else wrote or deleted it meanwhile, which decides it.
    #[error("the lease is not as it was read")]
    Conflict,
    /// Anything else.
    #[error("{0}")]
    Trouble(String),
}

impl Election {
    /// An election that begins once it runs, and the leadership that comes of it.
    pub fn new(
        client: Client,
        options: ElectionOptions,
        clock: SharedClock,
        metrics: Metrics,
    ) -> (Self, Leadership) {
        let ((leads, leadership), (term, terms)) = (watch::channel(false), watch::channel(None));
        let (resigns, resigned) = watch::channel(false);
        let office = Office { term: terms, clock: clock.clone(), resigns };
        let election = Self {
            api: Api::namespaced(client, &options.namespace),
            lease: options.lease,
            clock,
            metrics,
            candidate: Candidate { identity: options.identity, acquired: None },
            held: None,
            seen: None,
            leads,
            term,
            resigns: resigned,
            errors: RepeatedError::default(),
        };
        (election, Leadership { leads: leadership, office: Some(office) })
    }

    /// Takes part; never returns. Who resigned takes no part any more.
    pub async fn run(mut self) {
        self.metrics.leads(false);
        let mut resigns = self.resigns.clone();
        tokio::select! {
            biased;
            _ = resigns.wait_for(|resigns| *resigns) => {}
            () = self.take_part() => {}
        }
        drop(resigns);
        self.give_up().await;
        // Its end is the answer to who waits for the lease to be given up.
        drop(self);
        std::future::pending().await
    }

    async fn take_part(&mut self) {
        let mut pause = EVERY;
        loop {
            let attempt = self.attempt().await;
            pause = match &attempt {
                Err(Failed::Trouble(_)) if self.held.is_none() => (pause * 2).min(SELDOM),
                _ => EVERY,
            };
            self.note(attempt);
            self.rests(pause + jitter(pause / 4)).await;
        }
    }

    /// Waits for so long; a term that ends meanwhile is lost.
    async fn rests(&mut self, pause: Duration) {
        let over = sleep(pause);
        tokio::pin!(over);
        let term = *self.term.borrow();
        if let Some(term) = term {
            tokio::select! {
                () = &mut over => return,
                () = sleep_until(term.until) => self.loses("it could not be renewed in time"),
            }
        }
        over.await;
    }

    /// One look at the lease, and what follows from it; never longer than the term lasts.
    async fn attempt(&mut self) -> Result<(), Failed> {
        let term = *self.term.borrow();
        let patience =
            term.map_or(REQUEST, |term| term.until.saturating_duration_since(Instant::now()).min(REQUEST));
        timeout(patience, self.attempts()).await.unwrap_or_else(|_| {
            Err(Failed::Trouble(format!("the API server did not answer within {} s", patience.as_secs_f32())))
        })
    }

    async fn attempts(&mut self) -> Result<(), Failed> {
        let now = self.clock.now();
        if let Some(held) = &self.held {
            return self.write(self.candidate.renewed(held.clone(), now)).await;
        }
        let lease = self.api.get_opt(&self.lease).await.map_err(Failed::of)?;
        let (seen, at) = (self.seen.clone(), Instant::now());
        let next = match lease {
            Some(lease) => self.candidate.judge(lease, seen, at, now),
            None => self.candidate.judge_none(&self.lease, seen, at, now),
        };
        match next {
            Next::Write(lease) => self.write(lease).await,
            Next::Wait(seen) => {
                self.seen = Some(seen);
                Ok(())
            }
        }
    }

    /// Writes the lease. The term begins before the request does: nobody saw it written any earlier.
    async fn write(&mut self, lease: Lease) -> Result<(), Failed> {
        let begins = self.term_from_now();
        let written = match lease.metadata.resource_version {
            Some(_) => self.api.replace(&self.lease, &by_us(), &lease).await,
            None => self.api.create(&by_us(), &lease).await,
        };
        self.held = Some(written.map_err(Failed::of)?);
        self.seen = None;
        self.leads_for(begins);
        Ok(())
    }

    fn term_from_now(&self) -> Term {
        let wall = self.clock.now();
        Term { until: Instant::now() + TERM, on_the_wall: wall.saturating_add(TERM).unwrap_or(wall) }
    }

    fn leads_for(&mut self, term: Term) {
        self.term.send_replace(Some(term));
        if !*self.leads.borrow() {
            tracing::info!(lease = self.lease, identity = self.candidate.identity, "this replica leads");
            self.metrics.leads(true);
            self.leads.send_replace(true);
        }
    }

    /// Stops leading. What was held is read again before it is written again.
    fn loses(&mut self, why: &str) {
        self.held = None;
        self.term.send_replace(None);
        if *self.leads.borrow() {
            tracing::warn!(
                lease = self.lease,
                identity = self.candidate.identity,
                cause = why,
                "this replica leads no more"
            );
            self.metrics.leads(false);
            self.leads.send_replace(false);
        }
    }

    /// Takes note of how an attempt ended.
    fn note(&mut self, attempt: Result<(), Failed>) {
        let now = self.clock.now();
        match attempt {
            Ok(()) => {
                if self.errors.ends().is_some() {
                    let holder = self.seen.as_ref().and_then(Seen::holder);
                    tracing::info!(lease = self.lease, holder, "the lease can be read and written again");
                }
            }
            Err(Failed::Conflict) => self.loses("somebody else wrote or deleted the lease"),
            Err(Failed::Trouble(error)) => {
                if self.errors.occurs(&error, now).is_some() {
                    tracing::warn!(
                        lease = self.lease,
                        error,
                        "the lease cannot be read or written; decisions do not depend on it"
                    );
                }
            }
        }
        let term = *self.term.borrow();
        if term.is_some_and(|term| term.is_over(&self.clock)) {
            self.loses("it could not be renewed in time");
        }
    }

    /// Gives the lease up, if it is held. A request that was on its way may have come in between: it is read again.
    async fn give_up(&mut self) {
        let held = self.held.take();
        let led = *self.leads.borrow();
        if led {
            tracing::info!(lease = self.lease, identity = self.candidate.identity, "this replica resigns");
        }
        self.term.send_replace(None);
        self.metrics.leads(false);
        self.leads.send_replace(false);
        let giving_up = async {
            if let Some(held) = held
                && self.release(held).await.is_ok()
            {
                return Ok(());
            }
            match self.api.get_opt(&self.lease).await.map_err(Failed::of)? {
                Some(lease) if self.candidate.holds(&lease) => self.release(lease).await,
                _ => Ok(()),
            }
        };
        // Otherwise it runs out.
        match timeout(REQUEST, giving_up).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) if led => tracing::warn!(lease = self.lease, %error, "the lease is not given up"),
            Err(_) if led => tracing::warn!(lease = self.lease, "the lease is not given up: no answer"),
            _ => {}
        }
    }

    async fn release(&self, lease: Lease) -> Result<(), Failed> {
        let lease = given_up(lease, self.clock.now());
        self.api.replace(&self.lease, &by_us(), &lease).await.map(drop).map_err(Failed::of)
    }
}

fn by_us() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}

impl Failed {
    fn of(error: kube::Error) -> Self {
        match error {
            // Conflict, AlreadyExists, or not there any more.
            kube::Error::Api(status) if matches!(status.code, 404 | 409) => Self::Conflict,
            kube::Error::Api(status) if status.code == 403 => Self::Trouble(format!(
                "{}; let tagseal's ServiceAccount get, create and update leases.coordination.k8s.io in its namespace",
                status.message
            )),
            kube::Error::Api(status) => Self::Trouble(format!("{} ({})", status.message, status.code)),
            error => Self::Trouble(chain(&error)),
        }
    }
}
