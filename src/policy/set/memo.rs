//! [`Memo`]: what a set of policies asked of the images that came last, so that those which come again and again are read
//! and matched once. Facts of one immutable set and never verdicts: whether an image may run is judged anew each time.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;

use super::{Chosen, Selection};
use crate::image::ImageReference;
use crate::policy::{Exemptions, ImageSite, NamespaceView};

/// So many images are remembered.
const SLOTS: usize = 4096;

/// What more policies than this ask of one image is not remembered.
const MAX_DEMANDS: usize = 16;

/// An image as one namespace named it, and what the policies ask of it there.
#[derive(Debug)]
pub struct Matched {
    /// The image.
    pub image: ImageReference,
    /// What is asked of it where no exemption is in force.
    pub chosen: Chosen,
    /// The exemptions about it, whatever the site and the time: those are asked for anew each time.
    pub exemptions: Exemptions,
    namespace: NamespaceView,
}

/// What is found out about an image that is not remembered.
pub(super) struct Found {
    pub(super) image: ImageReference,
    pub(super) chosen: Chosen,
    pub(super) exemptions: Exemptions,
}

/// The images that came last, each in the one slot that its text has. One that shares the slot pushes it out, so whoever
/// makes up names for one slot makes others be matched once more, and no more than that.
pub(super) struct Memo(Box<[ArcSwapOption<Matched>]>);

impl Default for Memo {
    fn default() -> Self {
        Self((0..SLOTS).map(|_| ArcSwapOption::empty()).collect())
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").finish_non_exhaustive()
    }
}

impl Memo {
    /// What was asked of `image` in a namespace of this name and these labels, or what `make` finds, remembered.
    pub(super) fn recall<E>(
        &self,
        namespace: &NamespaceView,
        image: &str,
        make: impl FnOnce() -> Result<Found, E>,
    ) -> Result<Arc<Matched>, E> {
        let slot = self.0.get(self.place(&namespace.name, image));
        let known = slot.and_then(|slot| {
            let known = slot.load();
            known.as_ref().filter(|known| known.is_of(namespace, image)).map(Arc::clone)
        });
        if let Some(known) = known {
            return Ok(known);
        }
        let Found { image, chosen, exemptions } = make()?;
        let made = Arc::new(Matched { image, chosen, exemptions, namespace: namespace.clone() });
        if let Some(slot) = slot.filter(|_| made.is_small()) {
            slot.store(Some(Arc::clone(&made)));
        }
        Ok(made)
    }

    /// The slot of an image. It needs to be spread, not to be hard to guess.
    fn place(&self, namespace: &str, image: &str) -> usize {
        let hash = [namespace, image].iter().fold(0, |hash, text| mix(hash, text.as_bytes()));
        (hash >> 32) as usize % self.0.len()
    }
}

impl Matched {
    /// The exemptions in force for the image at `site`.
    pub fn in_force(&self, site: ImageSite, now: Timestamp) -> Exemptions {
        let in_force =
            self.exemptions.iter().filter(|exemption| exemption.is_for(site) && exemption.is_active(now));
        in_force.cloned().collect()
    }

    /// The namespace that named it.
    pub(super) fn namespace(&self) -> &NamespaceView {
        &self.namespace
    }

    fn is_small(&self) -> bool {
        self.exemptions.len() <= MAX_DEMANDS && self.chosen.selection.is_small()
    }

    /// Whether this is what `select` would say: a set's answer depends on these alone.
    fn is_of(&self, namespace: &NamespaceView, image: &str) -> bool {
        let same_labels = match (&self.namespace.labels, &namespace.labels) {
            (Some(mine), Some(others)) => Arc::ptr_eq(mine, others) || mine == others,
            (None, None) => true,
            _ => false,
        };
        same_labels && self.image.original() == image && self.namespace.name == namespace.name
    }
}

impl Selection {
    fn is_small(&self) -> bool {
        match self {
            Self::Unmatched => true,
            Self::Invalid(_) => false,
            Self::Require { deny, observe } => deny.len() + observe.len() <= MAX_DEMANDS,
        }
    }
}

fn mix(hash: u64, text: &[u8]) -> u64 {
    // 2^64 divided by the golden ratio.
    let step = |hash: u64, next: u64| (hash.rotate_left(23) ^ next).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (words, rest) = text.as_chunks::<8>();
    let hash = words.iter().fold(hash, |hash, word| step(hash, u64::from_le_bytes(*word)));
    let rest = rest.iter().fold(text.len() as u64, |rest, byte| (rest << 8) | u64::from(*byte));
    step(hash, rest)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::image::ReferenceError;
    use crate::policy::Labels;

    const WEB: &str = "registry.example.com/shop/web:1.4";

    fn labels(value: &str) -> Arc<Labels> {
        Arc::new([("env".to_owned(), value.to_owned())].into())
    }

    fn found(image: &str) -> Result<Found, ReferenceError> {
        let chosen = Chosen { selection: Selection::Unmatched, is_matched: false };
        Ok(Found { image: ImageReference::parse(image)?, chosen, exemptions: Vec::new() })
    }

    /// What is recalled, and whether it had to be made.
    fn recall(memo: &Memo, namespace: &NamespaceView, image: &str) -> (Arc<Matched>, bool) {
        let mut made = false;
        let make = || {
            made = true;
            found(image)
        };
        (memo.recall(namespace, image, make).unwrap(), made)
    }

    #[test]
    fn an_image_that_comes_again_is_not_matched_again() {
        let memo = Memo::default();
        let namespace = NamespaceView::new("shop", labels("production"));
        assert!(recall(&memo, &namespace, WEB).1);
        let (again, made) = recall(&memo, &namespace, WEB);
        assert_eq!((again.image.original(), made), (WEB, false));
        let same = NamespaceView::new("shop", labels("production"));
        assert!(!recall(&memo, &same, WEB).1, "equal labels are the same");
    }

    #[test]
    fn whatever_a_selection_depends_on_is_asked_for() {
        let production = NamespaceView::new("shop", labels("production"));
        for (namespace, image) in [
            (NamespaceView::new("shop", labels("test")), WEB.to_owned()),
            (NamespaceView::unlabelled("shop"), WEB.to_owned()),
            (NamespaceView::new("shop2", Arc::clone(production.labels.as_ref().unwrap())), WEB.to_owned()),
            (production.clone(), format!("{WEB}2")),
        ] {
            let memo = Memo(Box::new([ArcSwapOption::empty()]));
            let all_in_one_slot = |namespace, image| memo.recall(namespace, image, || found(image)).unwrap();
            all_in_one_slot(&production, WEB);
            let other = all_in_one_slot(&namespace, &image);
            assert_eq!((other.image.original(), &other.namespace), (&*image, &namespace));
        }
    }

    #[test]
    fn an_image_that_cannot_be_read_is_not_remembered() {
        let memo = Memo::default();
        let namespace = NamespaceView::unlabelled("shop");
        for _ in 0..2 {
            let make = || Err::<Found, _>("unreadable");
            assert_eq!(memo.recall(&namespace, WEB, make).unwrap_err(), "unreadable");
        }
    }

    #[test]
    fn images_are_spread_over_the_slots() {
        let images = (0..SLOTS).map(|n| format!("registry.example.com/shop/app-{n}/web:1.{}", n % 7));
        let memo = Memo::default();
        let places: BTreeSet<usize> = images.map(|image| memo.place("shop", &image)).collect();
        // As many as when each slot is drawn at random: 1 - 1/e of them.
        assert!(places.len() > SLOTS * 6 / 10, "{}", places.len());
    }
}
