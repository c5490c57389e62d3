//! What a test says, and how its results are shown.

use serde_json::json;

use super::world::{World, object};
use crate::cli::run::REPOSITORY;
use crate::support::schemas;

#[test]
fn every_problem_of_every_file_is_told_and_the_other_tests_run() {
    let world = World::new();
    world.write("broken.yaml", "cases: [\n");
    world.write(
        "wrong.yaml",
        "policies: [policy.yaml, 7, missing.yaml]\nat: tomorrow\ntruts: recorded\nunmatchedImages: deny\ncases:\n\
         - image: 1.4\n  expect: Signed\n  reason: NotSignd\n  namespaceLabels: {env: true}\n\
         - {name: no image, expect: Sealed, reason: NotSigned, site: container, digest: sha256:1}\n\
         - nothing\n\
         - {image: a, namespace: b, expect: }\n",
    );
    world.write("wrong-policy.yaml", "policies: [bad.yaml]\ncases: [{image: a, expect: Denied}]\n");
    let bad =
        object("ClusterTrustPolicy", "bad", &json!({"images": {"include": ["a"]}, "firstUse": "Maybe"}));
    world.write("bad.yaml", &bad.to_string());
    world.write(
        "good.yaml",
        "policies: [policy.yaml]\ncases: [{image: 'ghcr.io/other/image:1', expect: Unmatched}]\n---\n\
         policies: []\ncases: {}\n---\npolicies: [policy.yaml]\ncases: [{image: 'ghcr.io/other/image:2', expect: Unmatched}]\n",
    );
    world.write("empty.yaml", "# nothing\n");
    let files = ["gone.yaml", "broken.yaml", "wrong.yaml", "wrong-policy.yaml", "good.yaml", "empty.yaml"];
    let ended = world.machine.run(&[&["test"], &files[..]].concat());
    let (text, errors) = (ended.printed(), ended.failed(2));
    assert_eq!(
        text,
        "passed     good.yaml:2:9: ghcr.io/other/image:1 in default: Unmatched\n\
         passed     good.yaml:8:9: ghcr.io/other/image:2 in default: Unmatched\n\
         2 cases: 2 passed, 0 failed, 0 undecided\n"
    );
    for told in [
        "gone.yaml: cannot be read: No such file or directory",
        "broken.yaml:1:8: not YAML: unclosed bracket",
        "wrong.yaml:1:25: policies[1]: must be a string: put it in quotes\n",
        "wrong.yaml:2:1: at: \"tomorrow\" is no time: write one like 2026-11-30T12:00:00Z\n",
        "wrong.yaml:3:1: truts: is not known; the fields here are policies, at, trust, unmatchedImages, cases\n",
        "wrong.yaml:4:1: unmatchedImages: \"deny\" is none of Allow, Warn, Deny\n",
        "wrong.yaml:6:3: cases[0].image: must be a string: put it in quotes\n",
        "wrong.yaml:7:3: cases[0].expect: \"Signed\" is none of Sealed, Admitted, Denied, ",
        "wrong.yaml:8:3: cases[0].reason: \"NotSignd\" is none of NotSigned, ",
        "wrong.yaml:9:21: cases[0].namespaceLabels.env: a label's value must be a string: put it in quotes\n",
        "wrong.yaml:10:3: cases[1].image is missing\n",
        "wrong.yaml:10:36: cases[1].reason: only Denied and Unavailable have a reason, not Sealed\n",
        "wrong.yaml:10:55: cases[1].site: \"container\" is none of initContainers, ",
        "wrong.yaml:10:72: cases[1].digest: must be sha256: and 64 lower-case hexadecimal digits\n",
        "wrong.yaml:11:3: cases[2]: a mapping was expected, with name, image, ",
        "wrong.yaml:12:3: cases[3].expect is missing: write one of Sealed, ",
        "bad.yaml:1:",
        "good.yaml:4:1: policies: must not be empty\n",
        "good.yaml:5:1: cases: must be a list\n",
        "empty.yaml: holds no test: write policies and cases\n",
    ] {
        assert!(errors.contains(told), "{told}\n--\n{errors}");
    }
    world.write("lone.yaml", "policies: [missing.yaml]\ncases: [{image: a, expect: Denied}]\n");
    let errors = world.machine.run(&["test", "lone.yaml"]).failed(2);
    assert!(
        errors.starts_with("lone.yaml:1:12: the policy file missing.yaml cannot be read: No such file"),
        "{errors}"
    );
    world.write("twice.yaml", "policies: [policy.yaml]\ncases: []\ncases: [{image: a, expect: Denied}]\n");
    let errors = world.machine.run(&["test", "twice.yaml"]).failed(2);
    assert!(errors.starts_with("twice.yaml:3:1: not YAML: "), "{errors}");
}

