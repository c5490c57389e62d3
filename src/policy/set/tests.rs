//! The index finds what a scan over all policies would find, and does not look at all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::children::tests::looked_at;
use super::index::{Index, Walk};
use super::*;
use crate::image::ImagePattern;
use crate::policy::{CompileContext, NoObjects, PolicyKind, UnknownFields, compile};

fn image(text: &str) -> ImageReference {
    ImageReference::parse(text).unwrap()
}

fn scan(patterns: &[ImagePattern], image: &ImageReference) -> BTreeMap<u32, bool> {
    let mut found = BTreeMap::new();
    for (pattern, number) in patterns.iter().zip(0..) {
        if pattern.includes(image) {
            found.insert(number, pattern.covers_tag(image));
        }
    }
    found
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[ab]{1,2}",
        2 => "[ab]?\\*[ab]?".prop_map(|s| s),
        1 => Just("*b*a*".to_owned()),
        2 => Just("**".to_owned()),
    ]
}

fn pattern() -> impl Strategy<Value = ImagePattern> {
    let tag = prop_oneof![3 => Just(String::new()), 1 => ":[ab]", 1 => ":[ab]?\\*"];
    let named = (prop_oneof![Just("r.io"), Just("docker.io")], prop::collection::vec(segment(), 1..5), tag)
        .prop_map(|(registry, path, tag)| format!("{registry}/{}{tag}", path.join("/")));
    prop_oneof![9 => named, 1 => Just("**".to_owned())]
        .prop_map(|text| ImagePattern::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

proptest! {
    #![proptest_config(crate::random::cases(256))]

    #[test]
    fn the_index_finds_what_a_scan_finds(
        patterns in prop::collection::vec(pattern(), 1..20),
        path in prop::collection::vec("[ab]{1,2}", 1..5),
        registry in prop_oneof![Just("r.io/"), Just(""), Just("q.io/")],
        tag in prop_oneof![Just(""), Just(":a"), Just(":b")],
        sealed in any::<bool>(),
    ) {
        let digest = if sealed { format!("@sha256:{}", "0".repeat(64)) } else { String::new() };
        let image = image(&format!("{registry}{}{tag}{digest}", path.join("/")));
        let mut index = Index::default();
        for (pattern, number) in patterns.iter().zip(0..) {
            index.insert(pattern, number);
        }
        let mut walk = Walk::default();
        index.find(&image, &mut walk);
        let mut found = BTreeMap::new();
        for hit in walk.hits {
            *found.entry(hit.policy).or_insert(false) |= hit.tag_covered;
        }
        prop_assert_eq!(found, scan(&patterns, &image));
    }
}

/// A thousand policies: cluster policies, or each in the namespace `n` and its number.
fn thousand(kind: PolicyKind, spec: impl Fn(usize) -> serde_json::Value) -> PolicySet {
    let context = CompileContext {
        system_namespace: "tagseal",
        objects: &NoObjects,
        unknown_fields: UnknownFields::Refuse,
    };
    let policy = |i: usize| {
        let mut spec = spec(i);
        spec["notary"] = json!({"server": "https://notary.example.com"});
        spec["roots"] = json!([{"keyID": "5f".repeat(32)}]);
        let object =
            json!({"metadata": {"name": format!("p{i}"), "namespace": format!("n{i}")}, "spec": spec});
        let policy = compile(kind, &object, &context);
        assert_eq!(policy.errors(), []);
        Arc::new(policy)
    };
    PolicySet::new((0..1000).map(policy), SetOptions::default())
}

/// How many policies are found by their `include`, and how many globs were looked at for it.
fn find(set: &PolicySet, namespace: &NamespaceView, text: &str) -> (usize, usize) {
    let mut found = 0;
    let looked_at = looked_at(|| found = set.index.find(namespace, &image(text)).len());
    (found, looked_at)
}

#[test]
fn of_a_thousand_policies_on_one_registry_and_first_segment_only_those_that_match_are_looked_at() {
    let namespace = NamespaceView::new("n7", Arc::new([("team".to_owned(), "t7".to_owned())].into()));
    let include = |pattern: String| json!({"images": {"include": [pattern]}});
    for (pattern, text) in [
        ("r.io/shop/team-N/**", "r.io/shop/team-7/web"),
        ("r.io/shop/team-N-*/web", "r.io/shop/team-7-a/web"),
        ("r.io/shop/*-team-N", "r.io/shop/a-team-7"),
        ("r.io/shop/**/svc-N", "r.io/shop/a/b/svc-7"),
        ("r.io/shop/web:v-N", "r.io/shop/web:v-7"),
    ] {
        let set = thousand(PolicyKind::Cluster, |i| include(pattern.replace('N', &i.to_string())));
        let (found, globs) = find(&set, &namespace, text);
        assert_eq!(found, 1, "{pattern}");
        assert!(globs < 20, "{pattern}: {globs}");
    }
    let shop = json!({"include": ["r.io/shop/**"]});
    let by_label = thousand(
        PolicyKind::Cluster,
        |i| json!({"images": shop, "namespaceSelector": {"matchLabels": {"team": format!("t{i}")}}}),
    );
    assert_eq!(find(&by_label, &namespace, "r.io/shop/web").0, 1);
    let by_namespace = thousand(PolicyKind::Namespaced, |_| json!({"images": shop}));
    assert_eq!(find(&by_namespace, &namespace, "r.io/shop/web").0, 1);
}
