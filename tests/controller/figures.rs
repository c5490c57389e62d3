//! What metrics say of policies and the trust data that they rest on.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tagseal::clock::ManualClock;
use tagseal::controller::{Leadership, PolicyFiguresWatch};
use tagseal::image::ImageReference;
use tagseal::policy::{
    CompileContext, NamespaceView, NoObjects, PolicyKind, PolicySet, PolicySnapshot, Selection, SetOptions,
    UnknownFields, compile,
};
use tagseal::telemetry::Metrics;
use tagseal::trust::{PodIdentity, Question, Refusal, Resolved, Resolver, ResolverConfig};
use tokio::sync::watch;

use super::world::{LIMIT, SERVER, cluster_policy, now, policy, with};
use crate::support::random::is_soak;
use crate::support::{
    FakeCredentials, FakeSource, FakeState, Fault, Page, TestRepository, days, image_digest, minutes, seconds,
};

const WEB: &str = "registry.example.com/shop/web:1.4";

/// A set of these cluster policies and policies.
fn set(objects: &[Value]) -> Arc<PolicySet> {
    let context = CompileContext {
        system_namespace: "tagseal-system",
        objects: &NoObjects,
        unknown_fields: UnknownFields::Refuse,
    };
    let compiled = objects.iter().map(|object| {
        let is_namespaced = object["kind"] == "TrustPolicy";
        let kind = if is_namespaced { PolicyKind::Namespaced } else { PolicyKind::Cluster };
        Arc::new(compile(kind, object, &context))
    });
    Arc::new(PolicySet::new(compiled.collect::<Vec<_>>(), SetOptions::default()))
}

struct Shop {
    source: FakeSource,
    clock: ManualClock,
    resolver: Arc<Resolver>,
    metrics: Metrics,
    policies: watch::Sender<PolicySnapshot>,
    leads: watch::Sender<bool>,
    /// Its owner's key, which policies pin.
    root: String,
}

impl Shop {
    /// One repository, whose `targets` expires in ten days.
    fn new() -> Self {
        let (source, clock, metrics) = (FakeSource::new(), ManualClock::at(now()), Metrics::default());
        let mut repository = TestRepository::new("registry.example.com/shop/web", now());
        repository.sign_target("targets", "1.4", image_digest("one")).expires("targets", now() + days(10));
        let files = repository.publish(now());
        source.serve(SERVER, repository.gun(), &files);
        let resolver = Arc::new(Resolver::new(
            ResolverConfig::default(),
            Arc::new(source.clone()),
            Arc::new(FakeCredentials::new()),
            Arc::new(FakeState::new()),
            Arc::new(clock.clone()),
        ));
        let (policies, watched) = watch::channel(PolicySnapshot::default());
        let (sight, shared) = (Arc::new(clock.clone()), Arc::clone(&resolver));
        let figures = PolicyFiguresWatch::new(metrics.clone(), watched, shared, sight);
        let (leads, leadership) = watch::channel(true);
        tokio::spawn(figures.led_by(Leadership::new(leadership)).run());
        let root = repository.root_key().canonical_id();
        Self { source, clock, resolver, metrics, policies, leads, root }
    }

    fn pinning(&self, policy: Value) -> Value {
        with(policy, "/spec/roots/0/keyID", json!(self.root))
    }

    fn apply(&self, set: &Arc<PolicySet>) {
        self.policies.send_replace(PolicySnapshot::Synced(Arc::clone(set)));
    }

    /// A pod in the shop asks for the image under each policy.
    async fn asks(&self, set: &PolicySet) {
        for answer in self.asks_for(set, WEB).await {
            answer.unwrap();
        }
    }

    async fn asks_for(&self, set: &PolicySet, image: &str) -> Vec<Result<Resolved, Refusal>> {
        let image = ImageReference::parse(image).unwrap();
        let Selection::Require { deny, .. } = set.select(&NamespaceView::unlabelled("shop"), &image) else {
            panic!("no policy")
        };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(9);
        let mut answers = Vec::new();
        for demand in &deny {
            let pod = PodIdentity::default();
            let question = Question { demand, image: &image, pod: &pod, deadline, dry_run: false };
            answers.push(self.resolver.resolve(question).await);
        }
        answers
    }

