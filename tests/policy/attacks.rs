//! The lines P1, P2, P6 to P10 and P13 of the attack catalogue, at the level of policies.

use std::sync::Arc;

use serde_json::{Value, json};
use tagseal::image::ImageReference;
use tagseal::policy::{
    FileObjects, PolicySet, PolicySnapshot, Selection, SetOptions, UnknownFields, UnmatchedImages,
};

use super::*;

#[test]
fn p1_only_what_a_pattern_names_is_matched_and_aliases_are_one_registry() {
    let set =
        set(&[cluster("shop", json!({})), cluster("hub", json!({"images": {"include": ["docker.io/**"]}}))]);
    for (text, expected) in [
        ("registry.example.com/shop/web", "deny: ClusterTrustPolicy shop"),
        ("Registry.Example.COM/shop/web", "deny: ClusterTrustPolicy shop"),
        ("registry.example.com:443/shop/web", "deny: ClusterTrustPolicy shop"),
        ("registry.example.com./shop/web", "deny: ClusterTrustPolicy shop"),
        ("registry.example.com/shop-evil/x", "unmatched"),
        ("evil.example.com/registry.example.com/shop/x", "unmatched"),
        ("registry.example.com.evil/x", "unmatched"),
        ("registry.example.com:5000/shop/web", "unmatched"),
        ("[::1]:5000/shop/web", "unmatched"),
        ("index.docker.io/library/nginx", "deny: ClusterTrustPolicy hub"),
        ("nginx", "deny: ClusterTrustPolicy hub"),
    ] {
        assert_eq!(verdict(&set, text), expected, "{text}");
    }
}

#[test]
fn p13_every_host_name_of_docker_hub_is_covered_by_its_policies() {
    let hosts = ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];
    for policy in hosts {
        let images = json!({"images": {"include": [format!("{policy}/**")]}});
        let set = set(&[cluster("hub", images)]);
        for host in hosts {
            let upper = host.to_ascii_uppercase();
            for spelt in
                [host.to_owned(), format!("{host}:443"), format!("{host}."), format!("{upper}.:0443")]
            {
                for path in ["library/nginx", "nginx", "shop/web:1"] {
                    let image = format!("{spelt}/{path}");
                    assert_eq!(verdict(&set, &image), "deny: ClusterTrustPolicy hub", "{policy}: {image}");
                }
            }
        }
        for other in [
            "registry.hub.docker.com.evil/library/nginx",
            "registry.hub.docker.com:5000/library/nginx",
            "hub.docker.com/library/nginx",
            "evil.example.com/registry.hub.docker.com/library/nginx",
        ] {
            assert_eq!(verdict(&set, other), "unmatched", "{policy}: {other}");
        }
    }
}

#[test]
fn p13_an_image_of_any_host_of_docker_hub_is_signed_under_one_name() {
    let set = set(&[cluster("hub", json!({"images": {"include": ["docker.io/**"]}}))]);
    for text in ["nginx:1", "registry.hub.docker.com/library/nginx:1", "Registry.Hub.Docker.com.:443/nginx:1"]
    {
        let image = ImageReference::parse(text).unwrap();
        let Selection::Require { deny, .. } = set.select(&namespace("default", &[]), &image) else {
            panic!("{text} is not asked about");
        };
        assert_eq!(deny[0].gun.as_str(), "docker.io/library/nginx", "{text}");
    }
}

#[test]
fn p2_an_unreadable_image_is_denied_where_a_deny_policy_covers_the_namespace() {
    assert!(ImageReference::parse("repo:tag@sha512:00").is_err());
    let staging = json!({"namespaceSelector": {"matchLabels": {"env": "staging"}}});
    let audit = json!({"validationActions": ["Audit"]});
    let cases = [
        (vec![cluster("a", json!({}))], [true, true]),
        (vec![cluster("a", staging)], [false, true]),
        (vec![cluster("a", audit)], [false, false]),
        (vec![namespaced("default", "a", json!({}))], [true, false]),
        (vec![], [false, false]),
    ];
    for (objects, expected) in cases {
        let set = set(&objects);
        let views = [namespace("default", &[]), namespace("other", &[("env", "staging")])];
        assert_eq!(views.map(|view| set.denies_in(&view)), expected, "{objects:?}");
    }
}

