//! What a policy that is added can change: it never admits what was denied (attacks P12).

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tagseal::admission::judge::Resolve;
use tagseal::policy::{PolicyKind, SetOptions, UnmatchedImages};
use tagseal::trust::{BoxFuture, Question, Refusal, Resolved};

use super::{deployment, pod, web};
use crate::admission::review::Review;
use crate::admission::trust::{Trust, WEB, digest, sealed};
use crate::admission::world::{World, cluster_policy, exemption, policy};
use crate::support::SERVER;

type Object = (PolicyKind, Value);

const NO_POLICY: &str = "container \"web\": image \"ghcr.io/other/image:1\": NoPolicy: ";

#[tokio::test]
async fn p12_no_policy_but_the_cluster_s_deny_makes_an_image_matched() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let all = |more: Value| {
        let mut more = more;
        more["images"] = json!({"include": ["**"]});
        trust.spec(&["targets/releases"], more)
    };
    let production = cluster_policy("production", trust.spec(&["targets/releases"], json!({})));
    let image = format!("ghcr.io/other/image@{}", digest("any"));
    for added in [
        policy("shop", "own", all(json!({"validationActions": ["Audit"]}))),
        policy("shop", "own", all(json!({"validationActions": ["Warn"]}))),
        policy("shop", "own", all(json!({"digestReferences": "Allow"}))),
        policy("shop", "own", all(json!({"mutation": "None"}))),
        policy("shop", "own", all(json!({"roots": [{"keyID": "none"}]}))),
        cluster_policy("pilot", all(json!({"validationActions": ["Audit"]}))),
        cluster_policy("pilot", all(json!({"validationActions": ["Warn"], "mutation": "Pods"}))),
        cluster_policy("pilot", all(json!({"validationActions": ["Warn"], "digestReferences": "Allow"}))),
    ] {
        world.apply(&[production.clone(), added.clone()], UnmatchedImages::Deny);
        let answer = world.validate(&pod(&[("web", &image)])).await;
        let expected = format!(
            "container \"web\": image \"{image}\": NoPolicy: no cluster policy with the action Deny matches"
        );
        assert!(answer.denial().starts_with(&expected), "{added:?}: {}", answer.denial());
        assert_eq!(answer.annotation("reason"), "NoPolicy");
        // With Warn it is told, with Allow nothing is added.
        world.apply(&[production.clone(), added.clone()], UnmatchedImages::Warn);
        let answer = world.validate(&pod(&[("web", &image)])).await;
        let spec = &added.1["spec"];
        let denies_itself = spec["roots"][0]["keyID"] == "none" || spec["mutation"] == "None";
        assert_eq!(answer.is_allowed(), !denies_itself, "{added:?}");
        assert!(answer.warnings().iter().any(|warning| warning.contains("NoPolicy: ")), "{added:?}");
    }
}

#[tokio::test]
async fn p12_what_a_namespaced_policy_says_stands_beside_no_policy() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let own = policy("shop", "own", trust.spec(&["targets/qa"], json!({})));
    let elsewhere = json!({"images": {"include": ["quay.io/**"]}});
    let other = cluster_policy("other", trust.spec(&["targets/releases"], elsewhere));
    world.apply(&[own, other], UnmatchedImages::Deny);
    let denial = world.validate(&pod(&[("web", &web("1.5"))])).await.denial().to_owned();
    let first = format!("container \"web\": image \"{}\": NoPolicy: no cluster policy", web("1.5"));
    assert!(
        denial.starts_with(&first) && denial.contains("; also NotSigned (TrustPolicy shop/own): "),
        "{denial}"
    );
    // Signed as the tenant asks: not written either.
    let answer = world.mutate(&pod(&[("web", &web("1.4"))])).await;
    assert_eq!(answer.patch(), None);
    assert!(world.validate(&pod(&[("web", &sealed(&web("1.4")))])).await.denial().contains(": NoPolicy: "));
}

#[tokio::test]
async fn p12_an_observing_policy_s_server_makes_no_denying_policy_usable() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let own = |actions: &str| {
        policy("shop", "own", trust.spec(&["targets/releases"], json!({"validationActions": [actions]})))
    };
    let pilot = |actions: &str| {
        let elsewhere = json!({"images": {"include": ["quay.io/**"]}, "validationActions": [actions]});
        cluster_policy("pilot", trust.spec(&["targets/releases"], elsewhere))
    };
    let review = pod(&[("web", &sealed(&web("1.4")))]);
    world.apply(&[own("Deny")], UnmatchedImages::Allow);
    assert!(world.validate(&review).await.denial().contains(": InvalidPolicy (TrustPolicy shop/own): "));
    for actions in ["Warn", "Audit"] {
        world.apply(&[own("Deny"), pilot(actions)], UnmatchedImages::Allow);
        let denial = world.validate(&review).await.denial().to_owned();
        let why =
            format!("spec.notary.server: {SERVER}/ is named only by ClusterTrustPolicies that warn or audit");
        assert!(denial.contains(&why), "{denial}");
        // One that only observes too is usable.
        world.apply(&[own("Warn"), pilot(actions)], UnmatchedImages::Allow);
        assert_eq!(world.validate(&review).await.warnings(), Vec::<String>::new());
    }
    world.apply(&[own("Deny"), pilot("Deny")], UnmatchedImages::Allow);
    assert!(world.validate(&review).await.is_allowed());
}

