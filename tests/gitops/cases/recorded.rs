//! Recording, and tests that run from what was recorded.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tagseal::clock::{Clock as _, SystemClock};

use super::world::{World, object};
use crate::cli::run::{Machine, REPOSITORY, digest};

fn verdicts(world: &World, more: &[&str]) -> Vec<String> {
    let ended = world.test(&[&["-o", "json"], more].concat());
    let answers: Value = serde_json::from_str(&ended.printed()).unwrap();
    let word = |answer: &Value| {
        let reason = answer["reason"].as_str().map(|reason| format!(" {reason}")).unwrap_or_default();
        format!("{}{reason}", answer["verdict"].as_str().unwrap())
    };
    answers.as_array().unwrap().iter().map(word).collect()
}

#[test]
fn a_recorded_test_asks_no_server_and_goes_with_the_folder() {
    let world = World::new();
    world.usual_cases();
    let text = world.test(&["--record"]).done();
    assert!(text.ends_with("5 cases: 5 passed, 0 failed, 0 undecided\n"), "{text}");
    assert!(
        text.starts_with(&format!("passed     test.yaml:4:3: {REPOSITORY}:1.0 in default: Sealed\n")),
        "{text}"
    );

    world.is_away(true);
    let asked = world.asked();
    assert_eq!(world.test(&[]).done(), text);
    // Elsewhere, with nothing but the files: no home folder that remembers anything.
    let other = Machine::new();
    for file in ["policy.yaml", "test.yaml"] {
        std::fs::copy(world.machine.file(file), other.file(file)).unwrap();
    }
    for file in world.files("recorded") {
        let to = other.path().join(file.strip_prefix(world.machine.path()).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(file, to).unwrap();
    }
    assert_eq!(other.run(&["test", "test.yaml"]).done(), text);
    assert_eq!(world.asked(), asked, "a recorded test asked the server");
}

#[test]
fn a_changed_policy_shows_its_effect_on_the_same_cases() {
    let world = World::new();
    world.usual_cases();
    world.test(&["--record"]).done();
    world.is_away(true);
    // A role that no case needed is recorded with the rest.
    world.policy(json!({"requiredDelegations": [{"role": "targets/ci"}]}));
    let printed = world.test(&[]);
    let (text, errors) = (printed.printed(), printed.failed(1));
    let expected = format!(
        "failed     test.yaml:4:3: {REPOSITORY}:1.0 in default: Denied\n           \
         verdict    expected Sealed, got Denied\n           \
         digest     expected {}, got none\n           message    ClusterTrustPolicy production: NotSigned: ",
        digest("1.0")
    );
    assert!(text.starts_with(&expected), "{text}{errors}");
    assert!(text.contains("\n           policies   ClusterTrustPolicy production\n"), "{text}");
    assert!(
        text.contains(&format!("\npassed     test.yaml:5:3: {REPOSITORY}:1.1 in default: Sealed\n")),
        "{text}"
    );
    assert!(text.ends_with("5 cases: 4 passed, 1 failed, 0 undecided\n"), "{text}");

    world.policy(json!({"images": {"include": ["other.test/**"]}}));
    assert_eq!(verdicts(&world, &[]), vec!["Unmatched"; 5]);
    let differences: Value = serde_json::from_str(&world.test(&["-o", "json"]).printed()).unwrap();
    assert_eq!(
        differences[2]["differences"],
        json!([
            {"field": "verdict", "expected": "Denied", "got": "Unmatched"},
            {"field": "reason", "expected": "NotSigned", "got": "none"},
        ])
    );
}

#[test]
fn what_was_recorded_is_verified_when_it_is_read() {
    let world = World::new();
    world.usual_cases();
    world.test(&["--record"]).done();
    let good = verdicts(&world, &[]);
    let mut seen = Vec::new();
    for file in world.files("recorded").iter().filter(|file| !file.ends_with("recorded.json")) {
        let before = std::fs::read_to_string(file).unwrap();
        let after = before.replacen("\"expires\":\"20", "\"expires\":\"21", 1);
        assert_ne!(before, after, "{file:?}");
        std::fs::write(file, after).unwrap();
        let bad = verdicts(&world, &[]);
        std::fs::write(file, before).unwrap();
        let role = file.file_name().unwrap().to_string_lossy().split('.').next().unwrap().to_owned();
        seen.push((role, bad[0].clone(), bad[1].clone()));
    }
    seen.sort();
    let (tampered, fine) = ("Denied InvalidMetadata", "Sealed");
    let expected = [
        // Nobody needs it: the release lists the tag, too.
        ("ci", fine, fine),
        ("releases", tampered, tampered),
        ("root", "Denied InvalidSignature", "Denied InvalidSignature"),
        ("snapshot", tampered, tampered),
        ("targets", tampered, tampered),
        ("timestamp", "Denied InvalidSignature", "Denied InvalidSignature"),
    ];
    let seen: Vec<_> = seen.iter().map(|(role, first, second)| (&**role, &**first, &**second)).collect();
    assert_eq!(seen, expected);
    assert_eq!(verdicts(&world, &[]), good);

    let list = world.machine.file("recorded/recorded.json");
    std::fs::write(&list, "{}").unwrap();
    let errors = world.test(&[]).failed(2);
    assert!(
        errors
            .contains("test.yaml:2:1: trust: recorded/recorded.json cannot be read: missing field `format`"),
        "{errors}"
    );
}

#[test]
fn time_is_the_recordings_own_or_what_the_test_says() {
    let world = World::new();
    world.usual_cases();
    world.test(&["--record"]).done();
    let test = std::fs::read_to_string(world.machine.file("test.yaml")).unwrap();
    // The timestamp is over then, and nothing else.
    let later = SystemClock.now() + SignedDuration::from_hours(24 * 60);
    world.write("test.yaml", &format!("at: {later}\n{test}"));
    assert_eq!(verdicts(&world, &[])[0], "Denied Expired");

    // An exemption holds at the time of the recording, and not at its own end.
    let until = later.to_string();
    let exemption = json!({"images": {"include": ["**"]}, "reason": "a test", "until": until});
    world.write("exemption.yaml", &object("TrustExemption", "e", &exemption).to_string());
    let test = test.replace("[policy.yaml]", "[policy.yaml, exemption.yaml]");
    world.write("test.yaml", &test);
    assert_eq!(verdicts(&world, &[]), vec!["Exempt"; 5]);
    world.write("test.yaml", &format!("at: {later}\n{test}"));
    assert_eq!(verdicts(&world, &[])[0], "Denied Expired");
}

#[test]
fn what_was_not_recorded_is_undecided_though_the_server_is_there() {
    let world = World::new();
    world.cases(&format!("- {{image: '{REPOSITORY}:1.0', expect: Sealed}}\n"));
    world.test(&["--record"]).done();
    let asked = world.asked();
    world.cases("- {image: 'registry.test/shop/api:1', expect: Sealed}\n");
    let ended = world.test(&[]);
    let text = ended.printed();
    ended.failed(2);
    assert_eq!(world.asked(), asked);
    assert!(
        text.starts_with("undecided  test.yaml:4:3: registry.test/shop/api:1 in default: Unavailable\n"),
        "{text}"
    );
    assert!(
        text.contains("no server is asked, and recorded does not have ")
            && text.contains("record it: tagseal test --record test.yaml"),
        "{text}"
    );
    // Who expects that has it.
    world.cases(
        "- {image: 'registry.test/shop/api:1', expect: Unavailable, reason: TrustServerUnreachable}\n\
         - {image: 'registry.test/shop/api:1', expect: Unavailable, reason: TooStale}\n",
    );
    let ended = world.test(&[]);
    let text = ended.printed();
    ended.failed(1);
    assert!(text.contains("reason     expected TooStale, got TrustServerUnreachable\n"), "{text}");

    world
        .write("test.yaml", "policies: [policy.yaml]\ntrust: nowhere\ncases: [{image: a, expect: Denied}]\n");
    let errors = world.test(&[]).failed(2);
    assert_eq!(
        errors,
        "test.yaml:2:1: trust: nowhere does not exist; record it: tagseal test --record test.yaml\n"
    );
}

#[test]
fn a_cache_folder_and_a_tree_of_notary_are_recorded_trust_data_too() {
    let world = World::new();
    for tag in ["1.0", "1.1"] {
        world
            .machine
            .run(&[
                "verify",
                &format!("{REPOSITORY}:{tag}"),
                "--policy",
                "policy.yaml",
                "--cache-dir",
                "recorded",
            ])
            .done();
    }
    world.cases(&format!(
        "- {{image: '{REPOSITORY}:1.0', expect: Sealed}}\n- {{image: '{REPOSITORY}:9.9', expect: Denied, reason: NotSigned}}\n"
    ));
    let asked = world.asked();
    world.test(&[]).done();
    // The pin of a policy that was changed since is another key of the cache.
    world.policy(json!({"digestReferences": "Allow", "trustServers": null, "mutation": "Workloads"}));
    world.test(&[]).done();
    let metadata =
        world.files("recorded").into_iter().find(|file| file.ends_with("metadata/root.json")).unwrap();
    let to = world.machine.file(&format!("tree/tuf/{REPOSITORY}"));
    std::fs::create_dir_all(&to).unwrap();
    std::fs::rename(metadata.parent().unwrap(), to.join("metadata")).unwrap();
    let test = std::fs::read_to_string(world.machine.file("test.yaml")).unwrap();
    world.write("test.yaml", &test.replace("trust: recorded", "trust: tree"));
    world.test(&[]).done();
    assert_eq!(world.asked(), asked);
    // It is nobody's recording: what is there is not touched.
    let errors = world.test(&["--record"]).failed(2);
    assert!(
        errors.contains("trust: tree is not empty and was not recorded: name a folder that is new, empty or recorded before"),
        "{errors}"
    );
}

#[test]
fn an_error_that_a_case_expects_is_recorded_and_is_the_same_from_the_folder() {
    for (status, reason) in [
        (401, "Unauthorized"),
        (403, "Unauthorized"),
        (503, "TrustServerUnreachable"),
        (302, "TrustServerUnreachable"),
    ] {
        let world = World::new();
        world.cases(&format!("- {{image: '{REPOSITORY}:1.0', expect: Unavailable, reason: {reason}}}\n"));
        let said = |more: &[&str]| {
            let ended = world.test(&[&["-o", "json"], more].concat());
            let answers: Value = serde_json::from_str(&ended.printed()).unwrap();
            ended.done();
            (answers[0]["reason"].clone(), answers[0]["message"].clone())
        };
        world.answers_with(status);
        let live = {
            let test = std::fs::read_to_string(world.machine.file("test.yaml")).unwrap();
            world.write("test.yaml", &test.replace("trust: recorded", "trust: live"));
            let live = said(&[]);
            world.write("test.yaml", &test);
            live
        };
        assert_eq!((live.0.as_str(), live.1.is_string()), (Some(reason), true), "{status}");
        assert_eq!(said(&["--record"]), live, "{status}");
        world.answers_with(0);
        let asked = world.asked();
        assert_eq!(said(&[]), live, "{status}");
        assert_eq!(world.asked(), asked);
        // Recorded again, there is an answer instead.
        world.cases(&format!("- {{image: '{REPOSITORY}:1.0', expect: Sealed}}\n"));
        world.test(&["--record"]).done();
        world.answers_with(status);
        world.test(&[]).done();
        let list = std::fs::read_to_string(world.machine.file("recorded/recorded.json")).unwrap();
        assert!(!list.contains("errors"), "{list}");
    }
}

#[test]
fn recording_is_all_or_nothing_and_keeps_what_others_need() {
    let world = World::new();
    world.usual_cases();
    world.is_away(true);
    let ended = world.test(&["--record"]);
    let (text, errors) = (ended.printed(), ended.failed(2));
    assert!(text.contains("\nundecided  test.yaml:5:3: "), "{text}");
    assert!(text.contains("TrustServerUnreachable"), "{text}");
    assert_eq!(errors, "test.yaml:2:1: trust: nothing was recorded, because a case could not be decided\n");
    assert!(!world.machine.file("recorded").exists());

    world.is_away(false);
    assert_eq!(world.test(&["--record"]).errors(), "recorded into recorded\n");
    let before: Vec<_> = world.files("recorded").iter().map(|file| std::fs::read(file).unwrap()).collect();
    world.is_away(true);
    world.test(&["--record"]).failed(2);
    let after: Vec<_> = world.files("recorded").iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert_eq!(before, after);

    // Another test shares the folder, by another name: what the first one needs stays, what nobody names goes.
    world.is_away(false);
    world.sign("2.0");
    world.write(
        "more/other.yaml",
        &format!(
            "policies: [../policy.yaml]\ntrust: ../recorded\ncases: [{{image: '{REPOSITORY}:2.0', expect: Sealed}}]\n"
        ),
    );
    world.machine.run(&["test", "--record", "more/other.yaml"]).done();
    world.is_away(true);
    world.test(&[]).done();
    world.machine.run(&["test", "more/other.yaml", "test.yaml"]).done();
    let timestamps = world.files("recorded");
    let name = |file: &std::path::PathBuf| file.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(timestamps.iter().filter(|file| name(file).starts_with("timestamp.")).count(), 1);

    // Nothing to record into.
    world.write("test.yaml", "policies: [policy.yaml]\ncases: [{image: a, expect: Denied}]\n");
    let errors = world.test(&["--record"]).failed(2);
    assert!(errors.starts_with("test.yaml:1:1: trust: names no folder to record into"), "{errors}");
}
