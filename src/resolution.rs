//! From verified trust data to a signed digest: the rules of design §2 "Resolution". Nothing else makes a [`SignedDigest`].

mod docker;
mod error;
pub(crate) mod fault;
mod objection;
mod older;
mod past;
mod provenance;
mod quorum;
mod signed;
mod unseen;

use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};

pub use self::error::{Refusal, Unavailable, Untrusted};
use self::objection::{Objection, refuse};
pub(crate) use self::older::{Past, PastFile};
use self::past::{Began, Then, once};
pub(crate) use self::provenance::Provenances;
pub use self::provenance::{Provenance, Signer};
use self::quorum::{Found, Listing, under_required};
pub use self::signed::SignedDigest;
use crate::digest::Digest;
use crate::image::ImageReference;
use crate::limits::{OBJECTIONS, TAGS_OF_ONE_DIGEST};
use crate::policy::{Demand, DigestReferences, Reason, RequiredDelegations};
use crate::records::TrustRecord;
use crate::tuf::{FileName, RoleName, TrustedRepository};

/// `targets/releases`, where docker puts what every signer signs.
static RELEASES: LazyLock<Option<RoleName>> = LazyLock::new(|| RoleName::parse("targets/releases").ok());

/// One question, and the verified data that answers it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) demand: &'a Demand,
    pub(crate) image: &'a ImageReference,
    pub(crate) repository: &'a TrustedRepository,
    /// Of that repository.
    pub(crate) provenances: &'a Provenances,
    pub(crate) record: &'a TrustRecord,
    pub(crate) now: Timestamp,
    pub(crate) skew: SignedDuration,
}

/// What the data says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// The image may run, as this digest.
    Signed {
        /// The digest.
        signed: SignedDigest,
        /// What somebody should know all the same.
        warnings: Vec<String>,
    },
    /// It may not, or nobody can tell.
    Refused(Refusal),
    /// It depends on older files of roles: these.
    NeedsPast(Vec<FileName>),
}

/// What a reference asks for.
enum Asked<'a> {
    Tag(&'a str),
    TagAndDigest(&'a str, Digest),
    Digest(Digest),
}

/// Whether the reference passes without a look: `digestReferences: Allow`.
pub(crate) fn passes_unchecked(demand: &Demand, image: &ImageReference) -> bool {
    demand.digest_references == DigestReferences::Allow && matches!(asked(demand, image), Asked::Digest(_))
}

/// The delegation roles that a demand looks at.
pub(crate) fn roles_of(demand: &Demand) -> impl Iterator<Item = &RoleName> {
    let required = demand.delegations.as_deref().map_or(&[][..], RequiredDelegations::roles);
    let dockers = RELEASES.as_ref().filter(|_| demand.delegations.is_none());
    required.iter().map(|required| &required.role).chain(dockers)
}

/// Answers a question.
pub(crate) fn judge(case: &Case<'_>, past: &Past) -> Judgement {
    let judged = match asked(case.demand, case.image) {
        Asked::Tag(tag) => case
            .under(tag)
            .map(|found| found.signed(case))
            .map_err(|objections| Unresolved::No(refuse(objections))),
        Asked::TagAndDigest(tag, digest) => case.tag_and_digest(tag, digest, past),
        Asked::Digest(digest) => case.digest_alone(digest, past),
    };
    match judged {
        Ok((signed, warnings)) => Judgement::Signed { signed, warnings },
        Err(Unresolved::No(refusal)) => Judgement::Refused(refusal),
        Err(Unresolved::Needs(files)) => Judgement::NeedsPast(files),
    }
}

/// A tag that the policy's `include` does not cover is ignored beside a digest (design §11 "policy").
fn asked<'a>(demand: &Demand, image: &'a ImageReference) -> Asked<'a> {
    let tag = image.tag().map(crate::image::Tag::as_str);
    match (tag, image.digest()) {
        (Some(tag), Some(digest)) if demand.tag_covered => Asked::TagAndDigest(tag, digest),
        (_, Some(digest)) => Asked::Digest(digest),
        (tag, None) => Asked::Tag(tag.unwrap_or("latest")),
    }
}

