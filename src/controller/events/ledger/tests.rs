//! What is remembered of Events.

use super::*;

fn notice(name: &str, note: &str) -> Notice {
    let about = k8s_openapi::api::core::v1::ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(name.to_owned()),
        ..Default::default()
    };
    Notice { about, is_warning: true, reason: "NotSigned".to_owned(), action: "Admit", note: note.to_owned() }
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

#[test]
fn what_is_remembered_is_bounded_however_much_there_is_to_say() {
    let (mut ledger, start) = (Ledger::default(), Instant::now());
    for number in 0..10_000 {
        let at = start + Duration::from_millis(100 * number);
        ledger.take(notice(&format!("web-{number}"), "not signed"), at, now());
        assert!(ledger.told.len() <= REMEMBERED && ledger.kinds.len() <= 2 * REMEMBERED);
    }
    // Seven minutes, in which one a second was posted: none is so old that it is forgotten.
    assert!(ledger.told.len() > 500, "{}", ledger.told.len());
}

#[test]
fn what_comes_again_after_a_long_time_is_an_event_of_its_own() {
    let (mut ledger, start) = (Ledger::default(), Instant::now());
    assert!(matches!(ledger.take(notice("web", "a"), start, now()), Taken::New(_)));
    let later = start + REPEATS_WITHIN;
    assert_eq!(ledger.take(notice("web", "a"), later - Duration::from_secs(1), now()), Taken::Known);
    assert_eq!(ledger.take(notice("web", "a"), later + Duration::from_secs(1), now()), Taken::Known);
    let late = later + REPEATS_WITHIN + Duration::from_secs(1);
    let Taken::New(errand) = ledger.take(notice("web", "a"), late, now()) else { panic!("a repetition") };
    assert_eq!((errand.count, errand.number), (1, 2));
}
