//! A steady stream of pods through the real API server, each with an outcome that is known beforehand.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::control_plane::{ControlPlane, Door};
use super::manifests::images;
use super::run::RUNTIME;
use super::verify::Verdict;

/// Pods are deleted every so often, so that etcd does not fill.
const SWEEP: Duration = Duration::from_secs(10);
/// Longer than the API server waits for both webhooks.
const PATIENCE: Duration = Duration::from_secs(30);

/// One kind of pod, and what has to become of it.
#[derive(Debug, Clone)]
pub struct Case {
    namespace: String,
    images: Vec<String>,
    expected: Expected,
}

#[derive(Debug, Clone)]
enum Expected {
    Stored(Vec<String>),
    Denied(&'static str),
}

impl Case {
    /// A pod of `images` that is stored with `stored`.
    pub fn stored(namespace: &str, images: &[&str], stored: &[&str]) -> Self {
        let own = |images: &[&str]| images.iter().map(|image| (*image).to_owned()).collect();
        Self { namespace: namespace.to_owned(), images: own(images), expected: Expected::Stored(own(stored)) }
    }

    /// A pod of `images` that tagseal denies with `reason`.
    pub fn denied(namespace: &str, images: &[&str], reason: &'static str) -> Self {
        Self { expected: Expected::Denied(reason), ..Self::stored(namespace, images, &[]) }
    }

    /// Where the pod is sent to.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// `Err` unless the verdicts on its pod are what has to become of it.
    pub fn is_as_said(&self, verdicts: &[Verdict]) -> Result<(), String> {
        match &self.expected {
            Expected::Denied(reason) => {
                let refused: Vec<_> = verdicts.iter().filter(|verdict| verdict.refuses()).collect();
                if refused.is_empty() {
                    return Err(format!("nothing stands against it: {verdicts:?}"));
                }
                refused.iter().try_for_each(|verdict| verdict.is_refused(reason))
            }
            Expected::Stored(stored) if stored.len() == verdicts.len() => {
                verdicts.iter().zip(stored).try_for_each(|(verdict, stored)| match verdict.answer["sealed"] {
                    Value::Null if verdict.answer["image"] == stored.as_str() => verdict.passes(),
                    _ => verdict.is_sealed_as(stored),
                })
            }
            Expected::Stored(_) => Err(format!("other images: {verdicts:?}")),
        }
    }

    /// The pod.
    pub fn manifest(&self) -> Value {
        let containers = self.images.iter().enumerate();
        let containers: Vec<_> =
            containers.map(|(index, image)| json!({"name": format!("c{index}"), "image": image})).collect();
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "load-"},
            "spec": {"containers": containers},
        })
    }

    /// What it means that the API server said this.
    fn judge(&self, status: u16, body: &Value) -> Outcome {
        let message = body["message"].as_str().unwrap_or_default();
        let is_denied = message.contains("denied the request");
        match &self.expected {
            _ if status >= 400 && !is_denied && !message.contains("failed calling webhook") => {
                Outcome::Unserved
            }
            Expected::Stored(stored) if status == 201 && images(body) == *stored => Outcome::Right,
            Expected::Denied(reason) if is_denied && message.contains(reason) => Outcome::Right,
            _ if status == 201 => Outcome::WronglyAdmitted,
            _ => Outcome::NeedlesslyDenied,
        }
    }
}

/// What became of one pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// What had to.
    Right,
    /// It was stored although it should not have been, or with other images than it should.
    WronglyAdmitted,
    /// It was refused although it should not have been, or for another reason than it should.
    NeedlesslyDenied,
    /// The API server did not get to it: it ends.
    Unserved,
}

/// One pod that went otherwise than it should.
#[derive(Clone)]
pub struct Mishap {
    /// What became of it.
    pub outcome: Outcome,
    /// When it was sent.
    pub sent: Instant,
    /// When the answer came.
    pub answered: Instant,
    phase: String,
    case: Case,
    said: String,
}

/// A running load.
pub struct Load {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    sender: JoinHandle<()>,
}

struct Shared {
    door: Door,
    cases: Vec<Case>,
    report: Mutex<Report>,
    in_flight: AtomicUsize,
}

/// What came of a load.
#[derive(Clone, Default)]
pub struct Report {
    phase: String,
    counts: BTreeMap<(String, Outcome), usize>,
    mishaps: Vec<Mishap>,
    latencies: Vec<Duration>,
}

impl Load {
    /// Sends `rate` pods a second, the cases in turn, whatever becomes of those before.
    pub fn start(control_plane: &ControlPlane, cases: Vec<Case>, rate: u32) -> Self {
        let report = Mutex::new(Report { phase: "at rest".to_owned(), ..Report::default() });
        let shared =
            Arc::new(Shared { door: control_plane.door(), cases, report, in_flight: AtomicUsize::new(0) });
        let (stop, stopped) = watch::channel(false);
        let sender = RUNTIME.spawn(send(shared.clone(), Duration::from_secs(1) / rate, stopped));
        Self { shared, stop, sender }
    }

    /// What is sent from now on belongs to `phase`.
    pub fn enters(&self, phase: &str) {
        phase.clone_into(&mut self.shared.report().phase);
    }