#[test]
fn p6_a_namespaced_policy_can_only_tighten() {
    let strict = cluster(
        "strict",
        json!({"requiredDelegations": [{"role": "targets/releases"}, {"role": "targets/qa"}], "mutation": "None"}),
    );
    let loose = |changes| [strict.clone(), namespaced("default", "loose", changes)];
    let text = "registry.example.com/shop/web:1";
    for changes in [
        json!({"roots": [{"keyID": OTHER_KEY}]}),
        json!({"requiredDelegations": [{"role": "targets/releases"}], "mutation": "Workloads"}),
        json!({"images": {"include": ["**"]}, "digestReferences": "Allow"}),
        json!({"freshness": {"revalidateAfter": "24h", "maxStaleness": "87600h"}}),
    ] {
        let objects = loose(changes);
        let set = set(&objects);
        let both = "deny: ClusterTrustPolicy strict, TrustPolicy default/loose";
        assert_eq!(verdict(&set, text), both, "{objects:?}");
        let Selection::Require { deny, .. } = set.select(&namespace("default", &[]), &image(text)) else {
            panic!("required")
        };
        assert_eq!(deny[0].delegations.as_ref().map(|d| d.roles().len()), Some(2));
        assert_eq!(deny[0].anchors, compiled_anchors(&strict));
        assert!(deny.iter().all(|demand| demand.mutation == tagseal::policy::Mutation::None));
        assert!(deny.iter().all(|demand| demand.freshness.revalidate_after.as_secs() == 60));
        assert!(deny.iter().all(|demand| demand.freshness.max_staleness.as_hours() == 24));
    }
    let audit = set(&loose(json!({"validationActions": ["Audit"]})));
    let apart = "deny: ClusterTrustPolicy strict observe: TrustPolicy default/loose";
    assert_eq!(verdict(&audit, text), apart);
    assert_eq!(verdict_in(&audit, &namespace("other", &[]), text), "deny: ClusterTrustPolicy strict");
}

fn compiled_anchors(object: &Value) -> Arc<tagseal::tuf::Anchors> {
    let set = set(std::slice::from_ref(object));
    match set.select(&namespace("default", &[]), &image("registry.example.com/shop/web")) {
        Selection::Require { deny, .. } => Arc::clone(&deny[0].anchors),
        other => panic!("{other:?}"),
    }
}

#[test]
fn p6_a_server_that_no_cluster_policy_names_is_invalid_policy() {
    let own = namespaced("default", "own", json!({"notary": {"server": "https://tenant.example.net"}}));
    let text = "registry.example.com/shop/web:1";
    let alone = set(&[cluster("a", json!({})), own.clone()]);
    assert_eq!(verdict(&alone, text), "invalid: InvalidPolicy TrustPolicy default/own");
    assert_eq!(verdict_in(&alone, &namespace("other", &[]), text), "deny: ClusterTrustPolicy a");
    let errors: Vec<_> = alone.policies().flat_map(|(_, errors)| errors).map(|e| e.to_string()).collect();
    assert_eq!(
        errors,
        [
            "spec.notary.server: https://tenant.example.net/ is named by no ClusterTrustPolicy and not listed in \
          --trust-servers: a TrustPolicy may name only those"
        ]
    );

    let listed = SetOptions {
        trust_servers: ["https://tenant.example.net/notary/".parse().unwrap()].into(),
        ..SetOptions::default()
    };
    let below = json!({"notary": {"server": "https://tenant.example.net/notary"}});
    let below = namespaced("default", "below", below);
    let listed = PolicySet::new([compiled(&below)], listed);
    assert_eq!(verdict(&listed, text), "deny: TrustPolicy default/below");
    let named = cluster(
        "b",
        json!({"notary": {"server": "https://Tenant.example.net:443/"}, "images": {"include": ["r.io/x"]}}),
    );
    assert_eq!(verdict(&set(&[named, own]), text), "deny: TrustPolicy default/own");
}

#[test]
fn p6_a_tenant_s_broken_policy_denies_in_its_own_namespace_alone() {
    let broken = namespaced("default", "broken", json!({"images": 7}));
    let set = set(&[broken]);
    assert_eq!(verdict(&set, "nginx"), "invalid: InvalidPolicy TrustPolicy default/broken");
    assert_eq!(verdict_in(&set, &namespace("other", &[]), "nginx"), "unmatched");
}

