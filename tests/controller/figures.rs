//! What metrics say of policies and the trust data that they rest on.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tagseal::clock::ManualClock;
use tagseal::controller::PolicyFiguresWatch;
use tagseal::image::ImageReference;
use tagseal::policy::{
    CompileContext, NamespaceView, NoObjects, PolicyKind, PolicySet, PolicySnapshot, Selection, SetOptions,
    UnknownFields, compile,
};
use tagseal::telemetry::Metrics;
use tagseal::trust::{Grant, Question, Resolver, ResolverConfig};
use tokio::sync::watch;

use super::world::{LIMIT, SERVER, cluster_policy, now, policy, with};
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
        tokio::spawn(PolicyFiguresWatch::new(metrics.clone(), watched, shared, sight).run());
        let root = repository.root_key().canonical_id();
        Self { source, clock, resolver, metrics, policies, root }
    }

    fn pinning(&self, policy: Value) -> Value {
        with(policy, "/spec/roots/0/keyID", json!(self.root))
    }

    fn apply(&self, set: &Arc<PolicySet>) {
        self.policies.send_replace(PolicySnapshot::Synced(Arc::clone(set)));
    }

    /// A pod in the shop asks for the image under each policy.
    async fn asks(&self, set: &PolicySet) {
        let image = ImageReference::parse(WEB).unwrap();
        let Selection::Require { deny, .. } = set.select(&NamespaceView::unlabelled("shop"), &image) else {
            panic!("no policy")
        };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(9);
        for demand in &deny {
            let grant = Grant::default();
            let question = Question { demand, image: &image, grant: &grant, deadline, dry_run: false };
            self.resolver.resolve(question).await.unwrap();
        }
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
