//! [`Held`] and [`Seen`]: what a Lease says, and what may be done about it. No I/O.
//!
//! Another replica's lease is over when it did not change for as long as it says it lasts, by this replica's own monotonic
//! clock since this replica first saw it so: nobody's wall clock is compared with another's. Whoever writes does so over
//! the version that it read, so that of two who take over one wins.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use tokio::time::Instant;

/// How long a lease lasts that is not renewed.
pub(super) const LASTS: Duration = Duration::from_secs(15);
/// How long its holder believes in it. A write that was begun at the last moment is over, by its own limit of five seconds,
/// before anybody else can lead.
pub(super) const TERM: Duration = Duration::from_secs(10);

/// Who asks for the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) identity: String,
    /// When this process took the lease, or last tried to. With the identity it is the mark of what this process wrote:
    /// a container that starts again has the pod's name, and not the lease.
    pub(super) acquired: Option<MicroTime>,
}

/// A lease that this replica does not hold, since when it reads as it does.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    lease: Lease,
    since: Instant,
}

/// What becomes of a lease that was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    /// Somebody else holds it.
    Wait(Seen),
    /// It is to be written like this.
    Write(Lease),
}

impl Candidate {
    /// What to do about `lease`, which was read by `at` at the latest, and before that was `seen`.
    pub(super) fn judge(&mut self, lease: Lease, seen: Option<Seen>, at: Instant, now: Timestamp) -> Next {
        if self.holds(&lease) {
            return Next::Write(self.renewed(lease, now));
        }
        let seen = seen.filter(|seen| seen.lease == lease).unwrap_or(Seen { lease, since: at });
        if seen.is_over(at) { Next::Write(self.taken(seen.lease, now)) } else { Next::Wait(seen) }
    }

    /// What to do where there is no lease. One that was `seen` and is deleted still holds for who held it: that is only
    /// found out when it is to be renewed.
    pub(super) fn judge_none(&mut self, name: &str, seen: Option<Seen>, at: Instant, now: Timestamp) -> Next {
        match seen.filter(|seen| !seen.is_over(at)) {
            Some(seen) => Next::Wait(seen),
            None => Next::Write(self.first(name, now)),
        }
    }

    /// Whether this process wrote it.
    pub(super) fn holds(&self, lease: &Lease) -> bool {
        let spec = lease.spec.as_ref();
        let acquired = spec.and_then(|spec| spec.acquire_time.as_ref());
        spec.and_then(|spec| spec.holder_identity.as_ref()) == Some(&self.identity)
            && acquired.is_some()
            && acquired == self.acquired.as_ref()
    }

    /// A lease that nobody made yet.
    fn first(&mut self, name: &str, now: Timestamp) -> Lease {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        self.taken(Lease { metadata, spec: None }, now)
    }

    /// The lease, taken over.
    fn taken(&mut self, lease: Lease, now: Timestamp) -> Lease {
        let now = micro(now);
        self.acquired = Some(now.clone());
        let transitions =
            lease.spec.as_ref().map(|spec| spec.lease_transitions.unwrap_or(0).saturating_add(1));
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_duration_seconds: Some(seconds(LASTS)),
            lease_transitions: Some(transitions.unwrap_or(0)),
            ..LeaseSpec::default()
        };
        Lease { spec: Some(spec), ..lease }
    }

    /// The same, held for longer.
    pub(super) fn renewed(&self, mut lease: Lease, now: Timestamp) -> Lease {
        let spec = lease.spec.get_or_insert_default();
        spec.renew_time = Some(micro(now));
        spec.lease_duration_seconds = Some(seconds(LASTS));
        lease
    }
}

/// The lease without a holder: whoever comes next takes it.
pub(super) fn given_up(mut lease: Lease, now: Timestamp) -> Lease {
    let spec = lease.spec.get_or_insert_default();
    (spec.holder_identity, spec.acquire_time) = (None, None);
    spec.renew_time = Some(micro(now));
    lease
}

/// Who holds it.
pub(super) fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

impl Seen {
    fn is_over(&self, at: Instant) -> bool {
        let spec = self.lease.spec.as_ref();
        let lasts = spec.and_then(|spec| u64::try_from(spec.lease_duration_seconds?).ok());
        let lasts = lasts.map_or(LASTS, Duration::from_secs);
        holder(&self.lease).is_none() || at.saturating_duration_since(self.since) >= lasts
    }

    pub(super) fn holder(&self) -> Option<&str> {
        holder(&self.lease)
    }
}

/// A time as the API server gives it back: in whole microseconds.
fn micro(time: Timestamp) -> MicroTime {
    let beyond = time.subsec_nanosecond().rem_euclid(1000);
    MicroTime(time.saturating_sub(SignedDuration::from_nanos(i64::from(beyond))).unwrap_or(time))
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
