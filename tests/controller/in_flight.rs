//! Policies change while a request is being judged.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tagseal::admission::judge::Resolve;
use tagseal::admission::{Admission, Hook};
use tagseal::policy::{PolicySet, Reason};
use tagseal::trust::{BoxFuture, Question, Refusal, Resolved, Untrusted};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::api_server::ApiServer;
use super::world::{LIMIT, World, cluster_policy};

/// A resolver that waits until it is let go, then refuses.
struct Waiting {
    asked: Mutex<Vec<String>>,
    arrived: Semaphore,
    gate: Semaphore,
}

impl Waiting {
    fn new() -> Arc<Self> {
        Arc::new(Self { asked: Mutex::default(), arrived: Semaphore::new(0), gate: Semaphore::new(0) })
    }

    async fn arrivals(&self, count: u32) {
        let arrived = tokio::time::timeout(LIMIT, self.arrived.acquire_many(count)).await;
        arrived.expect("nobody asked").unwrap().forget();
    }
}

impl Resolve for Waiting {
    fn resolve<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Resolved, Refusal>> {
        Box::pin(async move {
            let asked = format!("{} {}", question.demand.policy.name, question.image.original());
            self.asked.lock().unwrap().push(asked);
            self.arrived.add_permits(1);
            self.gate.acquire().await.unwrap().forget();
            Err(Refusal::Untrusted(Untrusted { reason: Reason::NotSigned, message: "not signed".to_owned() }))
        })
    }
}

const WEB: &str = "registry.example.com/shop/web:1";
const OTHER: &str = "registry.example.com/other/web:1";

/// A pod of two images, one in the shop.
fn review(admission: &Arc<Admission>) -> JoinHandle<Value> {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "name": "web", "namespace": "shop",
            "operation": "CREATE", "userInfo": {"username": "alice"}, "oldObject": null, "dryRun": false,
            "object": {"metadata": {"name": "web"}, "spec": {"containers": [
                {"name": "web", "image": WEB}, {"name": "other", "image": OTHER}
            ]}}
        }
    });
    let admission = Arc::clone(admission);
    tokio::spawn(async move {
        let deadline = Instant::now() + LIMIT + Duration::from_secs(60);
        let answer = admission.answer(Hook::Validate, &review.to_string().into(), deadline).await.unwrap();
        serde_json::from_slice::<Value>(&answer.bytes).unwrap()["response"].clone()
    })
}

/// Starts a request under `production` for the shop, changes the policies while it waits, and starts another. Returns both
/// answers, and what the resolver was asked.
async fn around(
    change: impl FnOnce(&ApiServer),
    changed: impl Fn(&PolicySet) -> bool,
    asks_after: u32,
) -> (Value, Value, Vec<String>) {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("production", "registry.example.com/shop/**"));
    let mut world = World::start(&server);
    world.policies(&[("ClusterTrustPolicy production", true)]).await;
    let waiting = Waiting::new();
    let resolver: Arc<dyn Resolve> = Arc::<Waiting>::clone(&waiting);
    let admission = Arc::new(Admission::new(resolver, world.snapshots.clone(), None));
    let before = review(&admission);
    waiting.arrivals(1).await;
    change(&server);
    world.set(changed).await;
    let after = review(&admission);
    waiting.arrivals(asks_after).await;
    waiting.gate.add_permits(8);
    let answers = (before.await.unwrap(), after.await.unwrap());
    let mut asked = waiting.asked.lock().unwrap().clone();
    asked.sort();
    (answers.0, answers.1, asked)
}

fn denied(answer: &Value) -> Vec<&str> {
    let message = answer["status"]["message"].as_str().unwrap_or_default();
    [WEB, OTHER].into_iter().filter(|image| message.contains(*image)).collect()
}

#[tokio::test]
async fn p8_a_policy_deleted_while_a_request_is_in_flight_still_judges_that_request() {
    let delete = |server: &ApiServer| server.delete("clustertrustpolicies", "", "production");
    let (before, after, asked) = around(delete, |set| set.policies().count() == 0, 0).await;
    assert_eq!(before["allowed"], false);
    assert_eq!(denied(&before), [WEB]);
    assert_eq!(after["allowed"], true);
    assert_eq!(asked, [format!("production {WEB}")]);
}

#[tokio::test]
async fn p8_a_policy_narrowed_while_a_request_is_in_flight_judges_it_as_it_was() {
    let narrow = |server: &ApiServer| {
        server.put("clustertrustpolicies", cluster_policy("production", "registry.example.com/shop/api"));
    };
    let narrowed = |set: &PolicySet| super::world::asks(set, "shop", WEB) == Ok(Vec::new());
    let (before, after, asked) = around(narrow, narrowed, 0).await;
    assert_eq!(denied(&before), [WEB]);
    assert_eq!(after["allowed"], true);
    assert_eq!(asked, [format!("production {WEB}")]);
}

#[tokio::test]
async fn p8_a_policy_widened_while_a_request_is_in_flight_judges_only_later_ones_by_what_is_new() {
    let widen = |server: &ApiServer| {
        server.put("clustertrustpolicies", cluster_policy("production", "registry.example.com/**"));
        server.put("clustertrustpolicies", cluster_policy("second", "registry.example.com/other/**"));
    };
    let (before, after, asked) = around(widen, |set| set.policies().count() == 2, 3).await;
    assert_eq!(denied(&before), [WEB]);
    assert_eq!(denied(&after), [WEB, OTHER]);
    assert_eq!(
        asked,
        [
            format!("production {OTHER}"),
            format!("production {WEB}"),
            format!("production {WEB}"),
            format!("second {OTHER}")
        ]
    );
}
