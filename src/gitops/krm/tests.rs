use serde_json::json;

use super::results::{Entry, add};
use super::*;
use crate::gitops::tree::Tree;

const LIST: &str = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n- kind: Pod\n";

fn list(text: &str) -> ResourceList {
    ResourceList::read("-", text.as_bytes()).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

#[track_caller]
fn refused(text: &str) -> Vec<String> {
    let read = ResourceList::read("-", text.as_bytes()).and_then(|list| list.config());
    read.expect_err("refused").iter().map(ToString::to_string).collect()
}

fn entries() -> Vec<Entry> {
    vec![json!({"message": "a: b \u{2028} #", "file": {"index": 0, "path": "x"}}), json!({"message": "c"})]
}

/// The messages of the results of a list.
fn messages(text: &str) -> Vec<String> {
    let tree = Tree::parse(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
    let results = tree.field(tree.documents()[0].root, "results").expect("results");
    let message =
        |id: &_| tree.text(tree.field(*id, "message").expect("a message")).expect("text").to_owned();
    tree.elements(results).iter().map(message).collect()
}

#[test]
fn results_are_added_at_the_end_in_the_form_of_the_list() {
    let both = "- file:\n    index: 0\n    path: \"x\"\n  message: \"a: b \\u2028 #\"\n- message: \"c\"\n";
    for (before, after) in [
        (LIST.to_owned(), format!("{LIST}results:\n{both}")),
        (LIST.trim_end().to_owned(), format!("{LIST}results:\n{both}")),
        (format!("{LIST}# end\n"), format!("{LIST}# end\nresults:\n{both}")),
        (format!("{LIST}...\n"), format!("{LIST}results:\n{both}...\n")),
        (format!("---\n{LIST}"), format!("---\n{LIST}results:\n{both}")),
        (LIST.replace('\n', "\r\n"), format!("{LIST}results:\n{both}").replace('\n', "\r\n")),
        (format!("\u{feff}{LIST}"), format!("\u{feff}{LIST}results:\n{both}")),
        (format!("{LIST}results: []\n"), format!("{LIST}results:\n{both}")),
        (
            format!("results:\n{LIST}"),
            format!("results:\n{both}{LIST}").replacen("results:\n", "results:\n", 1),
        ),
    ] {
        let with = list(&before).with_results(before.clone(), &entries()).expect("added");
        assert_eq!(messages(&with), ["a: b \u{2028} #", "c"], "{with}");
        if !before.starts_with("results") {
            assert_eq!(with, after);
        }
    }
}

#[test]
fn results_that_are_there_stay() {
    for before in [
        format!("{LIST}results:\n- message: old\n"),
        format!("{LIST}results:\n  - message: old\n"),
        format!("results:\n- message: old\n{LIST}"),
        format!("{LIST}results: [{{message: old}}]\n"),
        format!("{LIST}results: [{{message: old}},]\n"),
        r#"{"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": [], "results": [{"message": "old"}]}"#
            .to_owned(),
    ] {
        let with = list(&before).with_results(before.clone(), &entries()).expect("added");
        assert_eq!(messages(&with), ["old", "a: b \u{2028} #", "c"], "{with}");
    }
}

#[test]
fn json_stays_json() {
    for before in [
        "{\"apiVersion\": \"config.kubernetes.io/v1\", \"kind\": \"ResourceList\", \"items\": [{\"kind\": \"Pod\"}]}",
        "{\n  \"apiVersion\": \"config.kubernetes.io/v1alpha1\",\n  \"kind\": \"ResourceList\",\n  \"items\": []\n}\n",
    ] {
        let with = list(before).with_results(before.to_owned(), &entries()).expect("added");
        let value: serde_json::Value =
            serde_json::from_str(&with).unwrap_or_else(|error| panic!("{with}: {error}"));
        assert_eq!(value["results"], json!(entries()));
        let bare: serde_json::Value =
            serde_json::from_str(&list(before).without_items(&entries())).expect("JSON");
        assert_eq!((&bare["items"], &bare["results"]), (&json!([]), &json!(entries())));
        assert_eq!(bare["apiVersion"], value["apiVersion"]);
    }
}

#[test]
fn a_value_that_the_end_would_change_is_not_changed() {
    // The last line of a block has a line feed once another line follows.
    let text = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n- a: |\n    text";
    let tree = Tree::parse(text).expect("YAML");
    let added = add(text, &tree, tree.documents()[0].root, &entries());
    assert!(added.starts_with(text));
    match list(text).with_results(text.to_owned(), &entries()) {
        Ok(with) => assert_eq!(messages(&with).len(), 2),
        Err(problem) => assert!(problem.message.contains("results cannot be added"), "{problem}"),
    }
}

#[test]
fn what_is_no_resource_list_is_refused() {
    for (text, what) in [
        ("", "nothing stands here"),
        ("a: b\n", "is no ResourceList"),
        ("apiVersion: v1\nkind: List\nitems: []\n", "\"List\" of \"v1\" is no ResourceList"),
        ("apiVersion: v1\nkind: ResourceList\nitems: []\n", "of \"v1\" is no ResourceList"),
        ("- a\n", "is no ResourceList"),
        ("a: [\n", "not YAML"),
        ("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems: {}\n", "items is no list"),
        ("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n---\na: b\n", "a second document"),
    ] {
        let errors = refused(text);
        assert!(errors[0].starts_with("-:") && errors[0].contains(what), "{text}: {errors:?}");
    }
}

#[test]
fn a_function_configuration_is_read_in_its_three_forms() {
    let config =
        |text: &str| list(&format!("{LIST}functionConfig: {text}\n")).config().expect("a configuration");
    let pin = config(
        "{apiVersion: fn.tagseal.dev/v1alpha1, kind: PinImages, metadata: {name: x}, spec: {policyFiles: [p.yaml], \
         namespace: shop, imagePaths: [Rollout.argoproj.io=spec.template.spec], update: true}}",
    );
    assert_eq!((pin.mode, pin.output, pin.update), (Mode::Pin, Output::Items, true));
    assert_eq!(
        (&*pin.policy_files[0], pin.namespace.as_deref(), pin.image_paths.len()),
        ("p.yaml", Some("shop"), 1)
    );
    let verify = config("{apiVersion: fn.tagseal.dev/v1alpha1, kind: VerifyImages, spec: {output: None}}");
    assert_eq!((verify.mode, verify.output), (Mode::Verify, Output::None));
    let map = config(
        "{apiVersion: v1, kind: ConfigMap, data: {mode: verify, policyFiles: \"a.yaml, b.yaml\", update: \"true\", output: None, \
         imagePaths: \"A=spec,B=spec\"}}",
    );
    assert_eq!((map.mode, map.output, map.update), (Mode::Verify, Output::None, true));
    assert_eq!((map.policy_files.len(), map.image_paths.len()), (2, 2));
    assert_eq!(list(LIST).config().expect("the default").mode, Mode::Pin);
    assert_eq!(config("null").mode, Mode::Pin);
}

#[test]
fn every_error_of_a_function_configuration_is_told_at_its_place() {
    for (text, place, what) in [
        ("{apiVersion: v1, kind: Pod}", "5:40", "functionConfig.kind: \"Pod\" of \"v1\" is not known"),
        ("3", "5:17", "functionConfig: an object is expected"),
        (
            "{apiVersion: fn.tagseal.dev/v1alpha1, kind: PinImages, spec: {policies: [{kind: X}]}}",
            "5:",
            "policies[0]",
        ),
        (
            "{apiVersion: fn.tagseal.dev/v1alpha1, kind: PinImages, spec: {polices: []}}",
            "5:",
            "spec.polices: is not known",
        ),
        (
            "{apiVersion: fn.tagseal.dev/v1alpha1, kind: PinImages, spec: {update: \"yes\"}}",
            "5:",
            "true or false is expected",
        ),
        (
            "{apiVersion: fn.tagseal.dev/v1alpha1, kind: PinImages, spec: {output: items}}",
            "5:",
            "Items or None is expected",
        ),
        (
            "{apiVersion: fn.tagseal.dev/v1alpha1, kind: PinImages, spec: {imagePaths: [x]}}",
            "5:",
            "imagePaths[0]",
        ),
        (
            "{apiVersion: fn.tagseal.dev/v1alpha1, kind: PinImages, spec: {policyFiles: a}}",
            "5:",
            "a list of strings",
        ),
        ("{apiVersion: v1, kind: ConfigMap, data: {mode: seal}}", "5:", "pin or verify is expected"),
        ("{apiVersion: v1, kind: ConfigMap, data: {policies: x}}", "5:", "data.policies: is not known"),
        ("{apiVersion: v1, kind: ConfigMap, data: {update: true}}", "5:", "a string is expected"),
    ] {
        let errors = refused(&format!("{LIST}functionConfig: {text}\n"));
        assert!(
            errors[0].starts_with(&format!("-:{place}")) && errors[0].contains(what),
            "{text}: {errors:?}"
        );
    }
}
