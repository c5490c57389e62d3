//! [`Requirement`]: what a policy that works asks, before it is asked of one image.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::SignedDuration;

use super::{
    CredentialsSource, Demand, DigestReferences, Freshness, Mutation, Objection, PolicyId, Reason,
    RequiredDelegations, TrustServer,
};
use crate::image::{ImagePattern, ImageReference, Rewrite};
use crate::tuf::{Anchor, Anchors, Gun, NameError, RootRotation};

/// What a policy asks.
#[derive(Debug)]
pub struct Requirement {
    pub server: Arc<TrustServer>,
    pub credentials: CredentialsSource,
    pub rewrite: Vec<Rewrite>,
    pub roots: Roots,
    pub delegations: Option<Arc<RequiredDelegations>>,
    pub digest_references: DigestReferences,
    pub accept_for: SignedDuration,
    /// `None`: the policy does not say.
    pub mutation: Option<Mutation>,
    pub freshness: Freshness,
}

/// A pin, and the images that it vouches for.
#[derive(Debug)]
pub struct PinnedRoot {
    pub anchor: Anchor,
    /// `None`: all of the policy's.
    pub images: Option<Vec<ImagePattern>>,
}

/// The pins of a policy.
#[derive(Debug)]
pub struct Roots {
    pinned: Vec<PinnedRoot>,
    rotation: RootRotation,
    first_use: bool,
    /// The pins of every image, where they do not depend on it.
    common: Option<Arc<Anchors>>,
    /// Pins by which roots they are, so that images with the same pins share them (and what is cached by them).
    by_choice: RwLock<BTreeMap<u64, Arc<Anchors>>>,
}

/// More choices of roots than this are not remembered. Policies have one for each registry or team.
const MAX_CHOICES: usize = 256;

impl Roots {
    /// The pins of a policy; `pinned` has at most 64, the bits of a choice.
    pub fn new(pinned: Vec<PinnedRoot>, rotation: RootRotation, first_use: bool) -> Self {
        let mut roots = Self { pinned, rotation, first_use, common: None, by_choice: RwLock::default() };
        if roots.pinned.iter().all(|root| root.images.is_none()) {
            roots.common = Some(roots.build(u64::MAX));
        }
        roots
    }

    /// The pins of one image; `None` where no root vouches for it and first use is not trusted.
    ///
    /// First use is for images that no root vouches for: where one does, it alone decides.
    fn anchors(&self, image: &ImageReference) -> Option<Arc<Anchors>> {
        let anchors = match &self.common {
            Some(common) => Arc::clone(common),
            None => self.chosen(self.choice(image)),
        };
        (!anchors.anchors().is_empty() || anchors.first_use()).then_some(anchors)
    }

    /// Which roots vouch for the image, a bit for each.
    fn choice(&self, image: &ImageReference) -> u64 {
        let vouches = |root: &PinnedRoot| {
            root.images.as_ref().is_none_or(|images| images.iter().any(|pattern| pattern.matches_name(image)))
        };
        let bits = self.pinned.iter().zip(0u32..u64::BITS);
        bits.filter(|(root, _)| vouches(root)).fold(0, |choice, (_, bit)| choice | 1 << bit)
    }

    fn chosen(&self, choice: u64) -> Arc<Anchors> {
        let known = self.by_choice.read().unwrap_or_else(PoisonError::into_inner).get(&choice).cloned();
        known.unwrap_or_else(|| {
            let mut choices = self.by_choice.write().unwrap_or_else(PoisonError::into_inner);
            if choices.len() >= MAX_CHOICES {
                return self.build(choice);
            }
            Arc::clone(choices.entry(choice).or_insert_with(|| self.build(choice)))
        })
    }

    fn build(&self, choice: u64) -> Arc<Anchors> {
        let bits = self.pinned.iter().zip(0u32..u64::BITS);
        let chosen = bits.filter(|(_, bit)| choice & 1 << bit != 0);
        let anchors: Vec<Anchor> = chosen.map(|(root, _)| root.anchor.clone()).collect();
        let first_use = self.first_use && anchors.is_empty();
        Arc::new(Anchors::new(anchors, self.rotation, first_use))
    }
}

impl Requirement {
    /// What the policy asks of `image`. `own` is the image's own name, for policies that do not rewrite it.
    ///
    /// # Errors
    /// [`Objection`] where the policy cannot judge this image.
    pub fn demand(
        &self,
        policy: &Arc<PolicyId>,
        image: &ImageReference,
        own: &Result<Gun, NameError>,
        tag_covered: bool,
    ) -> Result<Demand, Objection> {
        let object = |reason, message| Objection { policy: Arc::clone(policy), reason, message };
        let gun = self.gun(image, own).map_err(|message| object(Reason::InvalidPolicy, message))?;
        let anchors = self.roots.anchors(image).ok_or_else(|| {
            let message = format!(
                "none of the policy's roots vouches for {}: add it to spec.roots[].images, or take it out of \
                 spec.images.include",
                image.name()
            );
            object(Reason::RootNotPinned, message)
        })?;
        Ok(Demand {
            policy: Arc::clone(policy),
            server: Arc::clone(&self.server),
            gun,
            anchors,
            delegations: self.delegations.clone(),
            digest_references: self.digest_references,
            accept_for: self.accept_for,
            mutation: self.mutation.unwrap_or_default(),
            freshness: self.freshness,
            credentials: self.credentials.clone(),
            tag_covered,
        })
    }

    /// Names of images that may have been signed under `gun` because a rule rewrites them.
    pub fn origins<'a>(&'a self, gun: &'a Gun) -> impl Iterator<Item = String> + 'a {
        self.rewrite.iter().filter_map(|rule| rule.origin(gun.as_str()))
    }

    /// The name that the image was signed under: by the first rule that matches, else its own (design §11).
    fn gun(&self, image: &ImageReference, own: &Result<Gun, NameError>) -> Result<Gun, String> {
        let rewritten =
            self.rewrite.iter().enumerate().find_map(|(index, rule)| Some((index, rule.apply(image)?)));
        let Some((index, outcome)) = rewritten else {
            return own.clone().map_err(|error| error.to_string());
        };
        let field = |error: String| format!("spec.notary.rewrite[{index}]: {error}");
        let name = outcome.map_err(|error| field(error.to_string()))?;
        Gun::new(&name).map_err(|error| field(error.to_string()))
    }
}
