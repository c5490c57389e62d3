//! One test's place: a namespace, repositories named after it, policies that cover only these, and the two judges:
//! the cluster, and `tagseal verify`, which must agree in every case.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::agreement::{is_refused_as_said, is_refused_for, is_stored_as_said};
use super::cluster::{Answer, Cluster};
use super::manifests::{images, pod};
use super::policy::Policy;
use super::poll::eventually;
use super::publisher::{Publisher, Signer, digest_of};
use super::run::RUN;
use super::suite::suite;
use super::tagseal::{Tagseal, TagsealOptions};
use super::verify::{Verdict, Verifier};
use super::webhooks::{OWN, install_unanswered, remove_unanswered};

/// The registry that no image is ever pulled from.
const REGISTRY: &str = "registry.test";
/// How long until what was applied is in force.
const SETTLED: Duration = Duration::from_secs(20);
/// How long until a status says what is: an outage has to last, and what comes and goes is written once in a while.
const SAID: Duration = Duration::from_secs(90);

/// A test's place.
pub struct Scenario {
    name: String,
    dir: PathBuf,
    /// The cluster in the scenario's namespace.
    pub cluster: Cluster,
    policies: Mutex<Vec<(Policy, PathBuf)>>,
    exemptions: Mutex<Vec<PathBuf>>,
    verifier: Verifier,
    /// The pull secret that its pods name.
    pull_secret: Mutex<Option<String>>,
    pods: AtomicUsize,
    /// Its own tagseal, if it does not share the common one.
    own: Option<Tagseal>,
}

impl Scenario {
    /// A namespace `name`, guarded by the common tagseal.
    pub fn new(name: &str) -> Self {
        suite().has_tagseal();
        Self::in_new_namespace(name, &json!({}))
    }

    /// A namespace that nobody guards.
    pub fn unguarded(name: &str) -> Self {
        Self::in_new_namespace(name, &json!({OWN: "none"}))
    }

    /// A namespace with a tagseal of its own.
    pub fn with_own_tagseal(name: &str, options: &TagsealOptions) -> Self {
        let scenario = Self::in_new_namespace(name, &json!({OWN: "own"}));
        let own = suite().own_tagseal(name, options);
        let verifier = Verifier::new(&scenario.dir).with_flags(options.flags());
        Self { own: Some(own), verifier, ..scenario }
    }

    /// A namespace of another control plane than the common one.
    pub fn at(cluster: &Cluster, name: &str) -> Self {
        Self::in_new_namespace_of(cluster, name, &json!({}))
    }

    fn in_new_namespace(name: &str, labels: &Value) -> Self {
        Self::in_new_namespace_of(&suite().cluster(), name, labels)
    }

    fn in_new_namespace_of(cluster: &Cluster, name: &str, labels: &Value) -> Self {
        let cluster = cluster.in_namespace(name);
        make_namespace(&cluster, labels);
        let dir = RUN.folder(&format!("scenario-{name}"));
        Self {
            name: name.to_owned(),
            cluster,
            policies: Mutex::default(),
            exemptions: Mutex::default(),
            verifier: Verifier::new(&dir),
            pull_secret: Mutex::default(),
            pods: AtomicUsize::new(0),
            own: None,
            dir,
        }
    }

    /// A new folder for a trust store.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The full name of one of the scenario's images.
    pub fn image(&self, name: &str) -> String {
        format!("{REGISTRY}/{}/{name}", self.name)
    }

    /// The pattern that matches all its images.
    pub fn all_images(&self) -> String {
        self.image("**")
    }

    /// A new repository on the common trust server, signed by its owner alone.
    pub fn repository(&self, name: &str) -> Publisher {
        Publisher::new(&self.image(name), suite().notary(), &self.folder(name))
    }

    /// The same, with `targets/releases` delegated to a new signer.
    pub fn released_repository(&self, name: &str) -> (Publisher, Signer) {
        let (repository, signer) = (self.repository(name), Signer::new("releaser"));
        repository.delegates("targets/releases", &[&signer]);
        (repository, signer)
    }

