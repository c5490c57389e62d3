//! One test's place: a namespace, repositories named after it, policies that cover only these, and the two judges:
//! the cluster, and `tagseal verify`, which must agree in every case.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::agreement::is_refused_for;
use super::cluster::{Answer, Cluster};
use super::manifests::{images, pod};
use super::policy::Policy;
use super::poll::eventually;
use super::publisher::{Publisher, Signer, digest_of};
use super::run::RUN;
use super::second_judge::{Because, SecondJudge, agree};
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
    /// The cluster in the scenario's namespace. Of every object with images that it is sent, `tagseal verify -f` must say the
    /// same, but for moments in which it is asked [alone](Cluster::alone).
    pub cluster: Cluster,
    judge: Arc<SecondJudge>,
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
        Self::at(&suite().cluster(), name)
    }

    /// A namespace that nobody guards.
    pub fn unguarded(name: &str) -> Self {
        Self::in_new_namespace(&suite().cluster(), name, &json!({OWN: "none"}), None)
    }

    /// A namespace with a tagseal of its own.
    pub fn with_own_tagseal(name: &str, options: &TagsealOptions) -> Self {
        let (cluster, labels) = (suite().cluster(), json!({OWN: "own"}));
        let scenario = Self::in_new_namespace(&cluster, name, &labels, Some(options.flags()));
        Self { own: Some(suite().own_tagseal(name, options)), ..scenario }
    }

    /// A namespace of another control plane than the common one.
    pub fn at(cluster: &Cluster, name: &str) -> Self {
        Self::in_new_namespace(cluster, name, &json!({}), Some(Vec::new()))
    }

    /// Whoever guards it was started with these flags.
    fn in_new_namespace(cluster: &Cluster, name: &str, labels: &Value, guard: Option<Vec<String>>) -> Self {
        let dir = RUN.folder(&format!("scenario-{name}"));
        let is_guarded = guard.is_some();
        let verifier = Verifier::new(&dir).with_flags(guard.unwrap_or_default());
        let judge = Arc::new(SecondJudge::new(verifier, is_guarded));
        let cluster = cluster.in_namespace(name).judged_too(&judge);
        make_namespace(&cluster, labels);
        Self {
            name: name.to_owned(),
            cluster,
            judge,
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
            let answer = self.cluster.alone(Because::NotInForceYet).tries(&probe);
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
        self.tells_of(policy);
    }

    /// `tagseal verify` goes by this policy, too.
    pub fn tells_of(&self, policy: &Policy) {
        self.judge.knows_policy(policy.manifest(), &self.dir);
    }

    /// Applies what goes with the policies, to the cluster and for `tagseal verify`, and does not wait.
    pub fn has_beside(&self, object: &Value) {
        let namespace = object["metadata"]["namespace"].as_str();
        self.cluster.in_namespace(namespace.unwrap_or(&self.name)).applies(object);
        self.judge.knows(object, &self.dir);
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
        self.judge.verifier().logs_in(&serde_json::from_slice(&config).expect("JSON"));
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
        self.judge.is_asked_from_now_on();
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

/// Changes that kubectl is sent no manifest for. Each is compared with a manifest that does the same.
impl Scenario {
    /// The cluster decided about the chart that helm installed as `tagseal verify -f` says of the rendered chart. Answers
    /// `object` as it is stored.
    #[track_caller]
    pub fn is_installed_alike(&self, rendered: &str, installed: &Answer, object: &str) -> Option<Value> {
        if !installed.passed {
            self.judge.refuses_alike(&self.cluster, rendered, installed);
            return None;
        }
        let stored = self.cluster.gets(object);
        self.judge.stores_alike(&self.cluster, rendered, std::slice::from_ref(&stored));
        Some(stored)
    }

    /// `manifest` is refused because of `image`, with `reason`, and `tagseal verify -f` refuses the image by the policies that are in
    /// the cluster.
    #[track_caller]
    pub fn refuses_by_its_own_policies(&self, manifest: &Value, image: &str, reason: &str) {
        let answer = self.cluster.creates(manifest);
        let expected = format!("image {image:?}: {reason}");
        assert!(!answer.passed && answer.errors.contains(&expected), "no {expected:?} in: {}", answer.text());
        self.judge.refuses_by_the_cluster(&self.cluster, &manifest.to_string(), &answer);
    }

    /// The cluster stored the manifest as `tagseal verify -f` says of it.
    #[track_caller]
    pub fn is_stored_alike(&self, manifest: &Value, stored: &Value) {
        self.judge.stores_alike(&self.cluster, &manifest.to_string(), std::slice::from_ref(stored));
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
        let stored = self.cluster.creates(&pod).object();
        assert_eq!(images(&stored), [sealed]);
        agree(self.asks(image).is_sealed_as(sealed));
        stored
    }

    /// The same, as soon as the trust data at hand is fresh enough.
    #[track_caller]
    pub fn soon_seals(&self, image: &str, sealed: &str) {
        eventually(&format!("{image} becomes {sealed}"), SETTLED, || {
            let answer = self.cluster.alone(Because::NotInForceYet).tries(&self.pod(image));
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
            let answer = self.cluster.alone(Because::NotInForceYet).tries(&self.pod(image));
            if is_refused_for(&answer, image, reason) { Ok(()) } else { Err(answer.text()) }
        });
        eventually("tagseal verify follows", SETTLED, || self.asks(image).is_refused(reason));
        self.denies(image, reason)
    }

    /// `manifest` is refused because of `image`, with `reason`, and `tagseal verify` refuses the image too.
    #[track_caller]
    pub fn refuses(&self, manifest: &Value, image: &str, reason: &str) -> String {
        self.is_refusal(self.cluster.creates(manifest), manifest, image, reason)
    }

    /// The same of an image that a webhook puts in the place of one of `manifest`: no file names it.
    #[track_caller]
    pub fn refuses_what_becomes_of(&self, manifest: &Value, image: &str, reason: &str) -> String {
        let answer = self.cluster.alone(Because::OtherWebhooks).creates(manifest);
        self.is_refusal_of(answer, image, reason)
    }

    /// `answer` is tagseal's refusal of what `manifest` says, because of `image`, with `reason`, and `tagseal verify` refuses the image
    /// too.
    #[track_caller]
    pub fn is_refusal(&self, answer: Answer, manifest: &Value, image: &str, reason: &str) -> String {
        self.agrees_on_file(manifest, image, |verdict| verdict.is_refused(reason));
        self.judge.refuses_alike(&self.cluster, &manifest.to_string(), &answer);
        self.is_refusal_of(answer, image, reason)
    }

    #[track_caller]
    fn is_refusal_of(&self, answer: Answer, image: &str, reason: &str) -> String {
        assert!(!answer.passed, "{image} was admitted, not refused with {reason}: {}", answer.text());
        for part in ["denied the request", reason, image] {
            assert!(answer.errors.contains(part), "no {part:?} in: {}", answer.errors);
        }
        agree(self.asks(image).is_refused(reason));
        answer.errors
    }

    /// A pod that names `image` is stored as it is, without a word, and `tagseal verify` has nothing against it.
    #[track_caller]
    pub fn leaves_alone(&self, image: &str) {
        let pod = self.pod(image);
        let answer = self.cluster.creates(&pod);
        assert_eq!(images(&answer.object()), [image]);
        assert_eq!(answer.errors, "");
        self.passes(image);
    }

    /// `tagseal verify` has nothing against `image`.
    #[track_caller]
    pub fn passes(&self, image: &str) {
        agree(self.asks(image).passes());
    }

    /// What `tagseal verify` says of `image` under the scenario's policies.
    #[track_caller]
    pub fn asks(&self, image: &str) -> Verdict {
        self.asks_in(&self.cluster, image)
    }

    /// A pod that names `image` is stored in `neighbour` as `expected`, and `tagseal verify` says the same of it there.
    #[track_caller]
    pub fn stores_elsewhere(&self, neighbour: &Cluster, image: &str, expected: &str) {
        let stored = neighbour.creates(&pod("web", image)).object();
        assert_eq!(images(&stored), [expected]);
        let verdict = self.asks_in(neighbour, image);
        agree(if image == expected { verdict.passes() } else { verdict.is_sealed_as(expected) });
    }

    #[track_caller]
    fn asks_in(&self, cluster: &Cluster, image: &str) -> Verdict {
        self.judge.verifier().asks(image, &self.policy_files(), cluster.namespace(), &cluster.labels())
    }

    /// The files with its policies and what goes with them.
    pub fn policy_files(&self) -> Vec<PathBuf> {
        self.judge.files()
    }

    /// What `tagseal verify -f` says of the manifest's images, site by site, if it was created in the scenario's namespace.
    #[track_caller]
    pub fn asks_of(&self, manifest: &Value) -> Vec<Verdict> {
        self.judge.asks_of(&self.cluster, &manifest.to_string())
    }

    /// The same, if it was created in another namespace.
    #[track_caller]
    pub fn asks_of_in(&self, namespace: &str, manifest: &Value) -> Vec<Verdict> {
        self.judge.asks_of(&self.cluster.in_namespace(namespace), &manifest.to_string())
    }

    /// What `tagseal verify -f` reports on the manifest in another form.
    pub fn reports(&self, manifest: &Value, form: &str) -> String {
        self.judge.verifier().reports(&manifest.to_string(), form, &self.policy_files(), &self.name)
    }

    /// `tagseal verify -f` finds `image` in the manifest, and says this of it at each site.
    #[track_caller]
    fn agrees_on_file(&self, manifest: &Value, image: &str, says: impl Fn(&Verdict) -> Result<(), String>) {
        let verdicts = self.asks_of(manifest);
        let of_image: Vec<_> = verdicts.iter().filter(|verdict| verdict.answer["image"] == image).collect();
        assert!(!of_image.is_empty(), "verify -f finds no {image} in {manifest}: {verdicts:?}");
        of_image.into_iter().for_each(|verdict| agree(says(verdict)));
    }
}
