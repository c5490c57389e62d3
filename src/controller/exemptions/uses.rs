//! [`ExemptionUses`]: how often exemptions let an image pass, until that stands in their statuses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// Exemptions beyond this many are not counted.
const MOST: usize = 10_000;

/// What an exemption let pass since that was last written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) images: i64,
    pub(super) last: Timestamp,
}

/// Counts of this replica, by the exemption's name. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct ExemptionUses(Arc<Mutex<BTreeMap<String, Use>>>);

impl ExemptionUses {
    /// The exemption let one image pass.
    pub fn used(&self, exemption: &str, now: Timestamp) {
        let mut uses = self.lock();
        if let Some(of) = uses.get_mut(exemption) {
            *of = Use { images: of.images.saturating_add(1), last: of.last.max(now) };
        } else if uses.len() < MOST {
            uses.insert(exemption.to_owned(), Use { images: 1, last: now });
        }
    }

    /// What is not written down yet.
    pub(super) fn pending(&self) -> Vec<(String, Use)> {
        self.lock().iter().map(|(name, of)| (name.clone(), *of)).collect()
    }

    /// `written` is written down; what came since is kept.
    pub(super) fn wrote(&self, exemption: &str, written: Use) {
        let mut uses = self.lock();
        if let Some(of) = uses.get_mut(exemption) {
            of.images = of.images.saturating_sub(written.images);
            if of.images <= 0 {
                uses.remove(exemption);
            }
        }
    }

    /// The exemption is gone, and its count with it.
    pub(super) fn forget(&self, exemption: &str) {
        self.lock().remove(exemption);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Use>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn what_came_while_a_count_was_written_is_kept() {
        let uses = ExemptionUses::default();
        uses.used("vendor", at(1));
        uses.used("vendor", at(3));
        let written = uses.pending();
        assert_eq!(written, [("vendor".to_owned(), Use { images: 2, last: at(3) })]);
        uses.used("vendor", at(4));
        uses.wrote("vendor", written[0].1);
        assert_eq!(uses.pending(), [("vendor".to_owned(), Use { images: 1, last: at(4) })]);
        uses.wrote("vendor", uses.pending()[0].1);
        assert_eq!(uses.pending(), []);
    }

    #[test]
    fn a_bounded_number_of_exemptions_is_counted() {
        let uses = ExemptionUses::default();
        for number in 0..=MOST {
            uses.used(&number.to_string(), at(1));
        }
        assert_eq!(uses.pending().len(), MOST);
    }
}