    /// A cluster policy `NAME-production` for all the scenario's images, on the common trust server.
    pub fn policy(&self) -> Policy {
        Policy::cluster(&format!("{}-production", self.name), &self.all_images(), suite().notary().url())
    }

    /// A policy `name` of the scenario's namespace, for all its images, on the common trust server.
    pub fn namespaced_policy(&self, name: &str) -> Policy {
        Policy::namespaced(name, &self.name, &self.all_images(), suite().notary().url())
    }

    /// A repository in which `web:1.4` is signed, and a policy for it. Answers the image and its digest.
    pub fn signed_web(&self) -> (String, String) {
        let (repository, digest) = (self.repository("web"), digest_of("web 1.4"));
        repository.signs(&["targets"], "1.4", &digest);
        self.has_policy(&self.policy().trusts(&repository));
        (self.image("web:1.4"), digest)
    }

    /// Another namespace.
    pub fn neighbour(&self, name: &str) -> Cluster {
        let cluster = self.cluster.in_namespace(name);
        make_namespace(&cluster, &json!({}));
        cluster
    }

    /// The pods of the workload `app`, as soon as there are `count`.
    pub fn pods_of(&self, app: &str, count: usize) -> Vec<Value> {
        let selector = format!("--selector=app={app}");
        eventually(&format!("{count} pods of {app}"), SETTLED, || {
            let list = self.cluster.does(&["get", "pods", &selector, "-o", "json"]);
            let mut list: Value = serde_json::from_str(&list).expect("JSON");
            let pods = list["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
            if pods.len() == count { Ok(pods) } else { Err(format!("{} pods", pods.len())) }
        })
    }

    /// Applies `policy`, to the cluster and for `tagseal verify`, and waits until it is in force.
    pub fn has_policy(&self, policy: &Policy) {
        self.changes_policy(policy);
        let probe = pod("policy-probe", &policy.unsigned_image());
        eventually(&format!("policy {} is in force", policy.name()), SETTLED, || {
            let answer = self.cluster.tries(&probe);
            let told = if policy.is_seen_by_clients() {
                answer.errors.contains(policy.name())
            } else {
                !self.cluster.audit_events(policy.name()).is_empty()
            };
            if told { Ok(()) } else { Err(answer.text()) }
        });
    }

    /// Applies `policy` and does not wait: what changed shows only in its effect.
    pub fn changes_policy(&self, policy: &Policy) {
        self.cluster.applies(policy.manifest());
        let path = self.dir.join(format!("policy-{}.yaml", policy.name()));
        std::fs::write(&path, policy.manifest().to_string()).expect("the policy's file");
        let mut policies = self.policies.lock().unwrap();
        policies.retain(|(known, _)| known.name() != policy.name());
        policies.push((policy.clone(), path));
    }

    /// Applies an exemption, to the cluster and for `tagseal verify`, and does not wait.
    pub fn has_exemption(&self, exemption: &Value) {
        self.cluster.applies(exemption);
        let path = self.dir.join(format!("{}.yaml", exemption["metadata"]["name"].as_str().expect("a name")));
        std::fs::write(&path, exemption.to_string()).expect("the exemption's file");
        self.exemptions.lock().unwrap().push(path);
    }

    /// A condition of the policy's status soon has this status and this reason. Answers the whole status.
    #[track_caller]
    pub fn soon_says(&self, policy: &Policy, condition: &str, status: &str, reason: &str) -> Value {
        let (kind, name) = (policy.manifest()["kind"].as_str().expect("a kind"), policy.name());
        eventually(&format!("{name} says {condition}={status}, {reason}"), SAID, || {
            let said = self.cluster.gets(&format!("{kind}.tagseal.dev/{name}"))["status"].take();
            let conditions = said["conditions"].as_array();
            let found = conditions.is_some_and(|conditions| {
                let is_it = |said: &&Value| said["type"] == condition;
                let said = conditions.iter().find(is_it);
                said.is_some_and(|said| said["status"] == status && said["reason"] == reason)
            });
            if found { Ok(said) } else { Err(said.to_string()) }
        })
    }

    /// Gives the scenario's later pods, and `tagseal verify`, a login at the registry.
    pub fn logs_in(&self, user: &str, password: &str) {
        let name = "registry-login";
        let server = format!("--docker-server={REGISTRY}");
        let (user, password) = (format!("--docker-username={user}"), format!("--docker-password={password}"));
        self.cluster.does(&["create", "secret", "docker-registry", name, &server, &user, &password]);
        *self.pull_secret.lock().unwrap() = Some(name.to_owned());
        let secret = self.cluster.gets(&format!("secret/{name}"));
        let config = secret["data"][".dockerconfigjson"].as_str().expect("docker's configuration");
        let config =
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, config).expect("base64");
        self.verifier.logs_in(&serde_json::from_slice(&config).expect("JSON"));
    }