    /// Until the page fits.
    async fn shows(&self, series: &str, value: &str) -> Page {
        let waited = tokio::time::timeout(LIMIT, async {
            loop {
                let page = Page::of(&self.metrics);
                if page.value(series) == value {
                    return page;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{series} is not {value}: {}", self.metrics.render()))
    }
}

#[tokio::test(start_paused = true)]
async fn age_expiry_and_repositories_are_told_by_policy_and_go_with_it() {
    let shop = Shop::new();
    let (a, b) =
        (cluster_policy("a", "registry.example.com/shop/**"), policy("shop", "b", "registry.example.com/**"));
    let broken = with(cluster_policy("broken", "registry.example.com/x/**"), "/spec/roots", json!([]));
    let three = set(&[shop.pinning(a.clone()), shop.pinning(b), broken.clone()]);
    shop.apply(&three);
    let page = shop.shows(r#"tagseal_policies{kind="ClusterTrustPolicy",state="invalid"}"#, "1").await;
    assert_eq!(
        page.counted("tagseal_policies"),
        [
            r#"{kind="ClusterTrustPolicy",state="invalid"} 1"#,
            r#"{kind="ClusterTrustPolicy",state="ready"} 1"#,
            r#"{kind="TrustPolicy",state="ready"} 1"#
        ]
    );
    assert_eq!(page.counted("tagseal_trust_data_age_seconds"), [""; 0], "nobody asked yet");

    shop.asks(&three).await;
    shop.clock.advance(seconds(40));
    let page = shop.shows(r#"tagseal_trust_data_age_seconds{policy="a"}"#, "40").await;
    assert_eq!(page.value(r#"tagseal_trust_data_age_seconds{policy="shop/b"}"#), "40");
    let expiry = (now() + days(10)).as_second().to_string();
    for policy in ["a", "shop/b"] {
        let series = format!("tagseal_trust_data_earliest_expiry_timestamp_seconds{{policy=\"{policy}\"}}");
        assert_eq!(page.value(&series), expiry);
    }
    assert_eq!(page.value(r#"tagseal_repositories{state="verified"}"#), "1");
    let fresh = [r#"{policy="a",state="fresh"} 1"#, r#"{policy="shop/b",state="fresh"} 1"#];
    assert_eq!(page.counted("tagseal_policy_repositories"), fresh);

    shop.source.fault("*", Fault::Unreachable("connection refused"));
    shop.clock.advance(minutes(2));
    shop.asks(&three).await;
    shop.clock.advance(minutes(1));
    let page = shop.shows(r#"tagseal_policy_repositories{policy="a",state="ailing"}"#, "1").await;
    assert_eq!(page.value(r#"tagseal_policy_repositories{policy="a",state="fresh"}"#), "0");
    assert_eq!(page.value(r#"tagseal_trust_data_age_seconds{policy="a"}"#), "220");

    // A policy that is gone, or that leads elsewhere, says nothing any more.
    shop.apply(&set(&[shop.pinning(with(
        a,
        "/spec/images/include",
        json!(["registry.example.com/elsewhere/**"]),
    ))]));
    let page = shop.shows(r#"tagseal_policies{kind="TrustPolicy",state="ready"}"#, "0").await;
    assert_eq!(page.counted("tagseal_trust_data_age_seconds"), [""; 0]);
    assert_eq!(page.counted("tagseal_policy_repositories"), [""; 0]);
    assert!(!shop.metrics.render().contains("shop/b"));
}

#[tokio::test(start_paused = true)]
async fn counts_of_a_deleted_policy_go() {
    let shop = Shop::new();
    let both = set(&[cluster_policy("a", "a.test/**"), cluster_policy("b", "b.test/**")]);
    shop.apply(&both);
    shop.shows(r#"tagseal_policies{kind="ClusterTrustPolicy",state="ready"}"#, "2").await;
    for label in ["a", "b"] {
        shop.metrics.policy(label).passed(tagseal::telemetry::Endpoint::Mutate, 1);
    }
    let passed = |label: &str| {
        format!(
            "tagseal_policy_verdicts_total{{endpoint=\"mutate\",policy=\"{label}\",verdict=\"passed\",reason=\"\"}}"
        )
    };
    shop.apply(&set(&[cluster_policy("a", "a.test/**")]));
    let page = shop.shows(&passed("b"), "").await;
    assert_eq!(page.value(&passed("a")), "1");
}

const AILING: &str = r#"tagseal_policy_repositories{policy="a",state="ailing"}"#;
const FRESH: &str = r#"tagseal_policy_repositories{policy="a",state="fresh"}"#;

/// A policy with a wrong root, a server that never answered, a server that knows none of its repositories.
#[tokio::test(start_paused = true)]
async fn repositories_of_a_policy_that_never_verified_are_ailing_until_one_does() {
    let everything = cluster_policy("a", "registry.example.com/**");
    for (fault, is_pinned) in
        [(None, false), (Some(Fault::Unreachable("refused")), true), (Some(Fault::NotFound), true)]
    {
        let shop = Shop::new();
        let policy = if is_pinned { shop.pinning(everything.clone()) } else { everything.clone() };
        let policies = set(&[policy]);
        shop.apply(&policies);
        if let Some(fault) = fault.clone() {
            shop.source.fault("*", fault);
        }
        assert!(shop.asks_for(&policies, WEB).await[0].is_err(), "{fault:?}");
        shop.clock.advance(seconds(20));
        shop.shows(AILING, "1").await;
        assert_eq!(Page::of(&shop.metrics).value(FRESH), "0");
        // A replica that does not lead may not know what verified elsewhere.
        shop.leads.send_replace(false);
        shop.shows(AILING, "0").await;
        shop.leads.send_replace(true);
        shop.shows(AILING, "1").await;

        shop.source.clear_faults();
        let mended = set(&[shop.pinning(everything.clone())]);
        shop.apply(&mended);
        shop.clock.advance(minutes(1));
        shop.asks(&mended).await;
        shop.shows(FRESH, "1").await;
        assert_eq!(Page::of(&shop.metrics).value(AILING), "0", "{fault:?}");
    }
}

/// Whoever creates pods can name what nobody ever signed.
#[tokio::test(start_paused = true)]
async fn invented_repositories_make_no_policy_ailing() {
    // Several times as many as are remembered.
    let count = if is_soak() { 100_000 } else { 5_000 };
    let shop = Shop::new();
    let policies = set(&[shop.pinning(cluster_policy("a", "registry.example.com/**"))]);
    shop.apply(&policies);
    shop.asks(&policies).await;
    for number in 0..count {
        let image = format!("registry.example.com/invented/{number}:1");
        let answers = shop.asks_for(&policies, &image).await;
        assert!(answers[0].is_err());
    }
    shop.clock.advance(seconds(20));
    shop.shows(FRESH, "1").await;
    let page = Page::of(&shop.metrics);
    assert_eq!(page.value(AILING), "0");
    assert_ne!(page.value(r#"tagseal_repositories{state="unverified"}"#), "0");
}
