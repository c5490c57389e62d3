//! [`Holdings`]: how the trust data does that a policy rests on, repository by repository, for its condition
//! `TrustDataFresh`.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::condition::Says;
use crate::api::TrustPolicyStatus;
use crate::policy::{PolicyId, PolicySet, Reason};
use crate::trust::{Refusal, RepositoryHealth, Resolver};

/// A repository whose data serves is in trouble when it could not be refreshed for this long: longer than the pause before
/// a refresh is tried again, so that one lost answer is no news.
const LASTS: SignedDuration = SignedDuration::from_secs(15);
/// A condition names so many repositories, the worst off first.
const MAX_NAMED: usize = 3;

/// Where the facts come from.
pub trait TrustData: Send + Sync + 'static {
    /// How every repository in use does.
    fn health(&self) -> Vec<RepositoryHealth>;
}

impl TrustData for Resolver {
    fn health(&self) -> Vec<RepositoryHealth> {
        Self::health(self)
    }
}

/// What a policy rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Holdings {
    /// How many repositories verified.
    verified: usize,
    /// Those among them that are not fresh.
    ailing: Vec<Ailment>,
    /// Those that never verified. They count only where none did: whoever creates a pod can name an image that nobody
    /// ever signed, and that says nothing about the policy's trust data.
    never: Vec<Ailment>,
}

/// What is wrong with one repository. The worst is the greatest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Ailment {
    severity: Severity,
    /// The longest first.
    since: Reverse<Timestamp>,
    gun: String,
    server: String,
    reason: Reason,
    /// The words of the last refusal. They may be others each time.
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    /// It serves, and its server does not answer.
    Unanswered,
    /// It serves, and its server is at fault.
    AtFault,
    /// It does not serve.
    Useless,
}

/// What each policy of `set` rests on. Policies that nobody asked for anything are not there.
pub(super) fn holdings(
    set: &PolicySet,
    health: &[RepositoryHealth],
    now: Timestamp,
) -> BTreeMap<Arc<PolicyId>, Holdings> {
    let mut holdings: BTreeMap<Arc<PolicyId>, Holdings> = BTreeMap::new();
    for repository in health {
        for asked in &repository.asked {
            let demand = set.demand_of(&asked.policy, &asked.image);
            let Some(demand) = demand.filter(|demand| repository.answers(demand)) else { continue };
            let of = holdings.entry(Arc::clone(&asked.policy)).or_default();
            of.add(repository, demand.freshness.max_staleness, now);
        }
    }
    holdings
}

impl Holdings {
    fn add(&mut self, repository: &RepositoryHealth, max_staleness: SignedDuration, now: Timestamp) {
        let ailment = ailment(repository, max_staleness, now);
        if repository.confirmed.is_some() {
            self.verified += 1;
            self.ailing.extend(ailment);
        } else {
            self.never.extend(ailment);
        }
    }

    /// Nothing is known of any repository.
    pub(super) fn is_empty(&self) -> bool {
        self.verified == 0 && self.never.is_empty()
    }

    /// How many are fresh, and how many are not: what [`Self::says`] goes by. Where none ever verified, those count that could
    /// not, unless this replica does not know what others were asked for: where something verifies there, the rest is mostly
    /// invented names.
    pub(super) fn fresh_and_ailing(&self, knows_others: bool) -> (usize, usize) {
        match self.verified {
            0 if knows_others => (0, self.never.len()),
            verified => (verified - self.ailing.len(), self.ailing.len()),
        }
    }

    /// How many repositories the policy rests on.
    pub(super) fn repositories(&self) -> i64 {
        i64::try_from(self.verified).unwrap_or(i64::MAX)
    }

    /// The condition `TrustDataFresh`.
    pub(super) fn says(&self) -> Says {
        let says = |status: &str, reason: &str, message: String| {
            Says::new(TrustPolicyStatus::TRUST_DATA_FRESH, status, reason, message)
        };
        let (mut ailing, of) = match self.verified {
            0 => (self.never.clone(), self.never.len()),
            verified => (self.ailing.clone(), verified),
        };
        ailing.sort_unstable_by(|a, b| b.cmp(a));
        match (ailing.first(), self.verified) {
            (Some(worst), _) => {
                let message = format!("{} of {of} repositories: {}", ailing.len(), named(&ailing));
                says("False", worst.reason.as_str(), message).with_detail(&worst.detail)
            }
            (None, 0) => {
                let message = "the replica that leads knows of no repository that was asked for under this policy in the \
                               last 30 days";
                says("Unknown", "NotAskedYet", message.to_owned())
            }
            (None, _) => {
                let message = "the trust server answers, and what it answers verifies";
                says("True", "Fresh", message.to_owned())
            }
        }
    }
}

fn named(ailing: &[Ailment]) -> String {
    let mut named: Vec<String> = ailing.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    let more = ailing.len().saturating_sub(MAX_NAMED);
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    named.join("; ")
}

impl std::fmt::Display for Ailment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Whole seconds say enough.
        let since = Timestamp::from_second(self.since.0.as_second()).unwrap_or(self.since.0);
        write!(f, "{} at {}: {} since {since}", self.gun, self.server, self.reason)
    }
}

/// What is wrong with a repository, by the reason that a denial would have (design §4 "Cache").
fn ailment(repository: &RepositoryHealth, max_staleness: SignedDuration, now: Timestamp) -> Option<Ailment> {
    let trouble = repository.trouble.as_ref();
    let ailment = |severity, reason, since, detail: &str| Ailment {
        severity,
        since: Reverse(since),
        gun: repository.gun.to_string(),
        server: repository.server.url.to_string(),
        reason,
        detail: detail.to_owned(),
    };
    let useless = Severity::Useless;
    let troubled = |severity| {
        trouble.map(|(refusal, since)| ailment(severity, refusal.reason(), *since, refusal.message()))
    };
    let Some(confirmed) = &repository.confirmed else {
        return troubled(useless).filter(|_| lasts(trouble, now));
    };
    let is_stale = now.duration_since(confirmed.at) > max_staleness;
    let servers_word = matches!(trouble, Some((Refusal::Untrusted(_), _)));
    if is_stale && !(confirmed.expired.is_some() && servers_word) {
        let cause = trouble.map_or_else(String::new, |(refusal, _)| refusal.to_string());
        let since = confirmed.at.saturating_add(max_staleness).unwrap_or(confirmed.at);
        return Some(ailment(useless, Reason::TooStale, since, &cause));
    }
    if let Some((role, expired)) = &confirmed.expired {
        return troubled(useless)
            .or_else(|| Some(ailment(useless, Reason::Expired, *expired, &format!("{role} expired"))));
    }
    let severity = if servers_word { Severity::AtFault } else { Severity::Unanswered };
    troubled(severity).filter(|_| lasts(trouble, now))
}

fn lasts(trouble: Option<&(Refusal, Timestamp)>, now: Timestamp) -> bool {
    trouble.is_some_and(|(_, since)| {
        let lasted = now.duration_since(*since);
        lasted.is_negative() || lasted >= LASTS
    })
}
