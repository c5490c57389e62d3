//! What counts as narrowed, field by field, against the configurations that the chart renders.

use serde_json::{Value, json};

use super::judge::{self, Expected, Findings, LapseReason, MatchCondition};
use super::shipped::{MUTATING, VALIDATING, Webhook};
use crate::policy::Selector;
use LapseReason::{DefinitionMissing, WebhookFailsOpen, WebhookMisdirected, WebhookMissing, WebhookNarrowed};

const INSTALL: &str = include_str!("../../../manifests/install.yaml");

fn expected() -> Expected {
    Expected {
        namespace: "tagseal-system".to_owned(),
        service: "tagseal".to_owned(),
        covered: Selector::of_webhooks("tagseal-system"),
        conditions: Vec::new(),
    }
}

/// The shipped configuration, as it is when the leader wrote `caBundle`.
fn shipped(kind: &str) -> Value {
    let documents: Vec<Value> = serde_saphyr::from_multiple(INSTALL).unwrap();
    let mut found = documents.into_iter().find(|object| object["kind"] == kind).unwrap();
    for webhook in found["webhooks"].as_array_mut().into_iter().flatten() {
        webhook["clientConfig"]["caBundle"] = json!("QQ==");
    }
    found
}

fn webhooks(kind: &str) -> &'static [Webhook] {
    if kind.starts_with('M') { MUTATING } else { VALIDATING }
}

fn judged_by(kind: &str, object: &Value, expected: &Expected) -> Findings {
    let no_bundle = |bundle: Option<&str>| bundle.is_none_or(str::is_empty).then(|| "is empty".to_owned());
    judge::configuration(object, webhooks(kind), expected, &no_bundle)
}

fn judged(kind: &str, object: &Value) -> Findings {
    judged_by(kind, object, &expected())
}

fn reasons(findings: &Findings) -> Vec<LapseReason> {
    findings.lapses.iter().map(|lapse| lapse.reason).collect()
}

const KINDS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Sets, in the webhook of images of each configuration; `null` takes the field away. What is found then.
fn with(kind: &str, pointer: &str, value: &Value) -> Findings {
    let mut object = shipped(kind);
    set(&mut object, &format!("/webhooks/0{pointer}"), value);
    judged(kind, &object)
}

fn set(object: &mut Value, pointer: &str, value: &Value) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    match object.pointer_mut(parent).unwrap() {
        Value::Array(list) if field == "-" => list.push(value.clone()),
        Value::Array(list) if value.is_null() => drop(list.remove(field.parse().unwrap())),
        parent if value.is_null() => drop(parent.as_object_mut().unwrap().remove(field).unwrap()),
        Value::Array(list) => list[field.parse::<usize>().unwrap()] = value.clone(),
        parent => parent[field] = value.clone(),
    }
}