    /// Installs the shipped webhooks for the namespace, with nobody to answer them.
    pub fn has_unanswered_webhooks(&self) {
        install_unanswered(&self.cluster);
    }

    /// The lines that the scenario's own tagseal logged.
    pub fn log(&self) -> Vec<Value> {
        let log = self.own.as_ref().expect("a tagseal of its own").log();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The metrics of the scenario's own tagseal.
    pub fn metrics(&self) -> String {
        self.own.as_ref().expect("a tagseal of its own").metrics()
    }

    /// Takes these away, and has the namespace guarded by the common tagseal.
    pub fn has_tagseal_back(&self) {
        suite().has_tagseal();
        remove_unanswered(&self.cluster);
        self.cluster.does(&["label", "namespace", self.cluster.namespace(), &format!("{OWN}-")]);
    }

    /// Kills the scenario's own tagseal, and starts it with an empty disk.
    pub fn tagseal_starts_anew(&self) {
        self.own.as_ref().expect("a tagseal of its own").starts_anew();
    }

    /// Kills the scenario's own tagseal.
    pub fn loses_tagseal(&self) {
        self.own.as_ref().expect("a tagseal of its own").stops();
    }
}

fn make_namespace(cluster: &Cluster, labels: &Value) {
    cluster.applies(&json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": cluster.namespace(), "labels": labels},
    }));
    // A pod needs it, and the controller-manager makes it.
    cluster.does(&["wait", "--for=create", "serviceaccount/default", "--timeout=60s"]);
}

/// Objects sent to the API server, after which `tagseal verify -f` is asked and must say the same of each of their images. `cluster`
/// does not ask: it is for what no file says, and for moments when the cluster knows what the files' user does not.
impl Scenario {
    /// `kubectl create`, whatever comes of it.
    #[track_caller]
    pub fn creates(&self, manifest: &Value) -> Answer {
        self.is_judged_alike(manifest, self.cluster.creates(manifest))
    }

    /// `kubectl create --dry-run=server`, whatever comes of it.
    #[track_caller]
    pub fn tries(&self, manifest: &Value) -> Answer {
        self.is_judged_alike(manifest, self.cluster.tries(manifest))
    }

    /// `kubectl apply`, which must pass.
    #[track_caller]
    pub fn applies(&self, manifest: &Value) -> Answer {
        let answer = self.cluster.applies(manifest);
        let get = ["get", "-f", "-", "-o", "json"];
        let stored = self.cluster.kubectl_with(&get, manifest.to_string().as_bytes()).object();
        self.is_stored_alike(manifest, &stored);
        answer
    }

    /// What `tagseal verify -f` says of the manifest is what came of it in the cluster. Answers the answer.
    #[track_caller]
    pub fn is_judged_alike(&self, manifest: &Value, answer: Answer) -> Answer {
        if answer.passed {
            self.is_stored_alike(manifest, &answer.object());
        } else if answer.errors.contains("\"validate.tagseal.dev\" denied the request") {
            self.agrees(is_refused_as_said(&self.asks_of(manifest), &answer));
        }
        // The API server refuses some by itself.
        answer
    }