/// The one tag that matters in older files; `None` where any may.
pub(crate) fn tag_of<'a>(demand: &Demand, image: &'a ImageReference) -> Option<&'a str> {
    match asked(demand, image) {
        Asked::Tag(tag) | Asked::TagAndDigest(tag, _) => Some(tag),
        Asked::Digest(_) => None,
    }
}

/// Why there is no signed digest yet.
enum Unresolved {
    No(Refusal),
    Needs(Vec<FileName>),
}

type Judged = Result<(SignedDigest, Vec<String>), Unresolved>;

fn no(reason: Reason, message: String) -> Unresolved {
    Unresolved::No(Refusal::untrusted(reason, message))
}

impl<'a> Case<'a> {
    /// What the tag is signed to be now.
    fn under(&self, tag: &str) -> Result<Found<'a>, Vec<Objection>> {
        match &self.demand.delegations {
            Some(required) => under_required(self, required, tag),
            None => docker::under(self, tag),
        }
    }

    /// `repo:tag@X`: X must be what the tag is signed to be, or superseded within `acceptFor`.
    fn tag_and_digest(&self, tag: &str, digest: Digest, past: &Past) -> Judged {
        match self.under(tag) {
            Ok(found) if found.digest == digest => Ok(found.signed(self)),
            Ok(found) => self.superseded(&found, tag, digest, past)?.map_err(|why| match why {
                NotNow::SignerRemoved => no(Reason::DigestRevoked, signer_removed(tag, digest)),
                NotNow::TagRemoved => no(Reason::DigestRevoked, tag_removed(tag, digest)),
                NotNow::Unseen(why) => no(Reason::DigestRevoked, why),
                NotNow::TooOld(at) => no(Reason::DigestMismatch, self.too_old(tag, digest, at, &found)),
                NotNow::Never => no(
                    Reason::DigestMismatch,
                    format!(
                        "{tag} is signed to be {}, not {digest}; {digest} was not seen signed as {tag} within the last \
                         {:#}",
                        found.digest, self.demand.accept_for
                    ),
                ),
            }),
            Err(objections) => {
                if objections.iter().all(|objection| objection.reason == Reason::NotSigned) {
                    self.revoked(tag, digest, past)?;
                }
                Err(Unresolved::No(refuse(objections)))
            }
        }
    }

    /// `repo@X`: X must be signed by the required delegations, all under one tag, paths applied.
    fn digest_alone(&self, digest: Digest, past: &Past) -> Judged {
        let mut objections = Vec::new();
        let tags = self.tags_of(digest);
        for tag in tags.iter().take(TAGS_OF_ONE_DIGEST) {
            match self.under(tag) {
                Ok(found) if found.digest == digest => return Ok(found.signed(self)),
                Ok(_) => {}
                Err(more) => add_standing(&mut objections, more),
            }
        }
        // A role that may not be believed might have listed it: that is the reason then.
        add_standing(&mut objections, self.standing_objections());
        if !objections.is_empty() {
            return Err(Unresolved::No(refuse(objections)));
        }
        if tags.len() > TAGS_OF_ONE_DIGEST {
            let (listed, who) = (tags.len(), self.who());
            let message = format!(
                "{digest} is listed under {listed} tags by {who}, more than the {TAGS_OF_ONE_DIGEST} that are looked at for \
                 one digest, and under the first of them it is not signed as the policy demands; ask for it by its tag"
            );
            return Err(no(Reason::DigestNotSigned, message));
        }
        self.digest_once(digest, past)
    }

    /// A digest that no tag names now: superseded, revoked, or never signed. Revoked under one tag is revoked, whatever
    /// the tags' order.
    fn digest_once(&self, digest: Digest, past: &Past) -> Judged {
        let mut not_now = None;
        let mut good = None;
        for tag in past::tags_once(self, past, digest)?.into_iter().take(TAGS_OF_ONE_DIGEST) {
            match self.under(&tag) {
                Ok(found) => match self.superseded(&found, &tag, digest, past)? {
                    Ok(signed) => good = good.or(Some(signed)),
                    Err(NotNow::SignerRemoved) => {
                        not_now = Some((Reason::DigestRevoked, signer_removed(&tag, digest)));
                    }
                    Err(NotNow::TagRemoved) => {
                        not_now = Some((Reason::DigestRevoked, tag_removed(&tag, digest)));
                    }
                    Err(NotNow::Unseen(why)) => not_now = Some((Reason::DigestRevoked, why)),
                    Err(NotNow::TooOld(at)) => {
                        let message = self.too_old(&tag, digest, at, &found);
                        not_now.get_or_insert((Reason::DigestNotSigned, message));
                    }
                    Err(NotNow::Never) => {}
                },
                Err(_) => self.revoked(&tag, digest, past)?,
            }
        }
        let is_revoked = not_now.as_ref().is_some_and(|(reason, _)| *reason == Reason::DigestRevoked);
        if let Some(signed) = good.filter(|_| !is_revoked) {
            return Ok(signed);
        }
        let (reason, message) = not_now.unwrap_or_else(|| {
            let who = self.who();
            (Reason::DigestNotSigned, format!("{digest} is signed under no tag by {who}"))
        });
        Err(no(reason, message))
    }

    /// Whether `digest` was what `tag` is signed to be, in the same roles at the same time, until a moment within
    /// `acceptFor`. The outer error is that this cannot be told.
    fn superseded(
        &self,
        found: &Found<'a>,
        tag: &str,
        digest: Digest,
        past: &Past,
    ) -> Result<Result<(SignedDigest, Vec<String>), NotNow>, Unresolved> {
        let mut cast = self.listings(found, tag, digest, past, Began::WithThatVersion)?;
        if found.met_until(&cast.0).is_none() && found.suffices(&cast.0.iter().collect::<Vec<_>>()) {
            cast = self.listings(found, tag, digest, past, Began::AtFirst)?;
        }
        let (listings, not_now) = cast;
        let Some((at, listings)) = found.met_until(&listings) else { return Ok(Err(not_now)) };
        let until = at.saturating_add(self.demand.accept_for).unwrap_or(Timestamp::MAX);
        let mut warnings = found.warnings.clone();
        warnings.push(format!(
            "{tag} was signed anew at {at} as {}; {digest} stays good until {until}",
            found.digest
        ));
        let signers = listings.into_iter().map(|listing| Signer::of(&listing.role, &listing.signers));
        let provenance = Arc::new(Provenance::new(self.repository, signers));
        Ok(Ok((SignedDigest::new(digest, provenance).until(until), warnings)))
    }

    /// The roles that once listed `digest` as `tag` so that it still counts, and else why not.
    fn listings(
        &self,
        found: &Found<'a>,
        tag: &str,
        digest: Digest,
        past: &Past,
        began: Began,
    ) -> Result<(Vec<Listing>, NotNow), Unresolved> {
        let oldest = self.now.saturating_sub(self.demand.accept_for).unwrap_or(Timestamp::MIN);
        let mut listings = Vec::new();
        let mut not_now = NotNow::Never;
        for role in &found.roles {
            match once(self, past, role.name(), (tag, digest), oldest, began)? {
                Then::Superseded(listing) if listing.until < oldest => {
                    not_now = NotNow::TooOld(listing.until)
                }
                Then::Superseded(listing) if found.accepts(role.name(), &listing.signers) => {
                    let between = (listing.version, role.version());
                    let gap = unseen::gap(self, past, role.name(), between, (tag, digest))?;
                    match gap.objection(role.name(), tag, digest) {
                        None => listings.push(listing),
                        Some(why) => not_now = NotNow::Unseen(why),
                    }
                }
                Then::Superseded(_) | Then::SignerRemoved => not_now = NotNow::SignerRemoved,
                Then::TagRemoved => not_now = NotNow::TagRemoved,
                Then::Never => {}
            }
        }
        if listings.is_empty() && self.demand.delegations.is_none() {
            listings.extend(docker::before_releases(self, past, found, (tag, digest), oldest)?);
        }
        Ok((listings, not_now))
    }

    /// `DigestRevoked` where a role listed `digest` under `tag` once and lists the tag no longer.
    fn revoked(&self, tag: &str, digest: Digest, past: &Past) -> Result<(), Unresolved> {
        for role in self.listing_roles() {
            let still =
                self.repository.role(&role).is_some_and(|role| role.tags_of(digest).any(|t| t == tag));
            // A file that cannot be had does not turn "not signed" into "no answer".
            let then = match once(self, past, &role, (tag, digest), Timestamp::MIN, Began::WithThatVersion) {
                Err(Unresolved::No(_)) => Then::Never,
                then => then?,
            };
            if !still && !matches!(then, Then::Never) {
                let message = format!(
                    "{role} listed {digest} as {tag} once, and no longer lists {tag}: it was revoked"
                );
                return Err(no(Reason::DigestRevoked, message));
            }
        }
        Ok(())
    }

    /// The tags under which a role that matters lists the digest, each once.
    fn tags_of(&self, digest: Digest) -> Vec<&'a str> {
        let mut tags: Vec<&str> = self
            .listing_roles()
            .iter()
            .filter_map(|role| self.repository.usable(role, self.now, self.skew).ok())
            .flat_map(|role| role.tags_of(digest))
            .collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    /// What stands in the way of the roles, whatever the tag.
    fn standing_objections(&self) -> Vec<Objection> {
        match &self.demand.delegations {
            Some(required) => quorum::standing(self, required),
            None => docker::standing(self),
        }
    }

    /// The roles whose lists matter.
    fn listing_roles(&self) -> Vec<RoleName> {
        let mut roles: Vec<_> = roles_of(self.demand).cloned().collect();
        if self.demand.delegations.is_none() {
            roles.push(RoleName::targets());
        }
        roles
    }

    fn who(&self) -> String {
        let roles = self.listing_roles();
        roles.iter().map(RoleName::as_str).collect::<Vec<_>>().join(", ")
    }

    fn too_old(&self, tag: &str, digest: Digest, at: Timestamp, found: &Found<'_>) -> String {
        format!(
            "{tag} was signed anew at {at} as {}, more than {:#} ago (supersededDigests.acceptFor); {digest} no longer \
             passes",
            found.digest, self.demand.accept_for
        )
    }
}

/// Adds what stands in the way whatever the tag. Of many alike a few are told.
fn add_standing(objections: &mut Vec<Objection>, more: Vec<Objection>) {
    let standing = more.into_iter().filter(|objection| objection.reason != Reason::NotSigned);
    objections.extend(standing.take(OBJECTIONS.saturating_sub(objections.len())));
}

/// Why a digest that is not current does not pass.
enum NotNow {
    /// It was not seen signed, as far as the record goes.
    Never,
    /// It was superseded too long ago.
    TooOld(Timestamp),
    /// Too few of those who signed it may still sign.
    SignerRemoved,
    /// The tag was removed before it was signed anew.
    TagRemoved,
    /// A version that passed unseen stands against it.
    Unseen(String),
}

fn signer_removed(tag: &str, digest: Digest) -> String {
    format!("{digest} was signed as {tag} once, by keys that the role no longer has: it was revoked")
}

fn tag_removed(tag: &str, digest: Digest) -> String {
    format!(
        "{digest} was signed as {tag} once, and {tag} was removed before it was signed anew: it was revoked"
    )
}

#[cfg(test)]
mod tests;
