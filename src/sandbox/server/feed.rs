//! [`Feed`]: what changed on the server, oldest first.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Changes beyond these are forgotten, the oldest first.
const MAX_CHANGES: usize = 10_000;

/// So many changes are answered where the client does not say.
const PAGE: usize = 100;

/// What changed, by number. Numbers begin at 1 and only rise.
#[derive(Debug, Default)]
pub(super) struct Feed {
    changes: BTreeMap<u64, Change>,
    last: u64,
}

/// A publish or a deletion, as the changefeed has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Change {
    #[serde(rename = "ID", with = "text")]
    pub(super) id: u64,
    pub(super) created_at: Timestamp,
    #[serde(rename = "GUN")]
    pub(super) gun: String,
    /// The timestamp's; 0 for a deletion.
    pub(super) version: u64,
    /// The timestamp's, in hex; empty for a deletion.
    #[serde(rename = "SHA256")]
    pub(super) sha256: String,
    pub(super) category: Category,
}

/// What kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Category {
    Update,
    Deletion,
}

/// What a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    /// How many; 0 is the default, negative is backwards.
    pub(super) records: i32,
    /// After which change, or before which; negative is from the newest backwards.
    pub(super) change_id: i32,
}

/// The answer.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Records<'a> {
    count: usize,
    /// `null` where nothing can be there yet, as the real server has it.
    records: Option<Vec<&'a Change>>,
}

impl Feed {
    /// The number of the next change.
    pub(super) const fn next_id(&self) -> u64 {
        self.last + 1
    }

    pub(super) fn remember(&mut self, change: Change) {
        self.last = self.last.max(change.id);
        self.changes.insert(change.id, change);
        if self.changes.len() > MAX_CHANGES {
            self.changes.pop_first();
        }
    }

    /// The changes of one repository or of all, oldest first.
    pub(super) fn page(&self, gun: Option<&str>, page: Page) -> Records<'_> {
        let is_of = |change: &&Change| gun.is_none_or(|gun| change.gun == gun);
        let count = match page.records.unsigned_abs() as usize {
            0 => PAGE,
            count => count,
        };
        let records = match u64::try_from(page.change_id) {
            Ok(id) if page.records >= 0 => {
                if id >= self.last {
                    return Records { count: 0, records: None };
                }
                self.changes.range(id + 1..).map(|(_, change)| change).filter(is_of).take(count).collect()
            }
            // Without a change to go back from, it is from the newest.
            before => {
                let end = before.ok().filter(|id| *id > 0).unwrap_or(u64::MAX);
                let newest_first = self.changes.range(..end).rev().map(|(_, change)| change);
                let mut records: Vec<_> = newest_first.filter(is_of).take(count).collect();
                records.reverse();
                records
            }
        };
        Records { count: records.len(), records: Some(records) }
    }
}

/// Numbers as strings.
mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
