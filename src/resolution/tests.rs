//! The order in which objections are told. The rules themselves are held by `tests/trust`, against real metadata.

use super::objection::{Objection, refuse};
use crate::policy::Reason;
use crate::tuf::RoleName;

fn of(role: &str, reason: Reason) -> Objection {
    Objection::new(&RoleName::parse(role).unwrap(), reason, format!("{role} {reason}"))
}

/// What concerns everything leads, then the roles by name, then the reasons' table.
#[test]
fn objections_are_told_in_the_order_of_the_table() {
    let all = Objection::of_all(Reason::Expired, "timestamp".to_owned());
    let ordered = [
        all,
        of("targets/a", Reason::DelegationUnusable),
        of("targets/b", Reason::NotSigned),
        of("targets/b", Reason::DelegationMissing),
    ];
    for first in 0..ordered.len() {
        let mut shuffled: Vec<_> = ordered.iter().skip(first).rev().cloned().collect();
        let refusal = refuse(shuffled.clone());
        assert_eq!(refusal.reason(), ordered[first].reason);
        assert!(refusal.message().starts_with(&ordered[first].message), "{refusal}");
        shuffled.sort();
        assert_eq!(shuffled, ordered[first..]);
    }
}

#[test]
fn an_objection_is_told_once() {
    let objection = of("targets/a", Reason::NotSigned);
    assert_eq!(refuse(vec![objection.clone(), objection]).message(), "targets/a NotSigned");
}