    /// The cluster stored the manifest, an object or a list, as `tagseal verify -f` says of it.
    #[track_caller]
    pub fn is_stored_alike(&self, manifest: &Value, stored: &Value) {
        let verdicts = self.asks_of(manifest);
        assert!(!verdicts.is_empty(), "verify -f finds no image in {manifest}");
        let objects = stored["items"].as_array().cloned().unwrap_or_else(|| vec![stored.clone()]);
        self.agrees(is_stored_as_said(&verdicts, &objects));
    }
}

/// The two judges.
impl Scenario {
    /// A pod with one container of `image`, named as none was before.
    pub fn pod(&self, image: &str) -> Value {
        let number = self.pods.fetch_add(1, Ordering::Relaxed);
        let mut pod = pod(&format!("pod-{number}"), image);
        if let Some(secret) = self.pull_secret.lock().unwrap().as_ref() {
            pod["spec"]["imagePullSecrets"] = json!([{"name": secret}]);
        }
        pod
    }

    /// A pod that names `image` is stored with `sealed`, and `tagseal verify` says that it would be. Answers the pod.
    #[track_caller]
    pub fn seals(&self, image: &str, sealed: &str) -> Value {
        let pod = self.pod(image);
        let stored = self.creates(&pod).object();
        assert_eq!(images(&stored), [sealed]);
        self.agrees(self.asks(image).is_sealed_as(sealed));
        self.agrees_on_file(&pod, image, |verdict| verdict.is_sealed_as(sealed));
        stored
    }

    /// The same, as soon as the trust data at hand is fresh enough.
    #[track_caller]
    pub fn soon_seals(&self, image: &str, sealed: &str) {
        eventually(&format!("{image} becomes {sealed}"), SETTLED, || {
            let answer = self.cluster.tries(&self.pod(image));
            if !answer.passed {
                return Err(answer.errors);
            }
            let images = images(&answer.object());
            if images == [sealed] { Ok(()) } else { Err(format!("{images:?}")) }
        });
        eventually("tagseal verify follows", SETTLED, || self.asks(image).is_sealed_as(sealed));
        self.seals(image, sealed);
    }

    /// A pod that names `image` is refused with `reason`, and `tagseal verify` refuses it too. Answers the message.
    #[track_caller]
    pub fn denies(&self, image: &str, reason: &str) -> String {
        self.refuses(&self.pod(image), image, reason)
    }

    /// The same, as soon as the trust data at hand is fresh enough.
    #[track_caller]
    pub fn soon_denies(&self, image: &str, reason: &str) -> String {
        eventually(&format!("{image} is denied: {reason}"), SETTLED, || {
            let answer = self.cluster.tries(&self.pod(image));
            if is_refused_for(&answer, image, reason) { Ok(()) } else { Err(answer.text()) }
        });
        eventually("tagseal verify follows", SETTLED, || self.asks(image).is_refused(reason));
        self.denies(image, reason)
    }

    /// `manifest` is refused because of `image`, with `reason`, and `tagseal verify` refuses the image too.
    #[track_caller]
    pub fn refuses(&self, manifest: &Value, image: &str, reason: &str) -> String {
        let answer = self.cluster.creates(manifest);
        // A webhook may have put the image there; then no file names it.
        if manifest.to_string().contains(&Value::from(image).to_string()) {
            self.is_refusal(answer, manifest, image, reason)
        } else {
            self.is_refusal_of(answer, image, reason)
        }
    }

    /// `answer` is tagseal's refusal of what `manifest` says, because of `image`, with `reason`, and `tagseal verify` refuses the image
    /// too.
    #[track_caller]
    pub fn is_refusal(&self, answer: Answer, manifest: &Value, image: &str, reason: &str) -> String {
        self.agrees_on_file(manifest, image, |verdict| verdict.is_refused(reason));
        let answer = self.is_judged_alike(manifest, answer);
        self.is_refusal_of(answer, image, reason)
    }

