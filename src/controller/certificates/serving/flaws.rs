//! [`Flaw`]: what is wrong with a leaf that API servers may accept all the same; [`Weighed`]: whether it serves.

use jiff::{SignedDuration, Timestamp};

use crate::controller::certificates::material::{Certificate, Material};

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is not valid yet by this replica's clock.
    NotYet,
    /// It is not for the name by which API servers are to call.
    OtherNames,
}

/// What is to become of what the Secret holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Weighed {
    /// Whether it serves: because nothing is wrong with it, or for want of a better one.
    pub(super) serves: bool,
    pub(super) flaws: Vec<Flaw>,
}

/// Weighs `material`, which stands, against what served last. `called` is the name by which API servers call.
pub(super) fn weigh(
    material: &Material,
    memory: Option<&Material>,
    called: Option<&String>,
    now: Timestamp,
) -> Weighed {
    let flaws = flaws(material, called, now);
    // What is over, or of an authority that the Secret does not have any more, is no better than anything.
    let is_better = |memory: &Material| {
        let known = Material { authorities: material.authorities.clone(), leaf: memory.leaf.clone() };
        known.stands(now) && self::flaws(&known, called, now).is_empty()
    };
    Weighed { serves: flaws.is_empty() || !memory.is_some_and(is_better), flaws }
}

fn flaws(material: &Material, called: Option<&String>, now: Timestamp) -> Vec<Flaw> {
    let Some(leaf) = material.leaf.as_ref().map(|leaf| &leaf.certificate) else { return Vec::new() };
    let is_called = leaf.is_for(called.map(std::slice::from_ref).unwrap_or_default());
    let flaws = [(now < leaf.from, Flaw::NotYet), (!is_called, Flaw::OtherNames)];
    flaws.into_iter().filter_map(|(is_there, flaw)| is_there.then_some(flaw)).collect()
}

impl Flaw {
    /// After "the certificate": what is wrong, and with what.
    pub(super) fn told(self, leaf: &Certificate, called: Option<&String>, now: Timestamp) -> String {
        match self {
            Self::NotYet => format!(
                "is valid from {}, and now is {now} by this replica's clock, {} earlier: its clock is slow, or that of \
                 the replica that issued it is fast",
                leaf.from,
                between(now, leaf.from)
            ),
            Self::OtherNames => format!(
                "is for {}, not for {}: the leader issues another, unless it was told other names",
                leaf.names.join(", "),
                called.map_or("", String::as_str)
            ),
        }
    }
}

/// How long, to the second.
pub(super) fn between(earlier: Timestamp, later: Timestamp) -> String {
    format!("{:#}", SignedDuration::from_secs(later.duration_since(earlier).as_secs()))
}
