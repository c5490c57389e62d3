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

fn inside(namespace: &str, name: &str) -> Notice {
    let mut notice = notice(name, "not signed");
    notice.about.namespace = Some(namespace.to_owned());
    notice
}

fn is_new(taken: &Taken) -> bool {
    matches!(taken, Taken::New(_))
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

#[test]
fn a_flood_in_one_namespace_suppresses_nothing_of_another() {
    let (mut ledger, start) = (Ledger::default(), Instant::now());
    let (mut of_flood, mut of_others) = (0, 0);
    for second in 0..600 {
        let at = start + Duration::from_secs(second);
        for number in 0..100 {
            let finding = inside("noisy", &format!("web-{second}-{number}"));
            of_flood += u32::from(is_new(&ledger.take(finding, at, now())));
        }
        // Others have something to say once in a minute, each.
        for other in (0..20).filter(|other| second % 60 == *other) {
            let finding = inside(&format!("quiet-{other}"), &format!("web-{second}"));
            of_others += u32::from(is_new(&ledger.take(finding, at, now())));
        }
    }
    assert_eq!(of_others, 20 * 10, "all of it");
    // Half of the burst, and what the others left of one a second.
    assert!((400..=430).contains(&of_flood), "{of_flood}");
}

#[test]
fn a_namespace_has_a_share_however_many_flood() {
    let (mut ledger, start) = (Ledger::default(), Instant::now());
    let mut told: HashMap<usize, u32> = HashMap::new();
    for second in 0..600 {
        let at = start + Duration::from_secs(second);
        for number in 0..20 {
            for namespace in 0..30 {
                let finding = inside(&format!("noisy-{namespace}"), &format!("web-{second}-{number}"));
                *told.entry(namespace).or_default() += u32::from(is_new(&ledger.take(finding, at, now())));
            }
        }
    }
    let (least, all) = (told.values().min().unwrap(), told.values().sum::<u32>());
    assert!((620..=655).contains(&all), "{all}: about as much as is told of one");
    assert!(*least >= 5, "{told:?}");
}

#[test]
fn findings_without_a_workload_are_in_the_share_of_the_namespace_that_they_are_about() {
    let mut of_namespace = notice("shop", "not signed");
    of_namespace.about.kind = Some("Namespace".to_owned());
    assert_eq!((namespace(&of_namespace), namespace(&inside("shop", "web"))), (Some("shop"), Some("shop")));
    assert_eq!(namespace(&notice("web", "not signed")), None);
}

#[test]
fn a_flood_of_repetitions_leaves_room_for_those_of_another_namespace() {
    let (mut ledger, start) = (Ledger::default(), Instant::now());
    let mut noisy = Vec::new();
    // For five minutes, as much as is let through.
    for second in 0..300 {
        let finding = inside("noisy", &format!("web-{second}"));
        if is_new(&ledger.take(finding.clone(), start + Duration::from_secs(second), now())) {
            noisy.push(finding);
        }
    }
    let mut at = start + Duration::from_secs(300);
    assert!(is_new(&ledger.take(inside("quiet", "web"), at, now())));
    let (mut updates, mut flood) = (0, 0);
    for second in 0..300 {
        at += Duration::from_secs(1);
        for finding in &noisy {
            ledger.take(finding.clone(), at, now());
        }
        ledger.take(inside("quiet", "web"), at, now());
        if second % 10 == 0 {
            while let Some(errand) = ledger.repeated(at) {
                let is_quiet = namespace(&errand.notice) == Some("quiet");
                *(if is_quiet { &mut updates } else { &mut flood }) += 1;
            }
        }
    }
    assert!((4..=6).contains(&updates), "one soon, and then one a minute: {updates}");
    assert!((290..=330).contains(&flood), "{flood}");
}

#[test]
fn what_is_remembered_of_a_quiet_namespace_outlives_a_flood_elsewhere() {
    let (mut ledger, at) = (Ledger::default(), Instant::now());
    let told = |notice: Notice, seen| {
        let errand = Errand { notice, number: 0, first: now(), last: now(), count: 1 };
        (key(&errand.notice), Told { errand, seen, sent: seen, is_repeated: false, is_updated: false })
    };
    ledger.told.extend([told(inside("quiet", "web"), at)]);
    for number in 1..REMEMBERED {
        let seen = at + Duration::from_millis(u64::try_from(number).unwrap());
        ledger.told.extend([told(inside("noisy", &format!("web-{number}")), seen)]);
    }
    let at = at + Duration::from_secs(2);
    assert!(is_new(&ledger.take(inside("noisy", "one-more"), at, now())));
    assert_eq!(ledger.told.len(), REMEMBERED);
    assert_eq!(ledger.take(inside("quiet", "web"), at, now()), Taken::Known);
    assert!(is_new(&ledger.take(inside("noisy", "web-1"), at, now())), "the oldest of those that are many");
}

#[test]
fn namespaces_are_remembered_only_for_as_long_as_something_was_told_of_them_lately() {
    let (mut ledger, start) = (Ledger::default(), Instant::now());
    for number in 0..10_000 {
        let at = start + Duration::from_millis(100 * number);
        ledger.take(inside(&format!("ns-{number}"), "web"), at, now());
        assert!(ledger.findings.len() <= 129, "{}", ledger.findings.len());
    }
}