#[test]
fn p7_what_a_broken_policy_could_have_matched_is_denied_and_nothing_else() {
    let shop = "registry.example.com/shop/web";
    let scratch = "registry.example.com/shop/scratch/x";
    let production = json!({"matchLabels": {"env": "production"}});
    let scoped = |changes: Value| {
        let mut all = json!({
            "namespaceSelector": production,
            "images": {"include": ["registry.example.com/shop/**"], "exclude": ["registry.example.com/shop/scratch/**"]},
            "roots": [{"keyID": "not a key ID"}],
        });
        for (field, value) in changes.as_object().unwrap() {
            all[field] = value.clone();
        }
        cluster("broken", all)
    };
    let include = |include: Value| json!({"images": {"include": include}});
    // What is broken besides the roots; then whether it denies: the image, an excluded one, another registry's, and the
    // image in a namespace that the selector does not select.
    for (changes, expected) in [
        (json!({}), [true, false, false, false]),
        (json!({"threshold": {"a": 1}}), [true, false, false, false]),
        (include(json!("registry.example.com/shop/**")), [true, true, true, false]),
        (include(json!([])), [true, true, true, false]),
        (include(json!([3])), [true, true, true, false]),
        (include(json!(["registry.example.com/shop/**", "shop/**"])), [true, true, true, false]),
        (json!({"images": null}), [true, true, true, false]),
        (
            json!({"images": {"include": ["registry.example.com/shop/**"], "exclude": ["scratch"]}}),
            [true, true, false, false],
        ),
        (
            json!({"images": {"include": ["registry.example.com/shop/**"], "exclude": "**"}}),
            [true, true, false, false],
        ),
        (json!({"namespaceSelector": {"matchLabels": []}}), [true, false, false, true]),
        (
            json!({"namespaceSelector": {"matchExpressions": [{"key": "env", "operator": "Equals"}]}}),
            [true, false, false, true],
        ),
        (json!({"validationActions": "Deny"}), [true, false, false, false]),
        (json!({"validationActions": []}), [true, false, false, false]),
        (json!({"validationActions": ["Warn", "Block"]}), [true, false, false, false]),
    ] {
        let set = set(&[scoped(changes.clone())]);
        let production = namespace("shop", &[("env", "production")]);
        let other = namespace("shop", &[("env", "staging")]);
        let broken = |view, text| match verdict_in(&set, view, text).as_str() {
            "invalid: InvalidPolicy ClusterTrustPolicy broken" => true,
            "unmatched" => false,
            other => panic!("{other}"),
        };
        let found = [
            broken(&production, shop),
            broken(&production, scratch),
            broken(&production, "nginx"),
            broken(&other, shop),
        ];
        assert_eq!(found, expected, "{changes}");
    }
}

#[test]
fn p7_without_a_readable_spec_everything_is_denied() {
    for spec in [json!(null), json!("x"), json!([]), json!({})] {
        let object = json!({"kind": "ClusterTrustPolicy", "metadata": {"name": "broken"}, "spec": spec});
        let set = set(&[object]);
        let expected = "invalid: InvalidPolicy ClusterTrustPolicy broken";
        assert_eq!(verdict(&set, "nginx"), expected, "{spec}");
        assert_eq!(verdict_in(&set, &namespace("x", &[("a", "b")]), "r.io/a"), expected);
        assert!(set.denies_in(&namespace("default", &[])));
    }
}

#[test]
fn p7_a_broken_policy_that_would_only_warn_denies_nothing() {
    let set = set(&[cluster("broken", json!({"validationActions": ["Warn"], "roots": [{"keyID": "x"}]}))]);
    let text = "registry.example.com/shop/web";
    assert_eq!(verdict(&set, text), "observe: InvalidPolicy ClusterTrustPolicy broken");
}

#[test]
fn p7_a_referenced_object_that_is_gone_breaks_the_policy_alone_and_says_so() {
    let notary =
        json!({"server": "https://notary.example.com", "credentials": {"secretRef": {"name": "reader"}}});
    let private = cluster("private", json!({"notary": notary}));
    let other = cluster("other", json!({"images": {"include": ["docker.io/**"]}}));
    let tenant = namespaced("default", "tenant", json!({"images": {"include": ["quay.io/**"]}}));
    let with = |objects: &FileObjects| {
        let all = [&private, &other, &tenant].map(|o| compiled_with(o, objects, UnknownFields::Warn));
        PolicySet::new(all, SetOptions::default())
    };
    let mut there = FileObjects::default();
    there.add_secret(Some("tagseal"), "reader");
    let text = "registry.example.com/shop/web";
    assert_eq!(verdict(&with(&there), text), "deny: ClusterTrustPolicy private");

    let gone = with(&FileObjects::default());
    let Selection::Invalid(objections) = gone.select(&namespace("default", &[]), &image(text)) else {
        panic!("invalid")
    };
    let message = "spec.notary.credentials.secretRef: Secret tagseal/reader does not exist";
    assert_eq!(objections.iter().map(|o| o.message.as_str()).collect::<Vec<_>>(), [message]);
    assert_eq!(verdict(&gone, "nginx"), "deny: ClusterTrustPolicy other");
    assert_eq!(verdict(&gone, "quay.io/x"), "deny: TrustPolicy default/tenant");
}

