//! What a Lease means.

use super::*;

fn candidate(identity: &str) -> Candidate {
    Candidate { identity: identity.to_owned(), acquired: None }
}

fn now() -> Timestamp {
    "2026-03-01T12:00:00.123456789Z".parse().unwrap()
}

fn written(next: Next) -> Lease {
    match next {
        Next::Write(lease) => lease,
        Next::Wait(seen) => panic!("waits: {seen:?}"),
    }
}

fn waits(next: Next) -> Seen {
    match next {
        Next::Wait(seen) => seen,
        Next::Write(lease) => panic!("writes: {lease:?}"),
    }
}

fn held_by(identity: &str) -> (Candidate, Lease) {
    let mut holder = candidate(identity);
    let lease = written(holder.judge_none("tagseal", None, Instant::now(), now()));
    (holder, lease)
}

#[test]
fn anothers_lease_is_taken_when_it_did_not_change_for_as_long_as_it_lasts_whatever_its_clock_says() {
    let (_, mut lease) = held_by("a");
    // The holder's clock is a century off, either way.
    for renewed in ["1926-03-01T12:00:00Z", "2126-03-01T12:00:00Z"] {
        lease.spec.as_mut().unwrap().renew_time = Some(MicroTime(renewed.parse().unwrap()));
        let (mut other, start) = (candidate("b"), Instant::now());
        let seen = waits(other.judge(lease.clone(), None, start, now()));
        assert_eq!(seen.holder(), Some("a"));
        let almost = start + LASTS - Duration::from_millis(1);
        let seen = waits(other.judge(lease.clone(), Some(seen), almost, now()));
        let taken = written(other.judge(lease.clone(), Some(seen), start + LASTS, now()));
        assert_eq!(holder(&taken), Some("b"));
        assert_eq!(taken.spec.as_ref().unwrap().lease_transitions, Some(1));
        assert_eq!(taken.metadata, lease.metadata, "over the version that was read");
        assert!(other.holds(&taken));
    }
}

#[test]
fn a_lease_that_was_renewed_is_waited_for_anew() {
    let (holder, lease) = held_by("a");
    let (mut other, start) = (candidate("b"), Instant::now());
    let seen = waits(other.judge(lease.clone(), None, start, now()));
    let renewed = holder.renewed(lease, now() + SignedDuration::from_secs(2));
    let late = start + LASTS + Duration::from_secs(1);
    let seen = waits(other.judge(renewed.clone(), Some(seen), late, now()));
    waits(other.judge(renewed, Some(seen), late + LASTS - Duration::from_millis(1), now()));
}

#[test]
fn a_process_that_starts_again_under_the_same_name_does_not_have_the_lease_of_the_one_before() {
    let (before, lease) = held_by("pod-0");
    assert!(before.holds(&lease));
    let mut after = candidate("pod-0");
    assert!(!after.holds(&lease));
    waits(after.judge(lease, None, Instant::now(), now()));
}

#[test]
fn a_lease_is_ones_own_again_when_the_answer_to_taking_it_was_lost() {
    let (mut holder, lease) = held_by("a");
    let renewed = written(holder.judge(lease.clone(), None, Instant::now(), now()));
    assert!(holder.holds(&renewed));
    assert_eq!(renewed.spec.as_ref().unwrap().acquire_time, lease.spec.as_ref().unwrap().acquire_time);
    // As the API server gives times back: in microseconds.
    let micro = lease.spec.unwrap().acquire_time.unwrap();
    assert_eq!(micro.0.to_string(), "2026-03-01T12:00:00.123456Z");
}

#[test]
fn a_lease_that_was_given_up_is_taken_at_once() {
    let (_, lease) = held_by("a");
    let mut other = candidate("b");
    for lease in [given_up(lease.clone(), now()), Lease { spec: None, ..lease }] {
        assert_eq!(holder(&lease), None);
        let taken = written(other.judge(lease, None, Instant::now(), now()));
        assert_eq!(holder(&taken), Some("b"));
    }
}

#[test]
fn a_lease_that_was_deleted_still_holds_for_as_long_as_it_lasted() {
    let (_, lease) = held_by("a");
    let (mut other, start) = (candidate("b"), Instant::now());
    let seen = waits(other.judge(lease, None, start, now()));
    let almost = start + LASTS - Duration::from_millis(1);
    let seen = waits(other.judge_none("tagseal", Some(seen), almost, now()));
    written(other.judge_none("tagseal", Some(seen), start + LASTS, now()));
}

#[test]
fn a_term_is_over_before_anybody_else_may_take_the_lease() {
    assert!(
        TERM + Duration::from_secs(5) <= LASTS,
        "a write, which takes five seconds at most, fits between"
    );
}