#[tokio::test]
async fn p12_a_namespaced_policy_takes_back_no_mutation() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let spec = |mutation: &str| trust.spec(&["targets/releases"], json!({ "mutation": mutation }));
    let review = deployment(&[("web", &web("1.4"))]);
    let cluster = cluster_policy("production", spec("Workloads"));
    for added in [policy("shop", "own", spec("Pods")), policy("shop", "own", spec("Workloads"))] {
        world.apply(&[cluster.clone(), added], UnmatchedImages::Allow);
        assert!(world.mutate(&review).await.patch().is_some());
        assert!(world.validate(&review).await.denial().contains(": NotSealed "));
    }
    world.apply(&[cluster, policy("shop", "own", spec("None"))], UnmatchedImages::Allow);
    assert_eq!(world.mutate(&review).await.patch(), None);
    assert!(world.validate(&review).await.denial().contains(": NotSealed "));
    world.apply(
        &[policy("shop", "a", spec("Workloads")), policy("shop", "b", spec("Pods"))],
        UnmatchedImages::Allow,
    );
    assert!(
        world.validate(&review).await.denial().contains(": InvalidPolicy "),
        "no cluster policy names the server"
    );
}

#[tokio::test]
async fn what_is_matched_goes_on_as_before() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let production = cluster_policy("production", trust.spec(&["targets/releases"], json!({})));
    world.apply(&[production], UnmatchedImages::Deny);
    let (object, answer) = world.admit(&pod(&[("web", &web("1.4"))])).await;
    assert!(answer.is_allowed());
    assert_eq!(object["spec"]["containers"][0]["image"], sealed(&web("1.4")));
    let review = pod(&[("web", "ghcr.io/other/image:1")]);
    assert!(world.validate(&review).await.denial().starts_with(NO_POLICY));
}

/// The answers of signed repositories, each asked for once.
struct Known {
    trust: Arc<Trust>,
    answers: Mutex<HashMap<String, Result<Resolved, Refusal>>>,
}

impl Resolve for Known {
    fn resolve<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Resolved, Refusal>> {
        let demand = question.demand;
        let roles = demand.delegations.iter().flat_map(|required| required.roles());
        let roles: Vec<_> = roles.map(|required| required.role.to_string()).collect();
        let key = format!(
            "{} {} {} {roles:?} {:?} {}",
            question.image.original(),
            demand.server.url,
            demand.gun,
            demand.digest_references,
            demand.tag_covered
        );
        Box::pin(async move {
            let known = self.answers.lock().unwrap().get(&key).cloned();
            let answer = match known {
                Some(answer) => return answer,
                None => self.trust.resolve(question).await,
            };
            self.answers.lock().unwrap().insert(key, answer.clone());
            answer
        })
    }
}

static WORLD: LazyLock<(World, Arc<Trust>)> = LazyLock::new(|| {
    let trust = Trust::new();
    let known = Known { trust: Arc::clone(&trust), answers: Mutex::default() };
    (World::new(Arc::new(known)), trust)
});

/// A policy's spec, over a few images, servers and roles.
fn spec() -> impl Strategy<Value = Value> {
    let pattern = || {
        select(vec![
            "**".to_owned(),
            "registry.example.com/shop/**".to_owned(),
            WEB.to_owned(),
            web("1.4"),
            web("1.*"),
            "ghcr.io/**".to_owned(),
        ])
    };
    let roles =
        select(vec![vec!["targets/releases"], vec!["targets/qa"], vec!["targets/qa", "targets/releases"]]);
    let mutation = select(vec![None, Some("None"), Some("Pods"), Some("Workloads"), Some("Everywhere")]);
    let server = select(vec![SERVER, SERVER, "https://other.example.com"]);
    let digests = select(vec!["Verify", "Allow"]);
    let lists = (prop::collection::vec(pattern(), 1..3), prop::collection::vec(pattern(), 0..2));
    (lists, roles, mutation, server, digests).prop_map(
        |((include, exclude), roles, mutation, server, digests)| {
            let mut spec = WORLD.1.spec(&roles, json!({"digestReferences": digests}));
            spec["images"] = json!({"include": include, "exclude": exclude});
            spec["notary"]["server"] = json!(server);
            if let Some(mutation) = mutation {
                spec["mutation"] = json!(mutation);
            }
            spec
        },
    )
}

