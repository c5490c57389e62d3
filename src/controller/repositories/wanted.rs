//! [`Wanted`]: what the status of a `TrustedRepository` should say.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::super::condition::Says;
use super::held::{Held, Standing, facts};
use crate::api::{CurrentRoot, RoleSigners, TrustedRepositoryStatus};
use crate::digest::Digest;
use crate::trust::RepositoryStatus;
use crate::tuf::{KeyId, RoleName};

/// A repository whose data serves is in trouble when it could not be refreshed for this long: one lost answer is no news.
const LASTS: SignedDuration = SignedDuration::from_secs(20);
/// A day, in seconds.
const DAY: i64 = 24 * 60 * 60;

/// What is known here of a repository, beside what stands in its status.
pub(super) struct Wanted<'a> {
    held: &'a Held,
    standing: &'a Standing,
    here: &'a RepositoryStatus,
    verified: Says,
    /// Whether what verified here is at least as new as what the status speaks of. If not, another replica knew better, and
    /// only the trouble is news.
    is_newest: bool,
}

impl<'a> Wanted<'a> {
    /// `None`: nothing is known here that is news.
    pub(super) fn of(
        held: &'a Held,
        standing: &'a Standing,
        here: &'a RepositoryStatus,
        now: Timestamp,
    ) -> Option<Self> {
        let trouble = here.trouble.as_ref().filter(|(_, since)| {
            let lasted = now.duration_since(*since);
            lasted.is_negative() || lasted >= LASTS
        });
        // The status holds whole seconds.
        let whole = |time: Timestamp| time.as_second();
        let is_newest = here.last_verified.map(whole) >= standing.last_verified.map(whole);
        let says = |status, reason: &str, message| {
            Says::new(TrustedRepositoryStatus::VERIFIED, status, reason, message)
        };
        let verified = match trouble {
            Some((refusal, since)) => {
                let since = Timestamp::from_second(since.as_second()).unwrap_or(*since);
                says("False", refusal.reason().as_str(), format!("since {since}: {}", refusal.message()))
            }
            None if is_newest => {
                let message = "the trust server answers, and what it answers verifies";
                says("True", "Verified", message.to_owned())
            }
            None => return None,
        };
        Some(Self { held, standing, here, verified, is_newest })
    }

    /// What the status would say but for times and words. Of ten thousand, few have changed: what stands is not unpacked to
    /// see that.
    pub(super) fn facts(&self) -> Digest {
        let before = if self.is_newest { TrustedRepositoryStatus::default() } else { self.standing.status() };
        facts(&self.over(before, Timestamp::UNIX_EPOCH))
    }

    /// The status.
    pub(super) fn status(&self, now: Timestamp) -> TrustedRepositoryStatus {
        self.over(self.standing.status(), now)
    }

    /// The day on which it was last asked for, here or elsewhere.
    pub(super) fn last_used(&self) -> Option<Timestamp> {
        let day = self.here.last_used.as_second().div_euclid(DAY).saturating_mul(DAY);
        Timestamp::from_second(day).ok().max(self.standing.last_used)
    }

    fn over(&self, before: TrustedRepositoryStatus, now: Timestamp) -> TrustedRepositoryStatus {
        let verified = self.verified.condition(&before.conditions, None, now);
        if !self.is_newest {
            let mut status = before;
            status.conditions.retain(|condition| condition.type_ != verified.type_);
            status.conditions.insert(0, verified);
            return status;
        }
        let pin = self.pin().condition(&before.conditions, None, now);
        let (first, expires) = &self.here.earliest_expiry;
        let lists_tags = |role: &RoleName| role.is_delegation() || *role == RoleName::targets();
        let signers: Vec<_> = self.here.signers.iter().filter(|(role, _)| lists_tags(role)).collect();
        let signed_by = (!signers.is_empty()).then(|| in_short(&signers));
        let image = self.here.image.as_ref().map(ToString::to_string);
        TrustedRepositoryStatus {
            conditions: vec![verified, pin],
            root: Some(CurrentRoot {
                version: self.here.root_version.to_string(),
                key_ids: ids(&self.here.root_key_ids),
            }),
            signed_by,
            signers: signers
                .iter()
                .map(|(role, keys)| RoleSigners { role: role.to_string(), key_ids: ids(keys) })
                .collect(),
            expires: Some(Time(*expires)),
            expires_first: Some(first.to_string()),
            last_verified: self.here.last_verified.map(Time),
            last_used: self.last_used().map(Time),
            // One image is as good as another: what stands there stays.
            image: self.standing.image.as_deref().map(str::to_owned).or(image),
        }
    }

    fn pin(&self) -> Says {
        let (version, keys) = (self.here.root_version, ids(&self.here.root_key_ids).join(", "));
        let says = |status, reason, message| {
            Says::new(TrustedRepositoryStatus::PIN_UP_TO_DATE, status, reason, message)
        };
        if self.here.root_carries_pin {
            return says(
                "True",
                "RootCarriesPin",
                format!("the root, version {version}, itself carries the pin"),
            );
        }
        let advice = match self.held.is_pinned_by_first_use() {
            true => "deleting this object lets first use pin the newest root".to_owned(),
            false => format!("pin one of its keys in the spec.roots of the policies: {keys}"),
        };
        let message = format!(
            "a root rotation led to version {version}, which does not carry the pin itself; {advice}"
        );
        says("False", "RootRotated", message)
    }
}

/// So many roles, and keys of each, are named in short.
const IN_SHORT: usize = 3;

/// Roles and their signers for one column of a table: `targets: 5f1c2d3e; targets/releases: 0a1b2c3d, 4e5f6a7b`.
fn in_short(signers: &[&(RoleName, Vec<KeyId>)]) -> String {
    let roles = signers.iter().map(|(role, keys)| {
        let keys = ids(keys).into_iter().map(|id| id.chars().take(8).collect());
        format!("{role}: {}", first_of(keys.collect(), ", "))
    });
    first_of(roles.collect(), "; ")
}

fn first_of(mut all: Vec<String>, between: &str) -> String {
    let more = all.len().saturating_sub(IN_SHORT);
    all.truncate(IN_SHORT);
    if more > 0 {
        all.push(format!("+{more}"));
    }
    all.join(between)
}

fn ids(keys: &[KeyId]) -> Vec<String> {
    keys.iter().map(KeyId::to_string).collect()
}