#[test]
fn p7_a_broken_cluster_policy_does_not_break_the_tenants_of_its_server() {
    let broken = cluster("broken", json!({"roots": [{"keyID": "x"}], "images": {"include": ["r.io/x"]}}));
    let set = set(&[broken, namespaced("default", "tenant", json!({}))]);
    assert_eq!(verdict(&set, "registry.example.com/shop/web"), "deny: TrustPolicy default/tenant");
}

#[test]
fn p7_two_policies_of_one_name_are_both_broken() {
    let set = set(&[cluster("a", json!({})), cluster("a", json!({"roots": [{"keyID": OTHER_KEY}]}))]);
    let name = "InvalidPolicy ClusterTrustPolicy a";
    assert_eq!(verdict(&set, "registry.example.com/shop/web"), format!("invalid: {name}, {name}"));
}

#[test]
fn p8_a_request_that_holds_a_set_sees_no_later_one() {
    let before = PolicySnapshot::Synced(Arc::new(set(&[cluster("a", json!({}))])));
    let (sender, receiver) = tokio::sync::watch::channel(before);
    let held = receiver.borrow().clone();
    sender.send(PolicySnapshot::Synced(Arc::new(set(&[])))).unwrap();
    let text = "registry.example.com/shop/web";
    let (PolicySnapshot::Synced(held), PolicySnapshot::Synced(now)) = (held, receiver.borrow().clone())
    else {
        panic!("both are synced")
    };
    assert_eq!(verdict(&held, text), "deny: ClusterTrustPolicy a");
    assert_eq!(verdict(&now, text), "unmatched");
    assert!(matches!(PolicySnapshot::default(), PolicySnapshot::NotSynced));
}

#[test]
fn p9_an_unmatched_image_follows_the_option() {
    assert_eq!(SetOptions::default().unmatched, UnmatchedImages::Allow);
    for unmatched in [UnmatchedImages::Allow, UnmatchedImages::Warn, UnmatchedImages::Deny] {
        let options = SetOptions { unmatched, ..SetOptions::default() };
        let set = PolicySet::new([compiled(&cluster("a", json!({})))], options);
        assert_eq!(verdict(&set, "nginx"), "unmatched");
        assert_eq!(set.unmatched(), unmatched);
    }
}

#[test]
fn p10_a_tag_beside_a_digest_neither_hides_an_image_nor_counts_where_it_is_not_covered() {
    let sealed = |tag: &str| format!("r.io/shop/web:{tag}@{DIGEST}");
    let bare = format!("r.io/shop/web@{DIGEST}");
    let include = json!({"images": {"include": ["r.io/shop/web:prod-*"]}});
    let exclude = json!({"images": {"include": ["r.io/shop/**"], "exclude": ["r.io/shop/web:dev"]}});
    // Whether the policy matches and, where it does, whether the tag is covered.
    for (changes, image_text, expected) in [
        (&include, "r.io/shop/web:prod-1", Some(true)),
        (&include, "r.io/shop/web:dev", None),
        (&include, &sealed("dev"), Some(false)),
        (&include, &sealed("prod-1"), Some(true)),
        (&include, &bare, Some(false)),
        (&exclude, "r.io/shop/web:dev", None),
        (&exclude, "r.io/shop/web:1", Some(true)),
        (&exclude, &sealed("dev"), Some(false)),
        (&exclude, &sealed("1"), Some(true)),
    ] {
        let set = set(&[cluster("a", changes.clone())]);
        let found = match set.select(&namespace("default", &[]), &image(image_text)) {
            Selection::Unmatched => None,
            Selection::Require { deny, .. } => Some(deny[0].tag_covered),
            other @ Selection::Invalid(_) => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{changes} {image_text}");
    }
}
