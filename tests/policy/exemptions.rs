//! Exemptions: what compiles, and what they are about (attacks P15).

use jiff::Timestamp;
use tagseal::policy::{CompiledExemption, Exemption, ImageSite, Matched, compile_exemption};

use super::*;

const SHOP: &str = "registry.example.com/shop/web";

/// An exemption for `registry.example.com/shop/**`, and `changes` made to its spec.
pub fn exemption(name: &str, changes: Value) -> Value {
    let mut spec = json!({"images": {"include": ["registry.example.com/shop/**"]}, "reason": "a test"});
    for (field, value) in changes.as_object().unwrap() {
        spec[field] = value.clone();
    }
    json!({"apiVersion": "tagseal.dev/v1alpha1", "kind": "TrustExemption", "metadata": {"name": name}, "spec": spec})
}

pub fn exempting(objects: &[Value], exemptions: &[Value]) -> PolicySet {
    set(objects).with_exemptions(exemptions.iter().map(|object| Arc::new(compile_exemption(object))))
}

fn errors(object: &Value) -> Vec<String> {
    compile_exemption(object).errors().iter().map(ToString::to_string).collect()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const NOW: &str = "2026-12-01T12:00:00Z";

/// The names of the exemptions in force.
fn names(matched: &Matched, site: ImageSite, now: &str) -> Vec<String> {
    matched.in_force(site, time(now)).iter().map(|exemption| exemption.name.clone()).collect()
}

fn in_force(set: &PolicySet, namespace: &NamespaceView, image: &str) -> Vec<String> {
    names(&set.matched(namespace, image).unwrap(), ImageSite::Containers, NOW)
}

#[test]
fn an_exemption_compiles_to_what_it_says() {
    let whole = exemption(
        "vendor",
        json!({
            "images": {"include": ["**"], "exclude": ["quay.io/**"]},
            "namespaceSelector": {"matchLabels": {"env": "test"}},
            "sites": ["ephemeralContainers", "volumes"],
            "policies": ["production", "shop/web"],
            "until": "2026-12-04T18:00:00+01:00",
        }),
    );
    let compiled: CompiledExemption = compile_exemption(&whole);
    assert_eq!(compiled.errors(), []);
    let id = |namespace: Option<&str>, name: &str| tagseal::policy::PolicyId {
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    };
    let expected = Exemption {
        name: "vendor".to_owned(),
        reason: "a test".to_owned(),
        until: Some(time("2026-12-04T17:00:00Z")),
        sites: Some([ImageSite::EphemeralContainers, ImageSite::Volumes].into()),
        policies: Some([id(None, "production"), id(Some("shop"), "web")].into()),
    };
    assert_eq!(**compiled.exemption().unwrap(), expected);
    assert_eq!(expected.to_string(), "vendor (until 2026-12-04T17:00:00Z): a test");
}

#[test]
fn p15_an_exemption_that_cannot_be_read_exempts_nothing() {
    let nameless = json!({"apiVersion": "tagseal.dev/v1alpha1", "kind": "TrustExemption", "metadata": {},
        "spec": exemption("a", json!({}))["spec"]});
    let mut other_version = exemption("a", json!({}));
    other_version["apiVersion"] = json!("tagseal.dev/v2");
    for (object, expected) in [
        (exemption("a", json!({"reason": null})), "spec.reason: is missing, and must be there"),
        (exemption("a", json!({"reason": ""})), "spec.reason: has 0 characters; must have at least 1"),
        (exemption("a", json!({"reason": " \t"})), "spec.reason: is blank: say why the images are exempt"),
        (exemption("a", json!({"reason": "x".repeat(513)})), "spec.reason: has 513 characters; may have 512"),
        (exemption("a", json!({"images": null})), "spec.images: is missing, and must be there"),
        (
            exemption("a", json!({"images": {"include": []}})),
            "spec.images.include: has 0 entries; must have at least 1",
        ),
        (exemption("a", json!({"images": {"include": ["nginx"]}})), "spec.images.include[0]: "),
        (
            exemption("a", json!({"images": {"include": ["**"], "exclude": ["*.io/x"]}})),
            "spec.images.exclude[0]: ",
        ),
        (exemption("a", json!({"sites": []})), "spec.sites: has 0 entries; must have at least 1"),
        (
            exemption("a", json!({"sites": ["container"]})),
            "spec.sites[0]: \"container\" is none of initContainers, ",
        ),
        (exemption("a", json!({"policies": []})), "spec.policies: has 0 entries; must have at least 1"),
        (exemption("a", json!({"policies": ["a/b/c"]})), "spec.policies[0]: \"a/b/c\" is no policy's name: "),
        (exemption("a", json!({"policies": ["*"]})), "spec.policies[0]: \"*\" is no policy's name: "),
        (exemption("a", json!({"until": "friday"})), "spec.until: \"friday\" is no time: "),
        (exemption("a", json!({"until": "2026-12-04"})), "spec.until: \"2026-12-04\" is no time: "),
        (exemption("a", json!({"until": 7})), "spec.until: must be a string (in quotes), not a number"),
        (
            exemption(
                "a",
                json!({"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}),
            ),
            "spec.namespaceSelector.matchExpressions[0].operator: \"Is\" is none of",
        ),
        (exemption("a", json!({"image": ["**"]})), "spec.image: is not known; perhaps images was meant"),
        (nameless, "metadata.name: is missing, and must be there"),
        (other_version, "apiVersion: is \"tagseal.dev/v2\"; this tagseal knows tagseal.dev/v1alpha1"),
    ] {
        let errors = errors(&object);
        assert!(errors.len() == 1 && errors[0].starts_with(expected), "{object}: {errors:?}");
        let set = exempting(&[cluster("a", json!({}))], std::slice::from_ref(&object));
        assert!(in_force(&set, &namespace("default", &[]), SHOP).is_empty(), "{object}");
        let (listed, strangers) = set.exemptions().next().unwrap();
        assert!(listed.exemption().is_none() && strangers.is_empty(), "{object}");
    }
}

#[test]
fn an_exemption_is_about_what_is_sure() {
    let tagged = json!({"images": {"include": [format!("{SHOP}:1.2")]}});
    let but_tagged = json!({"images": {"include": [SHOP], "exclude": [format!("{SHOP}:1.2")]}});
    let one_segment = json!({"images": {"include": ["registry.example.com/shop/*"]}});
    let set = exempting(
        &[],
        &[exemption("but", but_tagged), exemption("one", one_segment), exemption("tagged", tagged)],
    );
    for (text, expected) in [
        (format!("{SHOP}:1.2"), vec!["one", "tagged"]),
        (format!("{SHOP}:1.3"), vec!["but", "one"]),
        (SHOP.to_owned(), vec!["but", "one"]),
        (format!("{SHOP}:1.2@{DIGEST}"), vec!["one"]),
        (format!("{SHOP}:1.3@{DIGEST}"), vec!["one"]),
        (format!("{SHOP}@{DIGEST}"), vec!["one"]),
        (format!("{SHOP}-evil:1.2"), vec!["one"]),
        ("registry.example.com/shop/a/b".to_owned(), vec![]),
        ("registry.example.com.evil/shop/web:1.2".to_owned(), vec![]),
        ("REGISTRY.example.com:443/shop/web:1.2".to_owned(), vec!["one", "tagged"]),
    ] {
        assert_eq!(in_force(&set, &namespace("default", &[]), &text), expected, "{text}");
    }
}

#[test]
fn p15_an_exemption_holds_in_its_namespaces_alone_and_nowhere_where_labels_are_unknown() {
    let selector = |selector: Value| json!({"namespaceSelector": selector});
    let not = json!({"matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["production"]}]});
    let set = exempting(
        &[],
        &[
            exemption("all", json!({})),
            exemption("empty", selector(json!({}))),
            exemption("not", selector(not)),
            exemption("test", selector(json!({"matchLabels": {"env": "test"}}))),
        ],
    );
    for (view, expected) in [
        (namespace("a", &[("env", "test")]), vec!["all", "empty", "not", "test"]),
        (namespace("a", &[("env", "production")]), vec!["all", "empty"]),
        (namespace("a", &[]), vec!["all", "empty", "not"]),
        (NamespaceView::unlabelled("a"), vec!["all", "empty"]),
    ] {
        assert_eq!(in_force(&set, &view, SHOP), expected, "{view:?}");
    }
}

#[test]
fn p15_site_and_time_are_asked_for_each_time() {
    let set = exempting(
        &[],
        &[
            exemption("debug", json!({"sites": ["ephemeralContainers"]})),
            exemption("friday", json!({"until": "2026-12-04T17:00:00Z"})),
        ],
    );
    let of = |site, now| names(&set.matched(&namespace("a", &[]), SHOP).unwrap(), site, now);
    let (debug, container) = (ImageSite::EphemeralContainers, ImageSite::Containers);
    assert_eq!(of(debug, NOW), ["debug", "friday"]);
    assert_eq!(of(container, NOW), ["friday"]);
    assert_eq!(of(container, "2026-12-04T16:59:59.999Z"), ["friday"]);
    assert!(of(container, "2026-12-04T17:00:00Z").is_empty(), "the end is no part of it");
    assert_eq!(of(debug, "2027-01-01T00:00:00Z"), ["debug"]);
    assert_eq!(of(container, NOW), ["friday"], "a clock that was set back");
}

#[test]
fn p15_a_policy_that_is_not_named_judges_as_ever() {
    let set = exempting(
        &[
            cluster("a", json!({})),
            cluster("b", json!({})),
            cluster("broken", json!({"mutation": "Everywhere"})),
            namespaced("default", "a", json!({})),
        ],
        &[
            exemption("broken", json!({"policies": ["broken"]})),
            exemption("some", json!({"policies": ["a", "gone", "other/a"]})),
        ],
    );
    let matched = set.matched(&namespace("default", &[]), SHOP).unwrap();
    let asked = |exempting: &[Arc<Exemption>]| match set.choose_exempting(&matched, exempting).selection {
        Selection::Unmatched => vec![],
        Selection::Invalid(objections) => objections.iter().map(|o| o.policy.to_string()).collect(),
        Selection::Require { deny, .. } => deny.iter().map(|demand| demand.policy.to_string()).collect(),
    };
    let all = matched.in_force(ImageSite::Containers, time(NOW));
    assert_eq!(all.len(), 2);
    assert_eq!(asked(&all), ["ClusterTrustPolicy b", "TrustPolicy default/a"]);
    assert_eq!(asked(&all[..1]), ["ClusterTrustPolicy a", "ClusterTrustPolicy b", "TrustPolicy default/a"]);
    assert_eq!(asked(&[]), ["ClusterTrustPolicy broken"]);
    let strangers: Vec<_> = set.exemptions().map(|(_, strangers)| strangers.len()).collect();
    assert_eq!(strangers, [0, 2]);
}

#[test]
fn a_set_that_a_change_makes_keeps_its_exemptions() {
    let set = exempting(&[cluster("a", json!({}))], &[exemption("all", json!({}))]);
    let view = namespace("default", &[]);
    let with = set.with(compiled(&cluster("b", json!({}))));
    assert_eq!(in_force(&with, &view, SHOP), ["all"]);
    let without = with.without(compiled(&cluster("b", json!({}))).id());
    assert_eq!(in_force(&without, &view, SHOP), ["all"]);
    assert!(in_force(&without.with_exemptions([]), &view, SHOP).is_empty());
}
