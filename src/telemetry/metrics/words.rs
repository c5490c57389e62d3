//! [`Words`]: a counter for each word of a closed list, there from the start: what never happened is 0.

use std::sync::atomic::{AtomicU64, Ordering};

/// `N` words and their counters.
#[derive(Debug)]
pub(super) struct Words<const N: usize> {
    words: [&'static str; N],
    counts: [AtomicU64; N],
}

impl<const N: usize> Words<N> {
    pub(super) fn new(words: [&'static str; N]) -> Self {
        Self { words, counts: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// One more of `word`. A word that is not on the list is a defect, and not counted.
    pub(super) fn count(&self, word: &str) {
        let at = self.words.iter().position(|known| *known == word);
        debug_assert!(at.is_some(), "{word} is none of {:?}", self.words);
        if let Some(at) = at {
            self.count_at(at);
        }
    }

    /// One more of the word at that place.
    pub(super) fn count_at(&self, at: usize) {
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The words, and how many there were of each.
    pub(super) fn values(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let loaded = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        self.words.iter().copied().zip(loaded)
    }
}
