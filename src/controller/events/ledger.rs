//! [`Ledger`]: which notice becomes an Event of its own, which one repeats another, and which is one too many. No I/O.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Notice;
use crate::controller::pace::Pace;

/// A notice repeats an Event that was last seen so long ago.
const REPEATS_WITHIN: Duration = Duration::from_secs(600);
/// How often an Event that is repeated is brought up to date.
const UPDATE_EVERY: Duration = Duration::from_secs(60);
/// So many Events are remembered.
const REMEMBERED: usize = 1024;

/// For all findings together: so many at once, then one in such a time.
const ALL: Pace = Pace::new(50, Duration::from_secs(1));
/// For findings about one object for one reason, in other words each time.
const ONE: Pace = Pace::new(5, Duration::from_secs(60));

/// What was posted lately.
#[derive(Debug)]
pub(super) struct Ledger {
    told: HashMap<Key, Told>,
    kinds: HashMap<Kind, Pace>,
    findings: Pace,
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
        Self { told: HashMap::new(), kinds: HashMap::new(), findings: ALL, own: ALL, number: 0 }
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
        let all = if is_own(&notice) { &mut self.own } else { &mut self.findings };
        let one = self.kinds.entry(key.kind.clone()).or_insert(ONE);
        if !(all.lets(at) && one.lets(at)) {
            return Taken::TooMany;
        }
        all.takes(at);
        one.takes(at);
        self.number = self.number.wrapping_add(1);
        let errand = Errand { notice, number: self.number, first: now, last: now, count: 1 };
        self.told.insert(key, Told { errand: errand.clone(), seen: at, sent: at, is_repeated: false });
        Taken::New(Box::new(errand))
    }

    /// An Event that was repeated and does not say so yet, if it is time to.
    pub(super) fn repeated(&mut self, at: Instant) -> Option<Errand> {
        let due = |told: &&mut Told| told.is_repeated && at - told.sent >= UPDATE_EVERY;
        let told = self.told.values_mut().find(due)?;
        let all = if is_own(&told.errand.notice) { &mut self.own } else { &mut self.findings };
        if !all.lets(at) {
            return None;
        }
        all.takes(at);
        (told.sent, told.is_repeated) = (at, false);
        Some(told.errand.clone())
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
            && let Some(oldest) =
                self.told.iter().min_by_key(|(_, told)| told.seen).map(|(key, _)| key.clone())
        {
            self.told.remove(&oldest);
        }
        if self.kinds.len() >= REMEMBERED {
            self.kinds.retain(|_, pace| !pace.is_rested(at));
        }
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