#[test]
fn labels_and_sites_and_inline_policies_count() {
    let world = World::new();
    world.policy(json!({"namespaceSelector": {"matchLabels": {"env": "production"}}}));
    world.write(
        "test.yaml",
        &format!(
            "policies:\n\
             - policy.yaml\n\
             - apiVersion: tagseal.dev/v1alpha1\n  kind: TrustExemption\n  metadata: {{name: shop}}\n  \
               spec: {{reason: a test, images: {{include: [registry.test/**]}}, sites: [initContainers]}}\n\
             - apiVersion: tagseal.dev/v1alpha1\n  kind: ClusterTrustPolicy\n  metadata: {{name: watching}}\n  \
               spec:\n    images: {{include: [registry.test/**]}}\n    notary: {{server: '{}'}}\n    firstUse: Trust\n    \
               validationActions: [Warn]\n    namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: shop}}}}\n\
             unmatchedImages: Deny\n\
             trust: live\n\
             cases:\n\
             - {{image: '{REPOSITORY}:9.9', namespaceLabels: {{env: production}}, expect: Denied, reason: NotSigned, warnings: []}}\n\
             - {{image: '{REPOSITORY}:9.9', expect: Denied, reason: NoPolicy}}\n\
             - {{image: '{REPOSITORY}:9.9', namespaceLabels: {{env: production}}, site: initContainers, expect: Exempt}}\n\
             - {{image: '{REPOSITORY}:9.9', namespace: shop, namespaceLabels: {{env: production}}, expect: Denied, warnings: [NotSigned]}}\n\
             - {{image: '{REPOSITORY}:1.0', namespaceLabels: {{env: production}}, expect: Sealed, sealed: '{REPOSITORY}:1.0@{}'}}\n\
             - {{image: '{REPOSITORY}@bad', namespaceLabels: {{env: production}}, expect: Denied, reason: InvalidReference}}\n",
            world.server.url(),
            crate::cli::run::digest("1.0"),
        ),
    );
    world.test(&[]).done();
    // An error of a policy in the test is at its place there.
    let test = std::fs::read_to_string(world.machine.file("test.yaml")).unwrap();
    world.write("test.yaml", &test.replace("validationActions", "validationAction"));
    let errors = world.test(&[]).failed(2);
    assert!(errors.starts_with("test.yaml:14:5: ") && errors.contains("validationAction"), "{errors}");
}

#[test]
fn a_live_server_is_the_policies_own_or_the_one_that_the_test_names() {
    let world = World::new();
    let case = format!("cases: [{{image: '{REPOSITORY}:1.0', expect: Sealed}}]\n");
    world.write("test.yaml", &format!("policies: [policy.yaml]\n{case}"));
    world.test(&[]).done();
    let url = world.server.url().to_owned();
    world.policy(json!({"notary": {"server": "https://notary.invalid"}}));
    world.write("test.yaml", &format!("policies: [policy.yaml]\ntrust: {url}\n{case}"));
    world.test(&[]).done();
    world.write("test.yaml", &format!("policies: [policy.yaml]\ntrust: http://notary.example.com\n{case}"));
    let errors = world.test(&[]).failed(2);
    assert!(
        errors.starts_with("test.yaml:2:1: trust: \"http://notary.example.com\" cannot be used"),
        "{errors}"
    );

    world.policy(json!({}));
    world.write("test.yaml", &format!("policies: [policy.yaml]\ntrust: live\n{case}"));
    world.is_away(true);
    let ended = world.test(&[]);
    assert!(ended.printed().contains("undecided  "), "{}", ended.printed());
    ended.failed(2);
    // A case that differs beats one that nobody can decide, and a problem.
    world.write(
        "other.yaml",
        "policies: [policy.yaml]\ncases: [{image: 'ghcr.io/other/image:1', expect: Denied}]\n",
    );
    world.machine.run(&["test", "test.yaml", "other.yaml", "gone.yaml"]).failed(1);
}

#[test]
fn junit_has_every_case_and_adds_up() {
    let world = World::new();
    world.write(
        "test.yaml",
        &format!(
            "policies: [policy.yaml]\ncases:\n- {{name: 'a <b> & \"c\"', image: '{REPOSITORY}:1.0', expect: Sealed}}\n\
             - {{image: '{REPOSITORY}:9.9', expect: Sealed}}\n- {{image: \"a\\u001bb\", expect: Sealed}}\n"
        ),
    );
    let ended = world.machine.run(&["test", "test.yaml", "gone.yaml", "-o", "junit"]);
    let xml = ended.printed();
    ended.failed(1);
    assert_eq!(schemas::junit(&xml).attribute("tests"), "4");
    for part in [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"tagseal test\" tests=\"4\" failures=\"2\" errors=\"1\">\n",
        "  <testsuite name=\"test.yaml\" tests=\"3\" failures=\"2\" errors=\"0\" skipped=\"0\">\n",
        "    <testcase classname=\"test.yaml\" name=\"a &lt;b&gt; &amp; &quot;c&quot; (3:3)\" file=\"test.yaml\"/>\n",
        &format!(
            "<testcase classname=\"test.yaml\" name=\"{REPOSITORY}:9.9 in default (4:3)\" file=\"test.yaml\">\n"
        ),
        &format!(
            "<failure message=\"test.yaml:4:3: {REPOSITORY}:9.9 in default: Denied\" type=\"NotSigned\">"
        ),
        "verdict    expected Sealed, got Denied\n",
        "  <testsuite name=\"gone.yaml\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\">\n",
        "<error message=\"gone.yaml: cannot be read: ",
    ] {
        assert!(xml.contains(part), "{part}\n--\n{xml}");
    }
    assert!(!xml.contains('\u{1b}'), "{xml}");
}
