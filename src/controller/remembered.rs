//! What policies ask of the repositories that the cluster remembers.

use jiff::Timestamp;

use super::repositories::Known;
use crate::digest::Digest;
use crate::image::ImageReference;
use crate::policy::{Demand, PolicySet};
use crate::trust::{IN_USE, Remembered, RepositoryKey};

/// What the policies of `set` ask of the repositories in use.
pub(super) fn remembered(set: &PolicySet, known: Vec<Known>, now: Timestamp) -> Vec<Remembered> {
    let in_use = known.into_iter().filter(|known| is_in_use(known.last_used, now));
    in_use.filter_map(|known| remember(set, &known, now)).collect()
}

/// Whether anybody asked for it within [`IN_USE`]. Where nothing says when, its record is new.
pub(super) fn is_in_use(last_used: Option<Timestamp>, now: Timestamp) -> bool {
    last_used.is_none_or(|used| now.duration_since(used) <= IN_USE)
}

/// What the policies of `set` ask of one repository, by the first image that leads them to it: one that was asked for; else
/// one of its own name; else one that a policy rewrites to that. The last two have a digest for a tag: a policy for some tags
/// alone may ask for it too.
pub(super) fn remember(set: &PolicySet, known: &Known, now: Timestamp) -> Option<Remembered> {
    let (key, digest) = (&known.key, Digest::of(b""));
    let asked = known.image.as_deref().map(|image| (image.to_owned(), true));
    let by_digest = |name: &str| (format!("{name}@{digest}"), false);
    let own_name = by_digest(key.gun.as_str());
    let origins = set.origins_of(&key.server, &key.gun).map(|name| by_digest(&name));
    asked.into_iter().chain([own_name]).chain(origins).find_map(|(image, was_asked)| {
        let image = ImageReference::parse(&image).ok()?;
        let asks = |demand: &Demand| leads_to(demand, key);
        let demands =
            set.policies().filter_map(|(policy, _)| set.demand_of(policy.id(), &image).filter(asks));
        let demands: Vec<Demand> = demands.collect();
        let last_used = known.last_used.unwrap_or(now);
        (!demands.is_empty()).then_some(Remembered { demands, image, was_asked, last_used })
    })
}

fn leads_to(demand: &Demand, key: &RepositoryKey) -> bool {
    demand.gun == key.gun
        && demand.server.url.as_str() == key.server
        && demand.anchors.fingerprint() == key.anchors
}
