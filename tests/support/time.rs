//! Times as tests write them.

use jiff::{SignedDuration, Timestamp};

/// The time that `rfc3339` names.
pub fn t(rfc3339: &str) -> Timestamp {
    rfc3339.parse().expect("an RFC 3339 time")
}

/// So many days of 24 hours.
pub fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// So many hours.
pub fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

/// So many minutes.
pub fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// So many seconds.
pub fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}
