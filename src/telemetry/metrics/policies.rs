//! What is counted by policy, and what is the case with policies.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::bounded::OTHER;
use super::{Counter, Endpoint, PolicyVerdict, lock};

/// A word of a closed list, and the reason for it.
type Said = (Endpoint, &'static str, &'static str);

/// The counts of one policy.
#[derive(Debug, Default)]
pub struct PolicyCounts {
    passed: [Counter; Endpoint::ALL.len()],
    /// Images that did not pass. Each costs its admission far more than this lock.
    refused: Mutex<BTreeMap<Said, u64>>,
    /// Decisions that this policy led.
    decisions: Mutex<BTreeMap<Said, u64>>,
}

impl PolicyCounts {
    /// So many more images passed.
    pub fn passed(&self, endpoint: Endpoint, images: u64) {
        if let Some(counter) = self.passed.get(endpoint as usize) {
            counter.inc_by(images);
        }
    }

    /// An image did not pass, or would not have.
    pub fn found(&self, endpoint: Endpoint, verdict: PolicyVerdict, reason: &'static str) {
        *lock(&self.refused).entry((endpoint, verdict.as_str(), reason)).or_default() += 1;
    }

    /// A decision that this policy's word led.
    pub(super) fn decided(&self, endpoint: Endpoint, decision: &'static str, reason: &'static str) {
        *lock(&self.decisions).entry((endpoint, decision, reason)).or_default() += 1;
    }

    /// Images, by endpoint, verdict and reason.
    pub(super) fn verdicts(&self) -> Vec<(Said, u64)> {
        let passed = Endpoint::ALL.iter().zip(&self.passed);
        let passed =
            passed.map(|(endpoint, count)| ((*endpoint, PolicyVerdict::Passed.as_str(), ""), count.get()));
        let refused = lock(&self.refused);
        passed
            .filter(|(_, count)| *count > 0)
            .chain(refused.iter().map(|(said, count)| (*said, *count)))
            .collect()
    }

    /// Decisions, by endpoint, word and reason.
    pub(super) fn decisions(&self) -> Vec<(Said, u64)> {
        lock(&self.decisions).iter().map(|(said, count)| (*said, *count)).collect()
    }
}

/// What is the case with policies and repositories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// By policy, the most important first.
    pub policies: Vec<PolicyFigures>,
    /// How many policies there are, by kind and state.
    pub kinds: BTreeMap<(&'static str, &'static str), usize>,
    /// The exemptions that have an end, by name, with the seconds that are left; 0 for one that is over.
    pub exemptions: Vec<(String, i64)>,
    /// How many repositories in memory verified, and how many never did; `None`: nobody looked yet.
    pub repositories: Option<(usize, usize)>,
}

/// What is the case with the repositories of one policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyFigures {
    /// The policy's label.
    pub label: String,
    /// How long ago the one was confirmed that was confirmed first, in seconds.
    pub age: Option<i64>,
    /// When the first role expires that the publisher must sign anew, in seconds of Unix time.
    pub expires: Option<i64>,
    /// Repositories without trouble.
    pub fresh: usize,
    /// Repositories with it.
    pub ailing: usize,
}

impl Figures {
    /// The policies beyond the first `most` as one, and so many exemptions.
    pub(super) fn at_most(mut self, most: usize, exemptions: usize) -> Self {
        self.exemptions.truncate(exemptions);
        let beyond = self.policies.split_off(most.min(self.policies.len()));
        self.policies.extend(
            beyond
                .into_iter()
                .reduce(PolicyFigures::and)
                .map(|others| PolicyFigures { label: OTHER.to_owned(), ..others }),
        );
        self
    }
}

impl PolicyFigures {
    /// Both together: what is worse of each.
    fn and(self, other: Self) -> Self {
        Self {
            label: self.label,
            age: self.age.max(other.age),
            expires: self.expires.into_iter().chain(other.expires).min(),
            fresh: self.fresh + other.fresh,
            ailing: self.ailing + other.ailing,
        }
    }
}
