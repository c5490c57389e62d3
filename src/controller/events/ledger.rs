//! [`Ledger`]: which notice becomes an Event of its own, which one repeats another, and which is one too many. No I/O.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Notice;
use super::shares::{ALL, Shares, namespace};
use crate::controller::pace::Pace;

/// A notice repeats an Event that was last seen so long ago.
const REPEATS_WITHIN: Duration = Duration::from_secs(600);
/// How often an Event that is repeated is brought up to date; that it is repeated at all is said sooner.
const UPDATE_EVERY: Duration = Duration::from_secs(60);
const FIRST_UPDATE: Duration = Duration::from_secs(5);
/// So many Events are remembered.
const REMEMBERED: usize = 1024;

/// For findings about one object for one reason, in other words each time.
const ONE: Pace = Pace::new(5, Duration::from_secs(60));

/// What was posted lately.
#[derive(Debug)]
pub(super) struct Ledger {
    told: HashMap<Key, Told>,
    kinds: HashMap<Kind, Pace>,
    findings: Shares,
    /// What tagseal's own objects say does not suffer from how much there is to say of pods.
    own: Pace,
    number: u64,
}

/// An object, and what it is told of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
    is_warning: bool,
    reason: String,
    action: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    kind: Kind,
    note: String,
}

#[derive(Debug)]
struct Told {
    errand: Errand,
    seen: Instant,
    /// When it was last sent.
    sent: Instant,
    is_repeated: bool,
    /// Whether it says by now that it is.
    is_updated: bool,
}

/// One Event to be written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Errand {
    pub(super) notice: Notice,
    /// Tells its name from those of others.
    pub(super) number: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// How often it was seen. More than once: it is there already.
    pub(super) count: i32,
}

/// What becomes of a notice.
#[derive(Debug, PartialEq)]
pub(super) enum Taken {
    /// It is an Event.
    New(Box<Errand>),
    /// It repeats one, which will say so.
    Known,
    /// It is one too many.
    TooMany,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { told: HashMap::new(), kinds: HashMap::new(), findings: Shares::default(), own: ALL, number: 0 }
    }
}

impl Ledger {
    pub(super) fn take(&mut self, notice: Notice, at: Instant, now: Timestamp) -> Taken {
        let key = key(&notice);
        if let Some(told) = self.told.get_mut(&key).filter(|told| at - told.seen < REPEATS_WITHIN) {
            told.seen = at;
            told.errand.last = now;
            told.errand.count = told.errand.count.saturating_add(1);
            told.is_repeated = true;
            return Taken::Known;
        }
        self.make_room(at);
        let mut one = self.kinds.get(&key.kind).copied().unwrap_or(ONE);
        if !(self.lets(&notice, at) && one.lets(at)) {
            return Taken::TooMany;
        }
        self.takes(&notice, at);
        one.takes(at);
        self.kinds.insert(key.kind.clone(), one);
        self.number = self.number.wrapping_add(1);
        let errand = Errand { notice, number: self.number, first: now, last: now, count: 1 };
        self.told.insert(
            key,
            Told { errand: errand.clone(), seen: at, sent: at, is_repeated: false, is_updated: false },
        );
        Taken::New(Box::new(errand))
    }

    /// An Event that was repeated and does not say so yet, if it is time to.
    pub(super) fn repeated(&mut self, at: Instant) -> Option<Errand> {
        let due = |(_, told): &(&Key, &Told)| {
            let pause = if told.is_updated { UPDATE_EVERY } else { FIRST_UPDATE };
            told.is_repeated && at - told.sent >= pause && self.lets(&told.errand.notice, at)
        };
        // Whoever waits longest, so that all have their turn.
        let first = self.told.iter().filter(due).min_by_key(|(_, told)| told.sent);
        let key = first.map(|(key, _)| key.clone())?;
        let told = self.told.get_mut(&key)?;
        (told.sent, told.is_repeated, told.is_updated) = (at, false, true);
        let errand = told.errand.clone();
        self.takes(&errand.notice, at);
        Some(errand)
    }

    fn lets(&self, notice: &Notice, at: Instant) -> bool {
        if is_own(notice) { self.own.lets(at) } else { self.findings.lets(notice, at) }
    }

    fn takes(&mut self, notice: &Notice, at: Instant) {
        if is_own(notice) { self.own.takes(at) } else { self.findings.takes(notice, at) }
    }

    /// It is not there: it was never posted, or is there no more.
    pub(super) fn forget(&mut self, errand: &Errand) {
        self.told.remove(&key(&errand.notice));
    }

    fn make_room(&mut self, at: Instant) {
        if self.told.len() >= REMEMBERED {
            self.told.retain(|_, told| at - told.seen < REPEATS_WITHIN);
        }
        if self.told.len() >= REMEMBERED
            && let Some(key) = self.one_too_many()
        {
            self.told.remove(&key);
        }
        if self.kinds.len() >= REMEMBERED {
            self.kinds.retain(|_, pace| !pace.is_rested(at));
        }
    }

    /// The oldest of the namespace of which most is remembered.
    fn one_too_many(&self) -> Option<Key> {
        let of =
            |told: &Told| (is_own(&told.errand.notice), namespace(&told.errand.notice).map(str::to_owned));
        let mut held: HashMap<_, usize> = HashMap::new();
        for told in self.told.values() {
            *held.entry(of(told)).or_default() += 1;
        }
        let (most, _) = held.into_iter().max_by(|(a, x), (b, y)| x.cmp(y).then_with(|| a.cmp(b)))?;
        let its = self.told.iter().filter(|(_, told)| of(told) == most);
        its.min_by_key(|(_, told)| told.seen).map(|(key, _)| key.clone())
    }
}

fn is_own(notice: &Notice) -> bool {
    notice.about.api_version.as_deref() == Some(crate::api::API_VERSION)
}

fn key(notice: &Notice) -> Key {
    let about = &notice.about;
    let kind = Kind {
        kind: about.kind.clone(),
        namespace: about.namespace.clone(),
        name: about.name.clone(),
        uid: about.uid.clone(),
        is_warning: notice.is_warning,
        reason: notice.reason.clone(),
        action: notice.action,
    };
    Key { kind, note: notice.note.clone() }
}

#[cfg(test)]
mod tests;
