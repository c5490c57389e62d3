//! [`Known`]: the counts of the policies that came by, found without a lock. To learn one takes the place of one other at
//! most: however many policies there are, no admission pays for more than its own.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::policy::PolicyId;
use crate::telemetry::PolicyCounts;

/// Two to this are the rows. A thousand policies, of which series of their own are counted, fill half of them.
const ROWS_LOG2: u32 = 11;
/// So many policies that share a row are remembered.
const ROW: usize = 4;

/// What is remembered. A compiled policy hands out one `Arc` of its ID, so its address tells it apart; the `Arc` is kept, so
/// that the address stays its own.
#[derive(Debug)]
pub(super) struct Known(Box<[[ArcSwapOption<One>; ROW]]>);

#[derive(Debug)]
struct One {
    /// [`generation`](crate::telemetry::Metrics::generation) when its counts were found.
    generation: u64,
    policy: Arc<PolicyId>,
    counts: Arc<PolicyCounts>,
}

impl Default for Known {
    fn default() -> Self {
        Self((0..1_usize << ROWS_LOG2).map(|_| std::array::from_fn(|_| ArcSwapOption::empty())).collect())
    }
}

impl Known {
    /// Whether the policy's counts are known; then `count` has them.
    pub(super) fn with(
        &self,
        policy: &Arc<PolicyId>,
        generation: u64,
        count: impl FnOnce(&PolicyCounts),
    ) -> bool {
        for place in self.row(policy) {
            let known = place.load();
            if let Some(one) = known.as_deref().filter(|one| Arc::ptr_eq(&one.policy, policy)) {
                if one.generation == generation {
                    count(&one.counts);
                    return true;
                }
                return false;
            }
        }
        false
    }

    /// Remembers a policy's counts: where it stands already, or in the place of one that counts no more.
    pub(super) fn learn(&self, policy: &Arc<PolicyId>, generation: u64, counts: Arc<PolicyCounts>) {
        let row = self.row(policy);
        let place =
            |fits: &dyn Fn(Option<&One>) -> bool| row.iter().find(|place| fits(place.load().as_deref()));
        let place = place(&|one| one.is_some_and(|one| Arc::ptr_eq(&one.policy, policy)))
            .or_else(|| place(&|one| one.is_none_or(|one| one.generation != generation)))
            // No set has it any more.
            .or_else(|| place(&|one| one.is_some_and(|one| Arc::strong_count(&one.policy) == 1)))
            .or_else(|| row.get(scattered(policy) as usize % ROW));
        if let Some(place) = place {
            place.store(Some(Arc::new(One { generation, policy: Arc::clone(policy), counts })));
        }
    }

    fn row(&self, policy: &Arc<PolicyId>) -> &[ArcSwapOption<One>] {
        let at = usize::try_from(scattered(policy) >> (u64::BITS - ROWS_LOG2)).unwrap_or_default();
        self.0.get(at).map_or(&[], |row| row)
    }
}

/// Addresses lie close together, and at equal distances; what this makes of them does not (the finalizer of SplitMix64).
fn scattered(policy: &Arc<PolicyId>) -> u64 {
    let mut bits = Arc::as_ptr(policy).addr() as u64;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies(count: usize) -> Vec<Arc<PolicyId>> {
        let policy = |n| Arc::new(PolicyId { namespace: None, name: format!("policy-{n}") });
        (0..count).map(policy).collect()
    }

    fn is_known(known: &Known, policy: &Arc<PolicyId>, generation: u64) -> bool {
        known.with(policy, generation, |_| {})
    }

    #[test]
    fn a_policy_is_known_by_its_address_until_the_generation_changes() {
        let known = Known::default();
        let all = policies(1_000);
        for policy in &all {
            assert!(!is_known(&known, policy, 1));
            known.learn(policy, 1, Arc::default());
        }
        let found = all.iter().filter(|policy| is_known(&known, policy, 1)).count();
        assert!(found > 980, "{found}");
        assert!(!all.iter().any(|policy| is_known(&known, policy, 2)));
        assert!(
            !policies(1_000).iter().any(|policy| is_known(&known, policy, 1)),
            "the same names, compiled anew"
        );
    }

    #[test]
    fn one_policy_too_many_takes_the_place_of_one_and_not_of_all() {
        let known = Known::default();
        let places = ROW << ROWS_LOG2;
        let all = policies(3 * places);
        let mut counted = 0;
        for policy in &all {
            known.learn(policy, 1, Arc::default());
            counted += usize::from(is_known(&known, policy, 1));
        }
        assert_eq!(counted, all.len(), "what came last is known");
        let kept = all.iter().filter(|policy| is_known(&known, policy, 1)).count();
        assert!((places * 3 / 4..=places).contains(&kept), "{kept} of {places}");
    }

    #[test]
    fn policies_that_are_in_no_set_any_more_make_room_first() {
        let known = Known::default();
        let gone = policies(5 << ROWS_LOG2);
        for policy in &gone {
            known.learn(policy, 1, Arc::default());
        }
        drop(gone);
        let here = policies(1_000);
        for policy in &here {
            known.learn(policy, 1, Arc::default());
        }
        let found = here.iter().filter(|policy| is_known(&known, policy, 1)).count();
        assert!(found > 980, "{found}");
    }
}
