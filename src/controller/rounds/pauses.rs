//! [`Pauses`]: what is not tried again at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::repositories::Known;
use crate::policy::PolicySet;
use crate::trust::RepositoryKey;

/// A repository that cannot be had is tried again after this, then after twice as long each time.
const REPOSITORY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(6 * 60 * 60));
/// The same of a server that gives no answer.
const SERVER: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10 * 60));

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    repositories: HashMap<RepositoryKey, Pause>,
    servers: HashMap<String, Pause>,
    /// What no policy of `under` asks for.
    idle: HashSet<RepositoryKey>,
    under: Option<Arc<PolicySet>>,
}

#[derive(Debug)]
struct Pause {
    length: Duration,
    until: Instant,
}

impl Pauses {
    /// Other policies may ask for something else.
    pub(super) fn are_under(&mut self, set: &Arc<PolicySet>) {
        if !self.under.as_ref().is_some_and(|before| Arc::ptr_eq(before, set)) {
            self.under = Some(Arc::clone(set));
            self.idle.clear();
        }
    }

    /// Whether it is not to be tried now.
    pub(super) fn covers(&self, key: &RepositoryKey, now: Instant) -> bool {
        let lasts = |pause: Option<&Pause>| pause.is_some_and(|pause| now < pause.until);
        self.idle.contains(key) || lasts(self.repositories.get(key)) || lasts(self.servers.get(&key.server))
    }

    pub(super) fn nobody_asks(&mut self, key: RepositoryKey) {
        self.idle.insert(key);
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

    /// Forgets what is not `missing` any more.
    pub(super) fn retain(&mut self, missing: &[Known]) {
        let keys: HashSet<_> = missing.iter().map(|known| &known.key).collect();
        self.repositories.retain(|key, _| keys.contains(key));
        self.idle.retain(|key| keys.contains(key));
        let servers: HashSet<_> = keys.iter().map(|key| key.server.as_str()).collect();
        self.servers.retain(|server, _| servers.contains(server.as_str()));
    }
}

fn lengthen<K>(
    entry: std::collections::hash_map::Entry<'_, K, Pause>,
    (first, longest): (Duration, Duration),
    now: Instant,
) {
    let pause = entry
        .and_modify(|pause| pause.length = pause.length.saturating_mul(2).min(longest))
        .or_insert(Pause { length: first, until: now });
    pause.until = now + pause.length;
}
