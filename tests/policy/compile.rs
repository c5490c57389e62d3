//! From raw objects to demands; what is wrong is said with its field and what to write instead.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tagseal::policy::{
    Actions, CredentialsSource, Demand, DigestReferences, FileObjects, Freshness, Mutation, ObjectKind,
    ObjectRef, PolicySet, Selection, SetOptions, UnknownFields,
};
use tagseal::tuf::{Anchor, KeyId, RootRotation};

use super::*;

fn demand(object: &Value, objects: &FileObjects, image_text: &str) -> Demand {
    let policy = compiled_with(object, objects, UnknownFields::Refuse);
    assert_eq!(policy.errors(), []);
    let set = PolicySet::new([policy], SetOptions::default());
    match set.select(&namespace("prod", &[("env", "production")]), &image(image_text)) {
        Selection::Require { mut deny, .. } if deny.len() == 1 => deny.remove(0),
        other => panic!("{other:?}"),
    }
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

#[test]
fn a_policy_of_required_fields_has_the_defaults_of_the_design() {
    let object = cluster("a", json!({}));
    let demand = demand(&object, &FileObjects::default(), "registry.example.com/shop/web:1.4");
    assert_eq!(demand.server.url.as_str(), "https://notary.example.com/");
    assert_eq!((demand.server.ca_pem.as_deref(), demand.server.token_realms.len()), (None, 0));
    assert_eq!(demand.gun.as_str(), "registry.example.com/shop/web");
    assert_eq!(demand.anchors.anchors(), [Anchor::KeyId(KeyId::from_hex(KEY).unwrap())]);
    assert_eq!((demand.anchors.rotation(), demand.anchors.first_use()), (RootRotation::Follow, false));
    assert_eq!(demand.delegations, None);
    assert_eq!(demand.digest_references, DigestReferences::Verify);
    assert_eq!(demand.accept_for, hours(168));
    assert_eq!(demand.mutation, Mutation::Pods);
    let expected = Freshness { revalidate_after: SignedDuration::from_secs(60), max_staleness: hours(24) };
    assert_eq!(demand.freshness, expected);
    assert_eq!(demand.credentials, CredentialsSource::Anonymous);
    assert!(demand.tag_covered);
    assert_eq!(compiled(&object).actions(), Actions::DENY);
}

#[test]
fn every_field_of_the_design_s_example_reaches_the_demand() {
    let key = rcgen::KeyPair::generate().unwrap().public_key_pem();
    let object = cluster(
        "production",
        json!({
            "namespaceSelector": {"matchLabels": {"env": "production"}},
            "images": {"include": ["mirror.example.com/**"], "exclude": ["mirror.example.com/scratch/**"]},
            "notary": {
                "server": "https://notary.example.com/sub/",
                "caBundle": {"configMapKeyRef": {"name": "notary-ca", "key": "ca.crt"}},
                "credentials": {"secretRef": {"name": "reader"}},
                "tokenRealms": ["auth.example.com:443", "Auth.example.com:5000"],
                "rewrite": [{"from": "mirror.example.com/hub/**", "to": "docker.io/**"}],
            },
            "roots": [{"publicKey": key}],
            "rootRotation": "Deny",
            "requiredDelegations": [{"role": "targets/releases"}, {"role": "targets/qa", "publicKeys": [key]}],
            "threshold": 1,
            "digestReferences": "Allow",
            "supersededDigests": {"acceptFor": "1h30m"},
            "mutation": "Workloads",
            "validationActions": ["Deny", "Audit"],
            "freshness": {"revalidateAfter": "30s", "maxStaleness": "12h"},
        }),
    );
    let mut objects = FileObjects::default();
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    objects.add_config_map(Some("tagseal"), "notary-ca", BTreeMap::from([("ca.crt".into(), pem.into())]));
    objects.add_secret(Some("tagseal"), "reader");
    let demand = demand(&object, &objects, "mirror.example.com/hub/nginx:1");
    assert_eq!(demand.server.url.as_str(), "https://notary.example.com/sub");
    assert_eq!(demand.server.ca_pem.as_deref(), Some(pem));
    assert_eq!(demand.server.token_realms, ["auth.example.com", "auth.example.com:5000"]);
    assert_eq!(demand.gun.as_str(), "docker.io/library/nginx");
    assert!(matches!(demand.anchors.anchors(), [Anchor::PublicKey(_)]));
    assert_eq!(demand.anchors.rotation(), RootRotation::Deny);
    let delegations = demand.delegations.unwrap();
    let roles: Vec<_> = delegations.roles().iter().map(|r| (r.role.as_str(), r.public_keys.len())).collect();
    assert_eq!(roles, [("targets/releases", 0), ("targets/qa", 1)]);
    assert_eq!(delegations.threshold(), NonZeroUsize::new(1));
    assert_eq!(demand.digest_references, DigestReferences::Allow);
    assert_eq!(demand.accept_for, SignedDuration::from_mins(90));
    assert_eq!(demand.mutation, Mutation::Workloads);
    let expected = Freshness { revalidate_after: SignedDuration::from_secs(30), max_staleness: hours(12) };
    assert_eq!(demand.freshness, expected);
    let secret = CredentialsSource::Secret { namespace: "tagseal".into(), name: "reader".into() };
    assert_eq!(demand.credentials, secret);

    let policy = compiled_with(&object, &objects, UnknownFields::Refuse);
    assert_eq!(policy.actions(), Actions { deny: true, warn: false, audit: true });
    let reference = |kind, name: &str| ObjectRef { kind, namespace: "tagseal".into(), name: name.into() };
    let expected = [reference(ObjectKind::ConfigMap, "notary-ca"), reference(ObjectKind::Secret, "reader")];
    assert_eq!(policy.references(), expected);
}

/// A change to the spec, and the errors that it must bring: field, and a part of the message.
type Case = (Value, &'static [(&'static str, &'static str)]);

fn check(cases: &[Case]) {
    for (change, expected) in cases {
        let policy = compiled(&cluster("a", change.clone()));
        let found: Vec<_> = policy.errors().iter().map(|e| (e.field.as_str(), e.message.as_str())).collect();
        let fits = found.len() == expected.len()
            && found.iter().zip(*expected).all(|(f, e)| f.0 == e.0 && f.1.contains(e.1));
        assert!(fits, "{change}\nfound {found:#?}\nexpected {expected:#?}");
    }
}

#[test]
fn wrong_types_and_bounds_are_told_with_their_field() {
    check(&[
        (json!({"images": null}), &[("spec.images", "is missing")]),
        (json!({"images": {"include": []}}), &[("spec.images.include", "at least 1")]),
        (
            json!({"images": {"include": [7]}}),
            &[("spec.images.include[0]", "a string (in quotes), not a number")],
        ),
        (json!({"images": {"include": ["r.io/**", null]}}), &[("spec.images.include[1]", "not null")]),
        (json!({"images": "r.io/**"}), &[("spec.images", "an object, not a string")]),
        (json!({"roots": {}}), &[("spec.roots", "a list, not an object")]),
        (json!({"threshold": "2"}), &[("spec.threshold", "a whole number, not a string")]),
        (json!({"threshold": 1.5}), &[("spec.threshold", "a whole number")]),
        (json!({"threshold": 0}), &[("spec.threshold", "at least 1")]),
        (json!({"threshold": 99}), &[("spec.threshold", "at most 32")]),
        (json!({"mutation": "Pod"}), &[("spec.mutation", "none of Pods, Workloads, None")]),
        (
            json!({"notary": {"server": "https://n.io", "credentials": {"imagePullSecrets": "yes"}}}),
            &[("spec.notary.credentials.imagePullSecrets", "true or false, not a string")],
        ),
        (
            json!({"namespaceSelector": {"matchLabels": {"a": 1}}}),
            &[("spec.namespaceSelector.matchLabels.a", "a string (in quotes)")],
        ),
        (json!({"requiredDelegations": []}), &[("spec.requiredDelegations", "at least 1")]),
        (
            json!({"validationActions": ["Deny", "Block"]}),
            &[("spec.validationActions[1]", "none of Deny, Warn, Audit")],
        ),
    ]);
}

#[test]
fn unknown_fields_are_told_with_what_was_perhaps_meant() {
    check(&[
        (json!({"requiredDelegation": []}), &[("spec.requiredDelegation", "perhaps requiredDelegations")]),
        (json!({"roots": [{"keyId": KEY}]}), &[("spec.roots[0].keyId", "perhaps keyID")]),
        (json!({"freshness": {"every": "60s"}}), &[("spec.freshness.every", "fields here are maxStaleness")]),
        (
            json!({"namespaceSelector": {"matchLabel": {}}}),
            &[("spec.namespaceSelector.matchLabel", "matchLabels")],
        ),
    ]);
    let namespaced = namespaced("a", "b", json!({"firstUse": "Trust", "namespaceSelector": {}}));
    let policy = compiled(&namespaced);
    let fields: Vec<&str> = policy.errors().iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["spec.firstUse", "spec.namespaceSelector"]);
}

#[test]
fn in_a_cluster_unknown_fields_are_warnings_because_a_newer_definition_may_have_defaults() {
    let object = cluster("a", json!({"newField": {"mode": "x"}}));
    let policy = compiled_with(&object, &FileObjects::default(), UnknownFields::Warn);
    assert_eq!(policy.errors(), []);
    assert_eq!(policy.warnings().len(), 1);
    assert!(policy.warnings()[0].starts_with("spec.newField: is not known"), "{:?}", policy.warnings());
}

#[test]
fn null_fields_are_absent_as_they_are_to_the_api_server() {
    let policy = compiled(&cluster("a", json!({"mutation": null, "threshold": null, "freshness": null})));
    assert_eq!(policy.errors(), []);
}

#[test]
fn names_and_patterns_are_told_with_what_to_write() {
    check(&[
        (
            json!({"images": {"include": ["shop/**"]}}),
            &[("spec.images.include[0]", "write docker.io/shop/**")],
        ),
        (
            json!({"images": {"include": ["**"], "exclude": ["r.io/a**"]}}),
            &[("spec.images.exclude[0]", "write *")],
        ),
        (json!({"validationActions": ["Deny", "Warn"]}), &[("spec.validationActions", "leave Warn out")]),
        (
            json!({"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}),
            &[("spec.namespaceSelector.matchExpressions[0].operator", "none of In")],
        ),
        (
            json!({"requiredDelegations": [{"role": "targets/Prod"}]}),
            &[("spec.requiredDelegations[0].role", "no delegation role")],
        ),
        (
            json!({"requiredDelegations": [{"role": "targets/a"}, {"role": "targets/a"}]}),
            &[("spec.requiredDelegations[1].role", "required twice")],
        ),
        (
            json!({"requiredDelegations": [{"role": "targets/a"}], "threshold": 2}),
            &[("spec.threshold", "between 1 and 1")],
        ),
        (json!({"threshold": 1}), &[("spec.threshold", "there are none")]),
        (
            json!({"requiredDelegations": [{"role": "targets/a", "publicKeys": ["x"]}]}),
            &[("spec.requiredDelegations[0].publicKeys[0]", "PEM")],
        ),
    ]);
}

#[test]
fn roots_are_told_with_what_to_write() {
    let key = rcgen::KeyPair::generate().unwrap();
    let public = key.public_key_pem();
    let leaf = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem();
    check(&[
        (json!({"roots": []}), &[("spec.roots", "name at least one root")]),
        (json!({"roots": [{"keyID": "5F"}]}), &[("spec.roots[0].keyID", "64 lower-case hexadecimal digits")]),
        (json!({"roots": [{}]}), &[("spec.roots[0]", "exactly one of keyID, publicKey, certificate and ca")]),
        (json!({"roots": [{"keyID": KEY, "publicKey": public}]}), &[("spec.roots[0]", "exactly one of")]),
        (
            json!({"roots": [{"keyID": KEY}, {"publicKey": leaf}]}),
            &[("spec.roots[1].publicKey", "under certificate")],
        ),
        (json!({"roots": [{"certificate": public}]}), &[("spec.roots[0].certificate", "under publicKey")]),
        (json!({"roots": [{"publicKey": "PEM"}]}), &[("spec.roots[0].publicKey", "PEM")]),
        (json!({"roots": [{"ca": "PEM"}]}), &[("spec.roots[0].ca", "")]),
        (
            json!({"roots": [{"keyID": KEY, "images": ["shop/**"]}]}),
            &[("spec.roots[0].images[0]", "docker.io/shop/**")],
        ),
        (
            json!({"roots": [{"keyID": KEY, "images": ["r.io/shop:1"]}]}),
            &[("spec.roots[0].images[0]", "leave the tag out")],
        ),
    ]);
}

#[test]
fn servers_are_https_or_on_this_machine() {
    for server in [
        "https://n.io",
        "https://n.io:4443/sub",
        "http://localhost:4443",
        "http://127.1.2.3",
        "http://[::1]:80/x",
    ] {
        let policy = compiled(&cluster("a", json!({"notary": {"server": server}})));
        assert_eq!(policy.errors(), [], "{server}");
    }
    for server in [
        "http://n.io",
        "http://localhost.evil.io",
        "http://127.0.0.1.evil.io",
        "http://10.0.0.1",
        "ftp://n.io",
        "file:///etc/passwd",
        "n.io",
        "https://",
        "https://u:p@n.io",
        "https://n.io?x",
        "https://n.io#x",
    ] {
        let policy = compiled(&cluster("a", json!({"notary": {"server": server}})));
        let fields: Vec<&str> = policy.errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["spec.notary.server"], "{server}");
        assert!(policy.server().is_none());
    }
}

#[test]
fn one_server_has_one_url() {
    let url = |server: &str| {
        let policy = compiled(&cluster("a", json!({"notary": {"server": server}})));
        policy.server().unwrap().url.to_string()
    };
    for server in ["https://N.io", "https://n.io/", "https://n.io:443", "https://n.io//"] {
        assert_eq!(url(server), "https://n.io/", "{server}");
    }
    assert_eq!(url("https://n.io/sub/"), "https://n.io/sub");
}

#[test]
fn what_the_server_needs_is_told_with_what_to_write() {
    let notary = |changes: Value| {
        let mut notary = json!({"server": "https://n.io"});
        for (field, value) in changes.as_object().unwrap() {
            notary[field] = value.clone();
        }
        json!({"notary": notary})
    };
    check(&[
        (notary(json!({"caBundle": {}})), &[("spec.notary.caBundle", "exactly one of")]),
        (
            notary(json!({"caBundle": {"inline": "x"}})),
            &[("spec.notary.caBundle.inline", "no PEM certificate")],
        ),
        (
            notary(json!({"caBundle": {"configMapKeyRef": {"name": "ca", "key": "k"}}})),
            &[("spec.notary.caBundle.configMapKeyRef", "ConfigMap tagseal/ca does not exist")],
        ),
        (notary(json!({"credentials": {}})), &[("spec.notary.credentials", "exactly one of")]),
        (
            notary(json!({"credentials": {"secretRef": {"name": "s"}}})),
            &[("spec.notary.credentials.secretRef", "Secret tagseal/s does not exist")],
        ),
        (
            notary(json!({"clientCertificate": {"secretRef": {"name": "s"}}})),
            &[("spec.notary.clientCertificate.secretRef", "Secret tagseal/s does not exist")],
        ),
        (
            notary(json!({"tokenRealms": ["https://a.io/token"]})),
            &[("spec.notary.tokenRealms[0]", "HOST:PORT")],
        ),
        (
            notary(json!({"rewrite": [{"from": "m.io/**", "to": "shop/**"}]})),
            &[("spec.notary.rewrite[0]", "does not begin with a registry")],
        ),
        (
            notary(json!({"rewrite": [{"from": "m.io/**", "to": "r.io/x"}]})),
            &[("spec.notary.rewrite[0]", "same ones")],
        ),
    ]);
}

#[test]
fn durations_must_suit_each_other() {
    check(&[
        (
            json!({"freshness": {"revalidateAfter": "1 day"}}),
            &[("spec.freshness.revalidateAfter", "60s, 24h or 1h30m")],
        ),
        (
            json!({"freshness": {"revalidateAfter": "500ms"}}),
            &[("spec.freshness.revalidateAfter", "at least 1s")],
        ),
        (
            json!({"freshness": {"maxStaleness": "30s"}}),
            &[("spec.freshness.maxStaleness", "at least revalidateAfter, 1m")],
        ),
        (
            json!({"supersededDigests": {"acceptFor": "119s"}}),
            &[(
                "spec.supersededDigests.acceptFor",
                "1m59s is less than twice freshness.revalidateAfter; write at least 2m",
            )],
        ),
        (json!({"supersededDigests": {"acceptFor": "120s"}}), &[]),
        (json!({"freshness": {"maxStaleness": "87601h"}}), &[("spec.freshness.maxStaleness", "ten years")]),
    ]);
}

#[test]
fn p14_a_tenant_may_have_trust_data_checked_every_ten_seconds_at_most() {
    let every = |seconds: &str| json!({"freshness": {"revalidateAfter": seconds}});
    let errors =
        |object: &Value| compiled(object).errors().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        errors(&namespaced("shop", "a", every("9s"))),
        ["spec.freshness.revalidateAfter: must be at least 10s"]
    );
    assert_eq!(errors(&namespaced("shop", "a", every("10s"))), <[String; 0]>::default());
    assert_eq!(errors(&cluster("a", every("1s"))), <[String; 0]>::default());
}

#[test]
fn an_object_without_identity_is_broken() {
    let mut object = cluster("a", json!({}));
    object["metadata"] = json!({});
    object["apiVersion"] = json!("tagseal.dev/v9");
    let policy = compiled(&object);
    let fields: Vec<&str> = policy.errors().iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["metadata.name", "apiVersion"]);
    assert_eq!(compiled(&json!({"metadata": {"name": "a"}})).errors().len(), 1);
}

#[test]
fn references_of_namespaced_policies_are_looked_up_in_their_own_namespace() {
    let object = namespaced(
        "shop",
        "a",
        json!({"notary": {"server": "https://n.io", "credentials": {"secretRef": {"name": "s"}}}}),
    );
    let mut objects = FileObjects::default();
    objects.add_secret(Some("tagseal"), "s");
    let policy = compiled_with(&object, &objects, UnknownFields::Refuse);
    let message = "spec.notary.credentials.secretRef: Secret shop/s does not exist";
    assert_eq!(policy.errors().iter().map(ToString::to_string).collect::<Vec<_>>(), [message]);
    objects.add_secret(Some("shop"), "s");
    assert_eq!(compiled_with(&object, &objects, UnknownFields::Refuse).errors(), []);
}
