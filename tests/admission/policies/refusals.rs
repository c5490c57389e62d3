//! What is refused, with which words, and what is not.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::world::Namespaces;
use super::world::*;
use crate::support::{Log, Page};

const FOREIGN: &str = "https://elsewhere.example.com";

#[tokio::test]
async fn a_policy_that_works_passes_without_a_word() {
    let world = World::new();
    for object in [cluster("new", json!({})), namespaced("shop", "strict", json!({"mutation": "None"}))] {
        let answer = world.create(&object).await;
        assert!(answer.is_allowed(), "{object}");
        assert_eq!(answer.warnings(), Vec::<String>::new());
        let annotations = answer.annotations();
        let keys: Vec<_> = annotations.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(
            (keys.as_slice(), answer.annotation("decision")),
            (["decision", "id"].as_slice(), "Admitted")
        );
    }
}

#[tokio::test]
async fn what_is_decided_about_policies_is_counted_without_their_names() {
    let world = World::new();
    world.create(&cluster("new", json!({}))).await;
    world.create(&cluster("wrong", json!({"roots": []}))).await;
    let page = Page::of(&world.metrics);
    assert_eq!(
        page.counted("tagseal_decisions_total"),
        [
            r#"{endpoint="policies",decision="Admitted",reason="",policy=""} 1"#,
            r#"{endpoint="policies",decision="Denied",reason="InvalidPolicy",policy=""} 1"#,
        ]
    );
    assert_eq!(
        page.counted("tagseal_admission_duration_seconds_count"),
        [r#"{endpoint="policies",outcome="allowed"} 1"#, r#"{endpoint="policies",outcome="denied"} 1"#]
    );
}

#[tokio::test]
async fn every_kind_of_error_is_refused_with_its_field_and_what_to_write_instead() {
    let world = World::new();
    let notary = |changes: Value| {
        let mut notary = json!({"server": "https://notary.example.com"});
        changes.as_object().unwrap().iter().for_each(|(field, value)| notary[field] = value.clone());
        json!({"notary": notary})
    };
    for (changes, field, advice) in [
        (json!({"images": {"include": ["shop/**"]}}), "spec.images.include[0]", "write docker.io/shop/**"),
        (json!({"images": null}), "spec.images", "is missing, and must be there"),
        (json!({"images": {"include": [7]}}), "spec.images.include[0]", "must be a string (in quotes)"),
        (json!({"mutation": "Pod"}), "spec.mutation", "none of Pods, Workloads, None"),
        (json!({"roots": []}), "spec.roots", "name at least one root"),
        (json!({"roots": [{"keyID": "5F"}]}), "spec.roots[0].keyID", "64 lower-case hexadecimal digits"),
        (json!({"roots": [{"publicKey": "x"}]}), "spec.roots[0].publicKey", "PEM"),
        (
            json!({"notary": {"server": "http://notary.example.com"}}),
            "spec.notary.server",
            "write https://HOST",
        ),
        (notary(json!({"caBundle": {}})), "spec.notary.caBundle", "write exactly one of"),
        (notary(json!({"caBundle": {"inline": "x"}})), "spec.notary.caBundle.inline", "no PEM certificate"),
        (notary(json!({"credentials": {}})), "spec.notary.credentials", "write exactly one of"),
        (notary(json!({"tokenRealms": ["https://a/b"]})), "spec.notary.tokenRealms[0]", "HOST:PORT"),
        (
            notary(json!({"rewrite": [{"from": "m.io/**", "to": "shop/**"}]})),
            "spec.notary.rewrite[0]",
            "begin with a registry",
        ),
        (
            json!({"requiredDelegations": [{"role": "targets/Prod"}]}),
            "spec.requiredDelegations[0].role",
            "is targets/NAME",
        ),
        (json!({"threshold": 2}), "spec.threshold", "name them or leave it out"),
        (
            json!({"supersededDigests": {"acceptFor": "90s"}}),
            "spec.supersededDigests.acceptFor",
            "at least 2m",
        ),
        (json!({"validationActions": ["Deny", "Warn"]}), "spec.validationActions", "leave Warn out"),
        (
            json!({"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}),
            "spec.namespaceSelector.matchExpressions[0].operator",
            "none of In",
        ),
    ] {
        let answer = world.create(&cluster("new", changes.clone())).await;
        let message = answer.denial().to_owned();
        assert!(message.starts_with(&format!("InvalidPolicy: {field}: ")), "{changes}: {message}");
        assert!(message.contains(advice) && !message.contains('\n'), "{changes}: {message}");
        assert_eq!(answer.causes(), [("InvalidPolicy".to_owned(), field.to_owned())], "{changes}");
        assert_eq!((answer.annotation("decision"), answer.annotation("reason")), ("Denied", "InvalidPolicy"));
    }
}

#[tokio::test]
async fn all_errors_are_told_at_once_each_on_a_line_of_its_own() {
    let world = World::new();
    let changes = json!({"images": {"include": ["shop/**"]}, "threshold": 2, "roots": [{"keyID": "x\n"}]});
    let mut policy = namespaced("shop", "strict", changes);
    policy["spec"]["notary"]["server"] = json!(FOREIGN);
    let answer = world.create(&policy).await;
    let lines: Vec<&str> = answer.denial().lines().collect();
    assert_eq!(lines[0], "InvalidPolicy: 4 fields are wrong:");
    let fields: Vec<_> = answer.causes().into_iter().map(|(_, field)| field).collect();
    assert_eq!(
        fields,
        ["spec.images.include[0]", "spec.roots[0].keyID", "spec.threshold", "spec.notary.server"]
    );
    for (line, field) in lines[1..].iter().zip(&fields) {
        assert!(line.starts_with(&format!("- {field}: ")), "{line}");
    }
    assert_eq!(lines.len(), 5);
}

#[tokio::test]
async fn an_update_is_judged_as_a_new_policy_is() {
    let world = World::new();
    let old = cluster("production", json!({}));
    assert!(!world.update(&old, &broken("production")).await.is_allowed());
    // One that changes nothing about what is wrong with it, but something else, is no better.
    let worse = cluster("production", json!({"images": {"include": ["shop/**"]}, "mutation": "None"}));
    assert!(!world.update(&broken("production"), &worse).await.is_allowed());
    assert!(world.update(&broken("production"), &old).await.is_allowed());
}

#[tokio::test]
async fn an_update_that_leaves_the_spec_alone_passes_however_broken_the_policy_is() {
    let world = World::new();
    let old = broken("production");
    let mut labelled = old.clone();
    labelled["metadata"]["labels"] = json!({"team": "shop"});
    labelled["metadata"]["finalizers"] = json!(["example.com/hold"]);
    let mut status = old.clone();
    status["status"] = json!({"repositories": 3});
    for new in [labelled, status] {
        let answer = world.update(&old, &new).await;
        assert!(answer.is_allowed() && answer.warnings().is_empty());
        assert_eq!(answer.annotation("decision"), "Unchanged");
    }
    let of_status = creating(&broken("production")).updating(cluster("production", json!({})));
    assert!(world.review(&of_status.with("subResource", json!("status"))).await.is_allowed());
    assert_eq!(world.running.asked(), []);
}

#[tokio::test]
async fn a_policy_that_is_being_deleted_may_become_anything() {
    let world = World::new();
    let mut going = broken("production");
    going["metadata"]["deletionTimestamp"] = json!("2026-03-01T12:00:00Z");
    assert!(world.update(&cluster("production", json!({})), &going).await.is_allowed());
}

#[tokio::test]
async fn a_deletion_is_never_refused() {
    let world = World::new();
    for old in [cluster("production", json!({})), broken("production"), namespaced("shop", "a", json!({}))] {
        assert!(world.delete(&old).await.is_allowed());
    }
    let unreadable = deleting(&cluster("a", json!({})));
    for old in [Value::Null, json!(7), json!({"spec": [[]]}), json!({"metadata": {"name": 1}})] {
        assert!(world.review(&unreadable.clone().with("oldObject", old.clone())).await.is_allowed(), "{old}");
    }
}

#[tokio::test]
async fn a_dry_run_is_decided_the_same() {
    let world = World::new();
    for (object, allowed) in [(cluster("a", json!({})), true), (broken("a"), false)] {
        let answer = world.review(&creating(&object).with("dryRun", json!(true))).await;
        assert_eq!(answer.is_allowed(), allowed);
    }
}

#[tokio::test]
async fn a_field_that_only_a_newer_definition_knows_is_a_warning() {
    let world = World::new();
    let answer = world.create(&cluster("a", json!({"newField": true}))).await;
    assert!(answer.is_allowed());
    let warnings = answer.warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("tagseal: spec.newField: is not known"), "{warnings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_namespaced_policy_with_a_server_of_its_own_is_refused() {
    let world = World::new();
    let foreign = namespaced("shop", "strict", json!({"notary": {"server": FOREIGN}}));
    let answer = world.create(&foreign).await;
    assert_eq!(
        answer.denial(),
        "InvalidPolicy: spec.notary.server: https://elsewhere.example.com/ is named by no ClusterTrustPolicy and not \
         listed in --trust-servers: a TrustPolicy may name only those"
    );
    assert_eq!(answer.causes(), [("InvalidPolicy".to_owned(), "spec.notary.server".to_owned())]);
    assert!(world.create(&cluster("elsewhere", json!({"notary": {"server": FOREIGN}}))).await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_policy_that_was_applied_a_moment_before_is_waited_for() {
    let world = World::new();
    let elsewhere = json!({"notary": {"server": FOREIGN}});
    let foreign = namespaced("shop", "strict", elsewhere.clone());
    let arrives = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.in_force(&[cluster("production", json!({}))]);
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.in_force(&[cluster("production", json!({})), cluster("elsewhere", elsewhere)]);
    };
    let (answer, ()) = tokio::join!(world.create(&foreign), arrives);
    assert!(answer.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn the_refusal_comes_before_the_api_server_gives_up() {
    let world = World::new();
    let foreign = namespaced("shop", "strict", json!({"notary": {"server": FOREIGN}}));
    let start = tokio::time::Instant::now();
    assert!(!world.review_within("1s", &creating(&foreign)).await.is_allowed());
    assert_eq!(start.elapsed().as_millis(), 500);
}

#[tokio::test]
async fn before_policies_are_loaded_a_policy_is_judged_by_itself() {
    let world = World::unsynced(Namespaces::default());
    assert!(!world.create(&broken("a")).await.is_allowed());
    let foreign = namespaced("shop", "strict", json!({"notary": {"server": FOREIGN}}));
    assert!(world.create(&foreign).await.is_allowed());
    assert!(world.delete(&cluster("a", json!({}))).await.is_allowed());
}

#[tokio::test]
async fn policies_that_a_change_breaks_are_named() {
    let world = World::new();
    let production = cluster("production", json!({}));
    let tenants: Vec<_> =
        ["a", "b", "c", "d", "e"].map(|tenant| namespaced(tenant, "strict", json!({}))).to_vec();
    let all: Vec<_> = tenants.into_iter().chain([production.clone()]).collect();
    world.in_force(&all);
    let moved = cluster("production", json!({"notary": {"server": FOREIGN}}));
    for answer in [world.update(&production, &moved).await, world.delete(&production).await] {
        assert!(answer.is_allowed());
        let warnings = answer.warnings();
        assert_eq!(warnings.len(), 4, "{warnings:#?}");
        assert!(
            warnings[0].starts_with(
                "tagseal: TrustPolicy a/strict becomes InvalidPolicy: spec.notary.server: https://notary.example.com/"
            ),
            "{warnings:#?}"
        );
        assert_eq!(warnings[3], "tagseal: 2 more policies become InvalidPolicy");
    }
    world.in_force(&[all, vec![cluster("another", json!({}))]].concat());
    assert_eq!(world.delete(&production).await.warnings(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_that_is_still_to_be_made_is_no_error() {
    let world = World::new();
    let mut unnamed = cluster("", json!({}));
    unnamed["metadata"] = json!({"generateName": "shop-"});
    assert!(world.create(&unnamed).await.is_allowed());
}

#[tokio::test]
async fn each_decision_is_one_line_of_the_log_with_everything_to_find_it_by() {
    let log = Log::json();
    let world = World::new();
    let refused = creating(&namespaced("shop", "strict", json!({"roots": []}))).with("dryRun", json!(true));
    world.review(&refused).await;
    assert_eq!(
        log.take(),
        [json!({
            "level": "INFO", "id": refused.uid(), "hook": "policies", "decision": "Denied", "reason": "InvalidPolicy",
            "operation": "CREATE", "kind": "TrustPolicy", "namespace": "shop", "name": "strict", "dry_run": true,
            "errors": 1, "warnings": 0,
            "message": "InvalidPolicy: spec.roots: name at least one root, or set spec.firstUse of a \
                        ClusterTrustPolicy to Trust"
        })]
    );

    let passes = cluster("a", json!({"newField": true}));
    for (review, decision, warnings, message) in [
        (creating(&passes).updating(cluster("a", json!({}))), "Admitted", 1, "policy judged"),
        (creating(&passes).updating(passes.clone()), "Unchanged", 0, "there is nothing to judge"),
        (deleting(&passes), "Admitted", 0, "policy judged"),
    ] {
        world.review(&review).await;
        let operation = if decision == "Admitted" && warnings == 0 { "DELETE" } else { "UPDATE" };
        assert_eq!(
            log.take(),
            [json!({
                "level": "INFO", "id": review.uid(), "hook": "policies", "decision": decision, "operation": operation,
                "kind": "ClusterTrustPolicy", "namespace": "", "name": "a", "dry_run": false, "errors": 0,
                "warnings": warnings, "message": message
            })]
        );
    }
}