    /// How many pods have been sent and not answered yet.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::Acquire)
    }

    /// Waits until `count` more pods have been answered.
    #[track_caller]
    pub fn goes_on_for(&self, count: usize) {
        let before = self.shared.report().answered();
        super::poll::eventually(&format!("{count} more pods"), Duration::from_secs(120), || {
            let answered = self.shared.report().answered() - before;
            if answered >= count { Ok(()) } else { Err(format!("{answered} were answered")) }
        });
    }

    /// Sends no more, and waits for what is on its way.
    pub fn ends(self) -> Report {
        self.stop.send_replace(true);
        RUNTIME.block_on(self.sender).expect("the load");
        let report = self.shared.report().clone();
        println!("{report}");
        report
    }
}

impl Shared {
    fn report(&self) -> std::sync::MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn send(shared: Arc<Shared>, every: Duration, mut stopped: watch::Receiver<bool>) {
    let mut ticks = interval(every);
    // A pod that could not be sent in time is sent later: as many as were asked for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut sweeps = interval(SWEEP);
    let mut pods = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                // Nobody sends anything to an API server that is not ready.
                if shared.door.is_ready.load(Ordering::Acquire) {
                    let phase = shared.report().phase.clone();
                    pods.spawn(create(shared.clone(), number % shared.cases.len(), phase));
                    number += 1;
                }
                while pods.try_join_next().is_some() {}
            }
            _ = sweeps.tick() => {
                pods.spawn(sweep(shared.clone()));
            }
            _ = stopped.changed() => break,
        }
    }
    while pods.join_next().await.is_some() {}
    sweep(shared).await;
}

async fn create(shared: Arc<Shared>, index: usize, phase: String) {
    let case = &shared.cases[index];
    let url = format!("{}/api/v1/namespaces/{}/pods", shared.door.url, case.namespace);
    let sent = Instant::now();
    shared.in_flight.fetch_add(1, Ordering::AcqRel);
    let request = shared.door.client.post(url).bearer_auth(&shared.door.token).timeout(PATIENCE);
    let request = request.header("content-type", "application/json").body(case.manifest().to_string());
    let (outcome, said) = match answer(request).await {
        Ok((status, body)) => (case.judge(status, &body), body.to_string()),
        Err(error) => (Outcome::Unserved, format!("{error:?}")),
    };
    let answered = Instant::now();
    shared.in_flight.fetch_sub(1, Ordering::AcqRel);
    let mut report = shared.report();
    *report.counts.entry((phase.clone(), outcome)).or_default() += 1;
    match outcome {
        Outcome::Right => report.latencies.push(answered - sent),
        _ => report.mishaps.push(Mishap { outcome, sent, answered, phase, case: case.clone(), said }),
    }
}

async fn answer(request: reqwest::RequestBuilder) -> reqwest::Result<(u16, Value)> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    Ok((status, serde_json::from_slice(&response.bytes().await?).unwrap_or_default()))
}

async fn sweep(shared: Arc<Shared>) {
    let mut namespaces: Vec<_> = shared.cases.iter().map(|case| &case.namespace).collect();
    namespaces.sort();
    namespaces.dedup();
    for namespace in namespaces {
        let url = format!("{}/api/v1/namespaces/{namespace}/pods?gracePeriodSeconds=0", shared.door.url);
        // What is left over goes next time.
        let _ = shared.door.client.delete(url).bearer_auth(&shared.door.token).timeout(PATIENCE).send().await;
    }
}

impl Report {
    /// How many pods have been answered.
    pub fn answered(&self) -> usize {
        self.counts.values().sum()
    }

    /// The pods with this outcome, which is not [`Outcome::Right`].
    pub fn mishaps(&self, outcome: Outcome) -> Vec<&Mishap> {
        self.mishaps.iter().filter(|mishap| mishap.outcome == outcome).collect()
    }

    /// Fails the test unless every pod became what it should.
    #[track_caller]
    pub fn is_right(&self) {
        self.is_right_but(|_| false);
    }

    /// The same, but for mishaps that are excused. A wrong admission never is.
    #[track_caller]
    pub fn is_right_but(&self, is_excused: impl Fn(&Mishap) -> bool) {
        let counts = |mishap: &&Mishap| mishap.outcome == Outcome::WronglyAdmitted || !is_excused(mishap);
        let unexcused: Vec<_> = self.mishaps.iter().filter(counts).collect();
        let shown: Vec<_> = unexcused.iter().take(5).map(ToString::to_string).collect();
        assert!(unexcused.is_empty(), "{} pods:\n{}\n{self}", unexcused.len(), shown.join("\n"));
    }

    /// The latency that this part of the right answers stays below.
    pub fn latency(&self, part: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let index = (sorted.len() as f64 * part) as usize;
        sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = self.answered - self.sent;
        write!(f, "{:?} while {} ({took:?}): {:?}: {}", self.outcome, self.phase, self.case, self.said)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pods; latency", self.answered())?;
        for (name, part) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
            write!(f, " {name} {:?}", self.latency(part))?;
        }
        for ((phase, outcome), count) in &self.counts {
            write!(f, "\n  {phase}: {count} {outcome:?}")?;
        }
        Ok(())
    }
}