fn actions(denies: bool) -> impl Strategy<Value = Value> {
    let observing = vec![json!(["Warn"]), json!(["Audit"]), json!(["Warn", "Audit"])];
    let denying =
        if denies { vec![json!(["Deny"]), json!(["Deny", "Audit"]), json!(["Deny"])] } else { vec![] };
    select([denying, observing].concat())
}

fn name() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b", "c"])
}

fn cluster(denies: bool) -> impl Strategy<Value = Object> {
    let selector = select(vec![
        json!(null),
        json!({"matchLabels": {"env": "production"}}),
        json!({"matchLabels": {"env": "x"}}),
    ]);
    (name(), spec(), actions(denies), selector).prop_map(|(name, mut spec, actions, selector)| {
        spec["validationActions"] = actions;
        spec["namespaceSelector"] = selector;
        cluster_policy(name, spec)
    })
}

fn namespaced() -> impl Strategy<Value = Object> {
    (name(), select(vec!["shop", "shop", "other"]), spec(), actions(true)).prop_map(
        |(name, namespace, mut spec, actions)| {
            spec["validationActions"] = actions;
            policy(namespace, name, spec)
        },
    )
}

fn any_exemption() -> impl Strategy<Value = Value> {
    let include = select(vec!["**".to_owned(), web("1.5"), WEB.to_owned()]);
    let policies = select(vec![json!(null), json!(["a"]), json!(["shop/a", "b"])]);
    let sites = select(vec![json!(null), json!(["initContainers"]), json!(["containers", "volumes"])]);
    (include, policies, sites).prop_map(|(include, policies, sites)| {
        exemption("e", json!({"images": {"include": [include]}, "policies": policies, "sites": sites}))
    })
}

fn image() -> impl Strategy<Value = String> {
    select(vec![
        web("1.4"),
        web("1.5"),
        web("1.6"),
        web("9.9"),
        sealed(&web("1.4")),
        sealed(&web("1.5")),
        format!("{}@{}", web("1.4"), digest("another")),
        format!("{WEB}@{}", digest(&web("1.4"))),
        format!("{WEB}@{}", digest("another")),
        "ghcr.io/other/image:1".to_owned(),
        format!("ghcr.io/other/image@{}", digest("any")),
        format!("{WEB}:"),
        "unnamed.example.com/x:1".to_owned(),
    ])
}

fn object() -> impl Strategy<Value = Review> {
    (image(), image(), any::<bool>()).prop_map(|(first, second, is_pod)| {
        let containers = [("web", first.as_str())];
        let spec = if is_pod { "/spec" } else { "/spec/template/spec" };
        let review = if is_pod { pod(&containers) } else { deployment(&containers) };
        let mut filled = review.object().pointer(spec).unwrap().clone();
        filled["initContainers"] = json!([{"name": "setup", "image": second}]);
        review.with_object(spec, filled)
    })
}

/// Whether `review` is let through: as it stands, and by both hooks in turn.
fn admitted(
    policies: &[Object],
    exemptions: &[Value],
    unmatched: UnmatchedImages,
    review: &Review,
) -> [bool; 2] {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    let world = &WORLD.0;
    RUNTIME.block_on(async {
        world.apply_exempting(policies, exemptions, SetOptions { unmatched, ..SetOptions::default() });
        [world.validate(review).await.is_allowed(), world.admit(review).await.1.is_allowed()]
    })
}

proptest! {
    #![proptest_config(crate::support::random::cases(256))]

    #[test]
    fn p12_no_policy_that_is_added_admits_what_was_denied(
        base in prop::collection::vec(prop_oneof![cluster(true), cluster(true), namespaced()], 0..4),
        exemptions in prop::collection::vec(any_exemption(), 0..2),
        added in prop_oneof![namespaced(), cluster(false)],
        unmatched in select(vec![UnmatchedImages::Allow, UnmatchedImages::Warn, UnmatchedImages::Deny]),
        review in object(),
    ) {
        let before = admitted(&base, &exemptions, unmatched, &review);
        let more: Vec<_> = base.iter().cloned().chain([added.clone()]).collect();
        let after = admitted(&more, &exemptions, unmatched, &review);
        for (before, after) in before.into_iter().zip(after) {
            prop_assert!(before || !after, "{added:?} admits {}", review.object());
        }
    }
}