    #[track_caller]
    fn is_refusal_of(&self, answer: Answer, image: &str, reason: &str) -> String {
        assert!(!answer.passed, "{image} was admitted, not refused with {reason}: {}", answer.text());
        for part in ["denied the request", reason, image] {
            assert!(answer.errors.contains(part), "no {part:?} in: {}", answer.errors);
        }
        self.agrees(self.asks(image).is_refused(reason));
        answer.errors
    }

    /// A pod that names `image` is stored as it is, without a word, and `tagseal verify` has nothing against it.
    #[track_caller]
    pub fn leaves_alone(&self, image: &str) {
        let pod = self.pod(image);
        let answer = self.creates(&pod);
        assert_eq!(images(&answer.object()), [image]);
        assert_eq!(answer.errors, "");
        self.passes(image);
        self.agrees_on_file(&pod, image, Verdict::passes);
    }

    /// `tagseal verify` has nothing against `image`.
    #[track_caller]
    pub fn passes(&self, image: &str) {
        self.agrees(self.asks(image).passes());
    }

    /// What `tagseal verify` says of `image` under the scenario's policies.
    #[track_caller]
    pub fn asks(&self, image: &str) -> Verdict {
        self.asks_in(&self.name, image)
    }

    /// A pod that names `image` is stored in `neighbour` as `expected`, and `tagseal verify` says the same of it there.
    #[track_caller]
    pub fn stores_elsewhere(&self, neighbour: &Cluster, image: &str, expected: &str) {
        let pod = pod("web", image);
        let stored = neighbour.creates(&pod).object();
        assert_eq!(images(&stored), [expected]);
        let namespace = neighbour.namespace();
        let verdict = self.asks_in(namespace, image);
        self.agrees(if image == expected { verdict.passes() } else { verdict.is_sealed_as(expected) });
        let of_file = self.verifier.asks_of(&pod, &self.policy_files(), namespace);
        self.agrees(is_stored_as_said(&of_file, &[stored]));
    }

    #[track_caller]
    fn asks_in(&self, namespace: &str, image: &str) -> Verdict {
        self.verifier.asks(image, &self.policy_files(), namespace)
    }

    /// The files with its policies and exemptions.
    pub fn policy_files(&self) -> Vec<PathBuf> {
        let policies = self.policies.lock().unwrap();
        let exemptions = self.exemptions.lock().unwrap();
        policies.iter().map(|(_, file)| file).chain(exemptions.iter()).cloned().collect()
    }

    /// What `tagseal verify -f` says of the manifest's images, site by site, if it was created in the scenario's namespace.
    #[track_caller]
    pub fn asks_of(&self, manifest: &Value) -> Vec<Verdict> {
        self.verifier.asks_of(manifest, &self.policy_files(), &self.name)
    }

    /// What `tagseal verify -f` reports on the manifest in another form.
    pub fn reports(&self, manifest: &Value, form: &str) -> String {
        self.verifier.reports(manifest, form, &self.policy_files(), &self.name)
    }

    /// `tagseal verify -f` finds `image` in the manifest, and says this of it at each site.
    #[track_caller]
    fn agrees_on_file(&self, manifest: &Value, image: &str, says: impl Fn(&Verdict) -> Result<(), String>) {
        let verdicts = self.asks_of(manifest);
        let of_image: Vec<_> = verdicts.iter().filter(|verdict| verdict.answer["image"] == image).collect();
        assert!(!of_image.is_empty(), "verify -f finds no {image} in {manifest}: {verdicts:?}");
        of_image.into_iter().for_each(|verdict| self.agrees(says(verdict)));
    }

    #[track_caller]
    fn agrees(&self, verdict: Result<(), String>) {
        if let Err(error) = verdict {
            panic!("the cluster and tagseal verify disagree: {error}");
        }
    }
}
