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
/// Times alone are written at most this often for one repository.
const AGES: SignedDuration = SignedDuration::from_hours(1);
/// What the leader says of a repository that it holds is never older than this. Where it is, a replica that knows better says
/// so: only a pod's pull secrets open the repository, and the leader has none, or it has no room for it.
const LEFT: SignedDuration = SignedDuration::from_hours(36);
/// A day, in seconds.
const DAY: i64 = 24 * 60 * 60;

/// What is known here of a repository, beside what stands in its status.
pub(super) struct Wanted<'a> {
    held: &'a Held,
    standing: &'a Standing,
    here: &'a RepositoryStatus,
    says: Scope,
}

/// What is to be written, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum News {
    /// Facts changed.
    Facts,
    /// It was asked for, on another day than stands there.
    Use,
    /// It verified since.
    Age,
}

/// What of it is said.
enum Scope {
    /// All of it: what verified here is at least as new as what the status speaks of.
    All(Says),
    /// That it is in trouble: another replica knew better otherwise.
    Trouble(Says),
    /// That it was asked for.
    Use,
}

impl<'a> Wanted<'a> {
    /// What the leader says.
    pub(super) fn of(
        held: &'a Held,
        standing: &'a Standing,
        here: &'a RepositoryStatus,
        now: Timestamp,
    ) -> Self {
        let trouble = here.trouble.as_ref().filter(|(_, since)| {
            let lasted = now.duration_since(*since);
            lasted.is_negative() || lasted >= LASTS
        });
        // The status holds whole seconds.
        let whole = |time: Timestamp| time.as_second();
        let is_newest = here.last_verified.map(whole) >= standing.last_verified.map(whole);
        let verified = trouble.map(|(refusal, since)| {
            let since = Timestamp::from_second(since.as_second()).unwrap_or(*since);
            says("False", refusal.reason().as_str(), format!("since {since}: {}", refusal.message()))
        });
        let says = match (verified, is_newest) {
            (Some(trouble), true) => Scope::All(trouble),
            (Some(trouble), false) => Scope::Trouble(trouble),
            (None, true) => Scope::All(verifies()),
            (None, false) => Scope::Use,
        };
        Self { held, standing, here, says }
    }

    /// What another replica says: of what the leader evidently does not hold, what it holds itself, and of all else that it
    /// was asked for. Trouble may be its own alone.
    pub(super) fn of_another(held: &'a Held, standing: &'a Standing, here: &'a RepositoryStatus) -> Self {
        let is_left = here.trouble.is_none()
            && here.last_verified.is_some_and(|verified| {
                standing.last_verified.is_none_or(|before| verified.duration_since(before) >= LEFT)
            });
        let says = if is_left { Scope::All(verifies()) } else { Scope::Use };
        Self { held, standing, here, says }
    }

    /// What of it does not stand there yet.
    pub(super) fn news(&self) -> Option<News> {
        let (standing, here) = (self.standing, self.here);
        let has_facts = matches!(self.says, Scope::All(_) | Scope::Trouble(_));
        if has_facts && standing.facts != Some(self.facts()) {
            return Some(News::Facts);
        }
        if self.last_used() > standing.last_used || (standing.image.is_none() && here.image.is_some()) {
            return Some(News::Use);
        }
        let is_older = here.last_verified.is_some_and(|verified| {
            standing.last_verified.is_none_or(|before| verified.duration_since(before) >= AGES)
        });
        (matches!(self.says, Scope::All(_)) && is_older).then_some(News::Age)
    }

    /// What the status would say but for times and words. Of ten thousand, few have changed: what stands is not unpacked to
    /// see that.
    pub(super) fn facts(&self) -> Digest {
        let is_all = matches!(self.says, Scope::All(_));
        let before = if is_all { TrustedRepositoryStatus::default() } else { self.standing.status() };
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
        let image = self.here.image.as_ref().map(ToString::to_string);
        // One image is as good as another: what stands there stays.
        let image = self.standing.image.as_deref().map(str::to_owned).or(image);
        let verified = match &self.says {
            Scope::All(verified) => verified.condition(&before.conditions, None, now),
            Scope::Trouble(trouble) => {
                let trouble = trouble.condition(&before.conditions, None, now);
                let mut status = before;
                status.conditions.retain(|condition| condition.type_ != trouble.type_);
                status.conditions.insert(0, trouble);
                return status;
            }
            Scope::Use => {
                return TrustedRepositoryStatus { last_used: self.last_used().map(Time), image, ..before };
            }
        };
        let pin = self.pin().condition(&before.conditions, None, now);
        let (first, expires) = &self.here.earliest_expiry;
        let lists_tags = |role: &RoleName| role.is_delegation() || *role == RoleName::targets();
        let signers: Vec<_> = self.here.signers.iter().filter(|(role, _)| lists_tags(role)).collect();
        let signed_by = (!signers.is_empty()).then(|| in_short(&signers));
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
            image,
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

fn says(status: &str, reason: &str, message: String) -> Says {
    Says::new(TrustedRepositoryStatus::VERIFIED, status, reason, message)
}

fn verifies() -> Says {
    says("True", "Verified", "the trust server answers, and what it answers verifies".to_owned())
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
