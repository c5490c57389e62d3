//! `tagseal verify -f` says of a manifest what the webhooks say of its objects, in every form.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{
    Scenario, command, deployment, digest_of, output_of, pod, suspended_cron_job, tagseal_binary,
};
use crate::support::schemas;

#[test]
fn the_report_on_a_manifest_is_what_the_webhooks_say_and_holds_to_the_schemas() {
    let s = Scenario::new("verify-files");
    let (signed, digest) = s.signed_web();
    let unsigned = s.image("web:9.9");
    let moved = format!("{signed}@{}", digest_of("another"));
    let objects = [
        (pod("one", &signed), None),
        (deployment("two", 0, &signed), None),
        (deployment("three", 0, &unsigned), Some("NotSigned")),
        (suspended_cron_job("four", &moved), Some("DigestMismatch")),
        (pod("five", "elsewhere.test/x:1"), None),
    ];
    let list =
        json!({"apiVersion": "v1", "kind": "List", "items": objects.each_ref().map(|(object, _)| object)});
    let verdicts = s.asks_of(&list);
    assert_eq!(verdicts.len(), objects.len(), "{verdicts:?}");
    for (verdict, (object, reason)) in verdicts.iter().zip(&objects) {
        let answer = s.cluster.tries(object);
        assert_eq!(verdict.answer["reason"].as_str(), *reason, "{object}");
        assert_eq!(answer.passed, reason.is_none(), "{object}: {}", answer.errors);
        assert!(answer.errors.contains(reason.unwrap_or_default()), "{object}: {}", answer.errors);
        assert_eq!(verdict.answer["object"]["name"], object["metadata"]["name"]);
        assert_eq!(verdict.code, Some(1));
    }
    assert_eq!(verdicts[0].answer["sealed"], format!("{signed}@{digest}"));
    let sarif = schemas::sarif(&s.reports(&list, "sarif"));
    let rules = |run: &Value| {
        run["results"].as_array().unwrap().iter().map(|result| result["ruleId"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(rules(&sarif["runs"][0]), ["NotSigned", "DigestMismatch"]);
    schemas::code_quality(&s.reports(&list, "gitlab"));
    let junit = s.reports(&list, "junit");
    assert_eq!(schemas::junit(&junit).attribute("failures"), "2");
    jenkins_takes(&s, &junit);
    jenkins_takes(&s, &tested(&s, &signed, &unsigned));
}

/// What `tagseal test` says as JUnit's XML of a case that passes, one that fails, and a file that is not there.
fn tested(s: &Scenario, signed: &str, unsigned: &str) -> String {
    let policy = s.policy_files().remove(0);
    let file = s.folder("cases.yaml");
    let cases = json!([{"image": signed, "expect": "Sealed"}, {"image": unsigned, "expect": "Sealed"}]);
    std::fs::write(&file, json!({"policies": [policy], "cases": cases}).to_string())
        .expect("the cases' file");
    let mut test = command(tagseal_binary());
    test.arg("test")
        .arg(&file)
        .arg(s.folder("gone.yaml"))
        .args(["-o", "junit"])
        .env("HOME", s.folder("home"));
    let output = output_of(&mut test, b"");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let junit = String::from_utf8(output.stdout).expect("a text");
    let report = schemas::junit(&junit);
    assert_eq!(["tests", "failures", "errors"].map(|name| report.attribute(name)), ["3", "1", "1"]);
    junit
}

/// The schema of Jenkins, by libxml2.
fn jenkins_takes(s: &Scenario, junit: &str) {
    let file = s.folder("junit.xml");
    std::fs::write(&file, junit).expect("the report's file");
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/schemas/junit-10.xsd");
    let output = Command::new("xmllint").args(["--nonet", "--noout", "--schema", schema]).arg(file).output();
    let output = output.expect("xmllint, of libxml2-utils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
