//! [`Pauses`]: what is not tried again at once.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::hash;
use crate::backoff::Backoff;
use crate::policy::PolicySet;
use crate::trust::RepositoryKey;

/// A repository that cannot be had is tried again after this, then after twice as long each time.
const REPOSITORY: Backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(6 * 60 * 60));
/// The same of a server that gives no answer.
const SERVER: Backoff = Backoff::new(Duration::from_secs(30), Duration::from_secs(10 * 60));

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    repositories: HashMap<RepositoryKey, Pause>,
    servers: HashMap<String, Pause>,
    /// What no policy of `under` asks for, by its hash: there may be thousands.
    idle: HashSet<u64>,
    under: Option<Arc<PolicySet>>,
}

#[derive(Debug)]
struct Pause {
    backoff: Backoff,
    until: Instant,
}

impl Pauses {
    /// Other policies may ask for something else. Forgets what has been over for long.
    pub(super) fn are_under(&mut self, set: &Arc<PolicySet>, now: Instant) {
        let is_recent = |pause: &Pause| now < pause.until + pause.backoff.last_pause();
        self.repositories.retain(|_, pause| is_recent(pause));
        self.servers.retain(|_, pause| is_recent(pause));
        if !self.under.as_ref().is_some_and(|before| Arc::ptr_eq(before, set)) {
            self.under = Some(Arc::clone(set));
            self.idle.clear();
        }
    }

    /// Whether it is not to be tried now.
    pub(super) fn covers(&self, key: &RepositoryKey, now: Instant) -> bool {
        let lasts = |pause: Option<&Pause>| pause.is_some_and(|pause| now < pause.until);
        self.idle.contains(&hash(key))
            || lasts(self.repositories.get(key))
            || lasts(self.servers.get(&key.server))
    }

    pub(super) fn nobody_asks(&mut self, key: &RepositoryKey) {
        self.idle.insert(hash(key));
    }

    pub(super) fn failed(&mut self, key: RepositoryKey, now: Instant) {
        lengthen(self.repositories.entry(key), REPOSITORY, now);
    }

    /// Several repositories of one server find that out at once.
    pub(super) fn server_is_silent(&mut self, server: &str, now: Instant) {
        if self.servers.get(server).is_none_or(|pause| pause.until <= now) {
            lengthen(self.servers.entry(server.to_owned()), SERVER, now);
        }
    }

    pub(super) fn server_answers(&mut self, server: &str) {
        self.servers.remove(server);
    }
}

fn lengthen<K>(entry: Entry<'_, K, Pause>, backoff: Backoff, now: Instant) {
    let pause = entry.or_insert(Pause { backoff, until: now });
    pause.until = now + pause.backoff.next_pause();
}
