//! [`Shares`]: how much is told of findings in all, and that no namespace uses up what is there for all of them.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Notice;
use crate::controller::pace::Pace;

/// For all namespaces together: so many at once, then one in such a time.
pub(super) const ALL: Pace = Pace::new(50, Duration::from_secs(1));
/// So much of that is left to namespaces of which little was told lately.
const RESERVED: u32 = 25;
/// What is little: so many at once, then one in such a time.
const LITTLE: Pace = Pace::new(5, Duration::from_secs(60));
/// More namespaces than this are looked through for those of which nothing was told lately. Since little is told in all,
/// hardly more ever are remembered.
const MANY: usize = 128;

/// What was told of findings lately, in all and by namespace.
#[derive(Debug)]
pub(super) struct Shares {
    all: Pace,
    namespaces: HashMap<Option<String>, Pace>,
}

impl Default for Shares {
    fn default() -> Self {
        Self { all: ALL, namespaces: HashMap::new() }
    }
}

impl Shares {
    /// Whether this may be told now.
    pub(super) fn lets(&self, notice: &Notice, at: Instant) -> bool {
        let reserved = if self.little(notice).lets(at) { 0 } else { RESERVED };
        self.all.lets_beyond(reserved, at)
    }

    /// It was.
    pub(super) fn takes(&mut self, notice: &Notice, at: Instant) {
        self.all.takes(at);
        let mut little = self.little(notice);
        // What a namespace was told of beyond its share is not held against it later.
        if little.lets(at) {
            little.takes(at);
            self.namespaces.insert(namespace(notice).map(str::to_owned), little);
        }
        if self.namespaces.len() > MANY {
            self.namespaces.retain(|_, pace| !pace.is_rested(at));
        }
    }

    /// Of how many namespaces something is remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.namespaces.len()
    }

    fn little(&self, notice: &Notice) -> Pace {
        self.namespaces.get(&namespace(notice).map(str::to_owned)).copied().unwrap_or(LITTLE)
    }
}

/// In whose share it falls: the object's namespace, or the one that it is.
pub(super) fn namespace(notice: &Notice) -> Option<&str> {
    let about = &notice.about;
    let itself = || about.name.as_deref().filter(|_| about.kind.as_deref() == Some("Namespace"));
    about.namespace.as_deref().or_else(itself)
}
