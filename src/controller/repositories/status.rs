//! [`StatusWriter`]: says in each `TrustedRepository`'s status what is held of it now.
//!
//! The leader writes of what it holds itself, and leaves alone what another replica knew better. Facts are written soon
//! after they change, times seldom and spread out; where nothing changed, nothing is written. Every other replica says once a
//! day of a repository that it was asked for it, because nobody else knows, and all that it holds of one of which the leader
//! says nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{MissedTickBehavior, interval};

use super::super::apart::apart;
use super::super::leader::Leadership;
use super::held::{Held, Standing};
use super::name::object_name;
use super::requests::Failed;
use super::wanted::{News, Wanted};
use super::{ClusterState, Inventory};
use crate::api::TrustedRepositoryStatus;
use crate::trust::RepositoryStatus;

/// How often it is looked what is to be written.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A status is written no sooner than this after the write before: a server that comes and goes makes a write a while.
const SETTLE: SignedDuration = SignedDuration::from_secs(20);
/// So many statuses are written at once, at most, because facts changed: 10 a second.
const MAX_CHANGED: usize = 100;
/// So many are written at once, at most, because pods asked for their repositories: 60 a minute, each once a day.
const MAX_USED: usize = 10;
/// So many are written at once, at most, because of times alone: six a minute, however many repositories there are.
const MAX_AGED: usize = 1;

/// Writes the status of repositories.
pub(super) struct StatusWriter {
    state: ClusterState,
    inventory: Arc<dyn Inventory>,
    leadership: Leadership,
    written: HashMap<Box<str>, Written>,
}

/// What was written last: it stands until the watch has caught up with it.
struct Written {
    standing: Standing,
    at: Timestamp,
    /// The version of the object that it took the place of.
    over: Box<str>,
}

/// A status that is to be written.
struct Due {
    held: Arc<Held>,
    status: TrustedRepositoryStatus,
    news: News,
    /// When the server last vouched for what stands there.
    stands_since: Option<Timestamp>,
}

impl StatusWriter {
    pub(super) fn new(state: ClusterState, inventory: Arc<dyn Inventory>, leadership: Leadership) -> Self {
        Self { state, inventory, leadership, written: HashMap::new() }
    }

    /// Writes for ever.
    pub(super) async fn run(mut self) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let leads = self.leadership.is_leader();
            let Some((writer, due)) = self.look(leads).await else { return };
            self = writer;
            self.write(due, leads).await;
        }
    }

    /// Looks what is to be written. On a thread of its own: with thousands of repositories it takes a tenth of a second,
    /// which admissions are not to wait for. `None`: the runtime shuts down.
    async fn look(mut self, leads: bool) -> Option<(Self, Vec<Due>)> {
        let looked = move || {
            let due = self.due(&self.inventory.status(), leads);
            (self, due)
        };
        apart(looked).await
    }

    /// What does not stand there yet: all that changed, and of what merely aged the oldest.
    fn due(&mut self, statuses: &[RepositoryStatus], leads: bool) -> Vec<Due> {
        let now = self.state.0.clock.now();
        // One repository may be held more than once, under several authorities of its server.
        let mut newest: HashMap<String, &RepositoryStatus> = HashMap::new();
        for status in statuses {
            let held = newest.entry(object_name(&status.key)).or_insert(status);
            if held.last_verified < status.last_verified {
                *held = status;
            }
        }
        let mut known: HashMap<Box<str>, Arc<Held>> = HashMap::new();
        for held in self.state.view().all() {
            known.insert(held.name.clone(), held);
        }
        self.written.retain(|name, written| {
            let stands =
                |held: &Arc<Held>| written.over == held.version || settles(now.duration_since(written.at));
            known.get(name).is_some_and(stands)
        });
        let due = newest.iter().filter_map(|(name, status)| {
            let held = known.get(name.as_str()).filter(|held| held.key() == Some(&status.key))?;
            self.due_for(held, status, now, leads)
        });
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|due| (due.news, due.stands_since));
        let (mut changed, mut used, mut aged) = (MAX_CHANGED, MAX_USED, MAX_AGED);
        due.retain(|due| {
            let left = match due.news {
                News::Facts => &mut changed,
                News::Use => &mut used,
                News::Age => &mut aged,
            };
            let fits = *left > 0;
            *left = left.saturating_sub(1);
            fits
        });
        due
    }

    fn due_for(
        &self,
        held: &Arc<Held>,
        status: &RepositoryStatus,
        now: Timestamp,
        leads: bool,
    ) -> Option<Due> {
        let written = self.written.get(&held.name);
        if written.is_some_and(|written| settles(now.duration_since(written.at))) {
            return None;
        }
        let standing = match written {
            Some(written) if written.over == held.version => &written.standing,
            _ => &held.standing,
        };
        let wanted = match leads {
            true => Wanted::of(held, standing, status, now),
            false => Wanted::of_another(held, standing, status),
        };
        let (news, stands_since) = (wanted.news()?, standing.last_verified);
        Some(Due { held: Arc::clone(held), status: wanted.status(now), news, stands_since })
    }

    async fn write(&mut self, due: Vec<Due>, led: bool) {
        let mut first = None;
        let mut unwritten = 0_usize;
        for Due { held, status, .. } in due {
            // What a leader says, nobody else may.
            if self.leadership.is_leader() != led {
                return;
            }
            let asked = self.state.view().asks(&held.name);
            let answer = self.state.0.requests.apply_status(&held.name, &status).await;
            match answer {
                Ok(object) => {
                    let at = self.state.0.clock.now();
                    let (standing, over) = (Standing::of(&status), held.version.clone());
                    self.written.insert(held.name.clone(), Written { standing, at, over });
                    self.state.view().answered(&asked, Some(Held::new(object)));
                }
                // What is gone has no status.
                Err(Failed::Absent) => {}
                Err(failed) => {
                    unwritten += 1;
                    let is_answer = matches!(failed, Failed::Refused(_));
                    first.get_or_insert((held.name.clone(), failed));
                    if !is_answer {
                        break;
                    }
                }
            }
        }
        if let Some((trusted_repository, error)) = first {
            tracing::warn!(%trusted_repository, %error, unwritten, "statuses of TrustedRepository objects cannot be written; decisions do not depend on them");
        }
    }
}

/// A clock that was set back does not hold up a write.
fn settles(since: SignedDuration) -> bool {
    !since.is_negative() && since < SETTLE
}