#[test]
fn a27_what_the_chart_renders_is_in_force() {
    for kind in KINDS {
        assert_eq!(judged(kind, &shipped(kind)), Findings::default(), "{kind}");
    }
    let documents: Vec<Value> = serde_saphyr::from_multiple(INSTALL).unwrap();
    let definitions: Vec<_> =
        documents.iter().filter(|object| object["kind"] == "CustomResourceDefinition").collect();
    let mut names: Vec<_> = definitions.iter().map(|of| of["metadata"]["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, super::shipped::DEFINITIONS);
    for definition in definitions {
        assert_eq!(judge::definition(definition), Findings::default());
    }
}

#[test]
fn a27_each_entry_of_each_rule_that_is_taken_away_is_a_narrowing_and_named() {
    let mut taken = 0;
    for kind in KINDS {
        let whole = shipped(kind);
        for (at, webhook) in whole["webhooks"].as_array().unwrap().iter().enumerate() {
            let rules = webhook["rules"].as_array().unwrap();
            for (number, rule) in rules.iter().enumerate() {
                let mut without = whole.clone();
                set(&mut without, &format!("/webhooks/{at}/rules/{number}"), &Value::Null);
                assert_eq!(reasons(&judged(kind, &without)), [WebhookNarrowed], "{kind} {number}");
                for field in ["apiGroups", "apiVersions", "operations", "resources"] {
                    for (entry, value) in rule[field].as_array().unwrap().iter().enumerate() {
                        let pointer = format!("/webhooks/{at}/rules/{number}/{field}/{entry}");
                        for other in [Value::Null, json!("other")] {
                            let mut without = whole.clone();
                            set(&mut without, &pointer, &other);
                            let found = judged(kind, &without);
                            assert_eq!(reasons(&found), [WebhookNarrowed], "{kind} {pointer} {value}");
                            if field == "resources" || field == "operations" {
                                let named = found.lapses[0].found.contains(value.as_str().unwrap());
                                assert!(named, "{value}: {found:?}");
                            }
                            taken += 1;
                        }
                    }
                }
                let mut elsewhere = whole.clone();
                set(&mut elsewhere, &format!("/webhooks/{at}/rules/{number}/scope"), &json!("Cluster"));
                assert_eq!(reasons(&judged(kind, &elsewhere)), [WebhookNarrowed], "{kind} {number}");
            }
        }
    }
    assert!(taken > 60, "{taken}");
}

#[test]
fn a27_a_rule_that_asks_about_more_is_no_narrowing() {
    let rule = |resources: Value| {
        json!([{
            "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": resources,
        }])
    };
    for kind in KINDS {
        assert_eq!(with(kind, "/rules", &rule(json!(["*/*"]))), Findings::default());
        assert_eq!(with(kind, "/rules", &rule(json!(["*", "pods/*"]))), Findings::default());
        assert_eq!(with(kind, "/rules", &rule(json!(["*", "*/ephemeralcontainers"]))), Findings::default());
        let found = with(kind, "/rules", &rule(json!(["*"])));
        let found: Vec<_> = found.lapses.iter().map(|lapse| lapse.found.as_str()).collect();
        let name = webhooks(kind)[0].name;
        assert_eq!(found, [format!("{name}: its rules leave out pods/ephemeralcontainers (UPDATE)")]);
        assert_eq!(reasons(&with(kind, "/rules", &rule(json!(["*/status"])))), [WebhookNarrowed]);
        assert_eq!(reasons(&with(kind, "/rules", &json!([]))), [WebhookNarrowed]);
        assert_eq!(reasons(&with(kind, "/rules", &Value::Null)), [WebhookNarrowed]);
    }
}

#[test]
fn a27_each_other_field_by_which_a_webhook_is_asked_less_or_elsewhere() {
    let opted_in = json!({"matchLabels": {"tagseal.dev/admission": "enforce"}});
    let elsewhere = json!({"namespace": "tagseal-system", "name": "tagseal", "path": "/readyz"});
    let of_another = json!({"namespace": "tenant", "name": "tagseal", "path": "/mutate"});
    let condition = json!({"name": "never", "expression": "false"});
    for (pointer, value, reason) in [
        ("/namespaceSelector/matchExpressions/-", json!({"key": "a", "operator": "Exists"}), WebhookNarrowed),
        ("/namespaceSelector/matchExpressions/0/values/-", json!("shop"), WebhookNarrowed),
        ("/namespaceSelector/matchExpressions/1/values/-", json!("off"), WebhookNarrowed),
        ("/namespaceSelector", opted_in, WebhookNarrowed),
        (
            "/namespaceSelector",
            json!({"matchExpressions": [{"key": "a", "operator": "Odd"}]}),
            WebhookNarrowed,
        ),
        ("/objectSelector", json!({"matchLabels": {"seal": "yes"}}), WebhookNarrowed),
        (
            "/objectSelector",
            json!({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}),
            WebhookNarrowed,
        ),
        ("/matchConditions/-", condition.clone(), WebhookNarrowed),
        ("/matchConditions/0/expression", json!("request.operation != 'UPDATE'"), WebhookNarrowed),
        ("/matchPolicy", json!("Exact"), WebhookNarrowed),
        (
            "/clientConfig",
            json!({"url": "https://203.0.113.7/mutate", "caBundle": "QQ=="}),
            WebhookMisdirected,
        ),
        ("/clientConfig/service", elsewhere, WebhookMisdirected),
        ("/clientConfig/service/path", Value::Null, WebhookMisdirected),
        ("/clientConfig/service/name", json!("other"), WebhookMisdirected),
        ("/clientConfig/service/namespace", json!("tenant"), WebhookMisdirected),
        ("/clientConfig/caBundle", json!(""), WebhookMisdirected),
        ("/clientConfig/caBundle", Value::Null, WebhookMisdirected),
        ("/admissionReviewVersions", json!(["v1beta1"]), WebhookMisdirected),
        ("/timeoutSeconds", json!(1), WebhookMisdirected),
        ("/name", json!("other.tagseal.dev"), WebhookMissing),
        ("", Value::Null, WebhookMissing),
    ] {
        for kind in KINDS {
            assert_eq!(reasons(&with(kind, pointer, &value)), [reason], "{kind} {pointer} {value}");
        }
    }
    let found = with(KINDS[1], "/clientConfig/service", &of_another);
    assert_eq!(
        reasons(&found),
        [WebhookMisdirected, WebhookMisdirected],
        "the Service and the path: {found:?}"
    );
    for kind in KINDS {
        let mut none = shipped(kind);
        none["webhooks"] = Value::Null;
        assert_eq!(reasons(&judged(kind, &none)), vec![WebhookMissing; webhooks(kind).len()]);
    }
}

#[test]
fn a27_a_field_that_asks_about_more_or_has_its_default_is_in_force() {
    for (pointer, value) in [
        ("/namespaceSelector", Value::Null),
        ("/namespaceSelector", json!({})),
        ("/namespaceSelector/matchExpressions/1", Value::Null),
        ("/objectSelector", json!({})),
        ("/matchConditions", Value::Null),
        ("/matchPolicy", Value::Null),
        ("/failurePolicy", Value::Null),
        ("/failurePolicy", json!("Fail")),
        ("/timeoutSeconds", Value::Null),
        ("/timeoutSeconds", json!(30)),
        ("/clientConfig/service/port", json!(8443)),
    ] {
        for kind in KINDS {
            assert_eq!(with(kind, pointer, &value), Findings::default(), "{kind} {pointer} {value}");
        }
    }
}

#[test]
fn a27_failing_open_is_told_of_the_webhook_that_must_not() {
    assert_eq!(reasons(&with(KINDS[1], "/failurePolicy", &json!("Ignore"))), [WebhookFailsOpen]);
    assert_eq!(with(KINDS[0], "/failurePolicy", &json!("Ignore")), Findings::default());
}

#[test]
fn conditions_that_the_chart_adds_are_known_and_no_others() {
    let expression = "!(request.userInfo.username in ['a'])";
    let added = MatchCondition { expression: expression.to_owned() };
    let known = Expected { conditions: vec![added], ..expected() };
    for kind in KINDS {
        let mut object = shipped(kind);
        let condition = json!({"name": "mine", "expression": format!("  {expression}\n")});
        set(&mut object, "/webhooks/0/matchConditions/-", &condition);
        assert_eq!(judged_by(kind, &object, &known), Findings::default());
        assert_eq!(reasons(&judged(kind, &object)), [WebhookNarrowed]);
    }
}

#[test]
fn what_aks_adds_is_told_and_is_no_lapse() {
    let control_plane = json!({"key": "control-plane", "operator": "DoesNotExist"});
    let managed = json!({"key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"]});
    for kind in KINDS {
        for added in [&control_plane, &managed] {
            let found = with(kind, "/namespaceSelector/matchExpressions/-", added);
            assert_eq!((found.lapses.len(), found.notes.len()), (0, 1), "{found:?}");
            assert!(found.notes[0].contains(added["key"].as_str().unwrap()), "{found:?}");
        }
        assert_eq!(
            reasons(&with(kind, "/objectSelector", &json!({"matchExpressions": [control_plane]}))),
            [WebhookNarrowed]
        );
    }
}

#[test]
fn the_webhook_for_policies_is_looked_at_too() {
    let kind = KINDS[1];
    for (pointer, value, reason) in [
        ("/namespaceSelector", json!({"matchLabels": {"a": "b"}}), WebhookNarrowed),
        ("/objectSelector", json!({"matchLabels": {"a": "b"}}), WebhookNarrowed),
        ("/matchConditions", json!([{"name": "x", "expression": "false"}]), WebhookNarrowed),
        ("/rules/0/scope", json!("Namespaced"), WebhookNarrowed),
        ("/rules/0/scope", json!("Cluster"), WebhookNarrowed),
        ("/clientConfig/service/path", json!("/validate"), WebhookMisdirected),
        ("", Value::Null, WebhookMissing),
    ] {
        let mut object = shipped(kind);
        set(&mut object, &format!("/webhooks/1{pointer}"), &value);
        let found = judged(kind, &object);
        assert_eq!(reasons(&found), [reason], "{pointer} {value}");
        assert!(found.lapses[0].found.contains("policies.tagseal.dev"), "{found:?}");
    }
}

#[test]
fn a27_a_definition_that_goes_or_serves_no_more_is_missing() {
    let of = |versions: Value| json!({"spec": {"versions": versions}});
    let serving = json!([{"name": "v1alpha1", "served": true}]);
    assert_eq!(judge::definition(&of(serving.clone())), Findings::default());
    for versions in
        [json!([]), json!([{"name": "v1alpha1", "served": false}]), json!([{"name": "v2", "served": true}])]
    {
        assert_eq!(reasons(&judge::definition(&of(versions))), [DefinitionMissing]);
    }
    let mut going = of(serving);
    going["metadata"] = json!({"deletionTimestamp": "2026-03-01T12:00:00Z"});
    assert_eq!(reasons(&judge::definition(&going)), [DefinitionMissing]);
}

#[test]
fn foreign_text_is_quoted_in_what_is_found() {
    let evil = "\u{1b}[2J\u{202e}\n";
    let condition = json!({"name": evil, "expression": "false"});
    for (pointer, value) in [
        ("/clientConfig/service/path", json!(evil)),
        ("/clientConfig/service/name", json!(evil)),
        ("/clientConfig", json!({"url": evil})),
        ("/matchConditions/-", condition),
        ("/objectSelector", json!({"matchLabels": {evil: evil}})),
        ("/namespaceSelector", json!({"matchExpressions": [{"key": evil, "operator": evil}]})),
    ] {
        let found = with(KINDS[1], pointer, &value);
        assert!(!found.lapses.is_empty(), "{pointer}");
        for lapse in found.lapses {
            assert!(!lapse.found.chars().any(|c| c.is_control() || c == '\u{202e}'), "{:?}", lapse.found);
        }
    }
}
