//! When a server that is busy or failing is asked again.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{self, HeaderMap};
use jiff::Timestamp;
use tokio::time::sleep;

use super::deadline::{Deadline, Span};
use super::endpoint::{Call, Endpoint, Reply};
use super::fault::{Fault, Times};
use crate::backoff::{Backoff, jitter};
use crate::clock::SharedClock;

/// How often a request is made at most. One that must not be done twice, and is sent away with the time to come back, is
/// made for as long as there is time: its publisher waits for it.
const ATTEMPTS: u32 = 3;
/// The longest wait before the second attempt; it doubles from there.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_millis(400);

/// Calls, and calls again on 429, 5xx and connections that were closed without an answer, for as long as the
/// deadline allows. The answer's status is never one of these. What must not be done twice is called again only where
/// no connection came about.
pub(super) async fn call(
    endpoint: &Endpoint,
    call: &Call,
    deadline: Deadline,
    clock: &SharedClock,
) -> Result<Reply, Fault> {
    let mut attempt = 1;
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let (fault, wanted) = match endpoint.call(call, deadline).await {
            Ok(reply) if is_passing(reply.status) => {
                let status = reply.status.as_u16();
                let fault = Fault::Failing { status, times: Times(attempt), body: reply.body };
                (fault, retry_after(&reply.headers, clock.now()).map(|wait| (status, wait)))
            }
            Err(fault) if may_repeat(&fault, call) => (fault, None),
            outcome => return outcome,
        };
        let pause = backoff.next_pause();
        let wait = wanted.map_or_else(|| jittered(pause), |(_, wait)| wait);
        // An answer to what must not be done twice may come after it was done.
        if matches!(fault, Fault::Failing { .. }) && !call.repeatable && !is_sent_away(&fault) {
            return Err(fault);
        }
        if let Some((status, wait)) = wanted
            && !deadline.leaves(wait)
        {
            return Err(Fault::RetryLater { status, wait: Span(wait) });
        }
        let is_patient = !call.repeatable && wanted.is_some();
        if attempt >= ATTEMPTS && !is_patient || !deadline.leaves(wait) {
            return Err(fault);
        }
        // A server that asks for no pause at all gets one after a while.
        sleep(if attempt < ATTEMPTS { wait } else { wait.max(jittered(pause)) }).await;
        attempt += 1;
    }
}

/// Whether a call that was not answered may be made again. What has to be made once is, where it was never sent: readers
/// have older data and come again, a publisher does not.
fn may_repeat(fault: &Fault, call: &Call) -> bool {
    if call.repeatable { fault.is_closed() } else { fault.is_unconnected() }
}

/// Whether the server did nothing, and says so (RFC 6585, 4).
fn is_sent_away(fault: &Fault) -> bool {
    matches!(fault, Fault::Failing { status: 429, .. })
}

fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// `Retry-After`, seconds or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

/// Between half of `longest` and all of it, so that those who failed together do not come back together.
fn jittered(longest: Duration) -> Duration {
    longest / 2 + jitter(longest / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::RETRY_AFTER, hyper::header::HeaderValue::from_static(value))])
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "1994-11-06T08:49:30Z".parse().unwrap();
        assert_eq!(retry_after(&headers("3"), now), Some(Duration::from_secs(3)));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after(&headers(date), now), Some(Duration::from_secs(7)));
        assert_eq!(
            retry_after(&headers(date), "2026-01-01T00:00:00Z".parse().unwrap()),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after(&headers("soon"), now), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_jittered_wait_is_between_half_and_whole() {
        for _ in 0..100 {
            let wait = jittered(Duration::from_millis(200));
            assert!((Duration::from_millis(100)..=Duration::from_millis(200)).contains(&wait), "{wait:?}");
        }
    }
}
