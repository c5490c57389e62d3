//! The second judge of a scenario: `tagseal verify -f`, asked about every object with images after the cluster has answered.
//! It is not asked where nobody guards the namespace, nor before there is a policy. What kubectl makes up by itself (`run`,
//! `debug`, `patch`, `set image`), and what helm sends, scenarios hold against a manifest that says the same.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::agreement::{is_refused_as_said, is_stored_as_said};
use super::cluster::{Answer, Cluster};
use super::manifests::images_within;
use super::verify::{Verdict, Verifier};

/// Why the cluster alone is asked about an object: what it goes by is in no file, or not in the files yet. These are all
/// the moments in which the cluster and `tagseal verify -f` may say different things.
#[derive(Debug, Clone, Copy)]
pub enum Because {
    /// It is asked until what was applied or published is in force: until then either answer is right.
    NotInForceYet,
    /// An UPDATE leaves images as they are, from before the policy or with the digest from before: they pass, and stay.
    UnchangedImages,
    /// Trust data is read with the pull secrets of the pod, and a user has their own login.
    PullSecrets,
    /// Another webhook changes the object, or something, between tagseal's two calls.
    OtherWebhooks,
    /// A dry run pins nothing, where a user who verifies pins what they see first.
    FirstUseOnDryRun,
    /// Both answer from trust data that they verified earlier, and they refresh it at different times.
    OlderTrustData,
    /// Each remembers roots and versions of its own: floors, pins, and what is in its cache or has been reset.
    OwnMemory,
    /// The API server does not wait for as long as a user does.
    Deadline,
    /// The webhooks are not as the chart has them, or are not called for the namespace.
    OtherWebhookConfiguration,
    /// The test counts the requests that come from the cluster.
    CountedRequests,
}

/// `tagseal verify -f`, with what is applied in its scenario.
#[derive(Debug)]
pub struct SecondJudge {
    verifier: Verifier,
    policies: Mutex<Vec<(Value, PathBuf)>>,
    others: Mutex<Vec<PathBuf>>,
    is_asked: AtomicBool,
}

impl SecondJudge {
    /// Knows no policies yet. Where nobody guards the namespace it is not asked.
    pub fn new(verifier: Verifier, is_guarded: bool) -> Self {
        Self {
            verifier,
            policies: Mutex::default(),
            others: Mutex::default(),
            is_asked: AtomicBool::new(is_guarded),
        }
    }

    /// From now on somebody guards the namespace.
    pub fn is_asked_from_now_on(&self) {
        self.is_asked.store(true, Ordering::Relaxed);
    }

    /// The verifier.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Knows this policy, by a file in `dir`, in place of one of the same kind and name.
    pub fn knows_policy(&self, policy: &Value, dir: &Path) {
        let name = policy["metadata"]["name"].as_str().expect("a name");
        let path = dir.join(format!("policy-{name}.yaml"));
        std::fs::write(&path, policy.to_string()).expect("the policy's file");
        let mut policies = self.policies.lock().unwrap();
        policies.retain(|(_, known)| *known != path);
        policies.push((policy.clone(), path));
    }

    /// Knows another object that goes with the policies.
    pub fn knows(&self, object: &Value, dir: &Path) {
        let path = dir.join(format!("{}.yaml", object["metadata"]["name"].as_str().expect("a name")));
        std::fs::write(&path, object.to_string()).expect("the object's file");
        self.others.lock().unwrap().push(path);
    }

    /// The files with all of these.
    pub fn files(&self) -> Vec<PathBuf> {
        let (policies, others) = (self.policies.lock().unwrap(), self.others.lock().unwrap());
        policies.iter().map(|(_, file)| file).chain(others.iter()).cloned().collect()
    }

    /// What it says of the images of `manifest`, site by site, if it was created in the namespace of `cluster`.
    #[track_caller]
    pub fn asks_of(&self, cluster: &Cluster, manifest: &str) -> Vec<Verdict> {
        self.verifier.asks_of(manifest, &self.files(), cluster.namespace(), &cluster.labels())
    }

    /// What it says of a command by which `input` was sent to the cluster is what the cluster answered. Commands that send no
    /// object with images are nothing to it.
    #[track_caller]
    pub fn agrees(&self, cluster: &Cluster, args: &[&str], input: &[u8], answer: &Answer) {
        let Some(manifest) = sent(args, input) else { return };
        let manifest = manifest.as_str();
        let is_about_nothing = self.policies.lock().unwrap().is_empty();
        if !self.is_asked.load(Ordering::Relaxed) || is_about_nothing {
            return;
        }
        if !answer.passed {
            return self.refuses_alike(cluster, manifest, answer);
        }
        let is_dry_run = args.iter().any(|arg| arg.starts_with("--dry-run"));
        let stored = if args.contains(&"json") {
            objects_in(&answer.output)
        } else if is_dry_run {
            // kubectl does not print the object, so only the decision can be compared.
            let verdicts = self.asks_of(cluster, manifest);
            return verdicts.iter().for_each(|verdict| agree(verdict.passes()));
        } else {
            objects_in(&cluster.unjudged(&["get", "-o", "json", "-f", "-"], input).output)
        };
        self.stores_alike(cluster, manifest, &stored);
    }

    /// It refuses the images of `manifest` that tagseal refused.
    #[track_caller]
    pub fn refuses_alike(&self, cluster: &Cluster, manifest: &str, answer: &Answer) {
        // The API server refuses some by itself.
        if answer.errors.contains("\"validate.tagseal.dev\" denied the request") {
            agree(is_refused_as_said(&self.asks_of(cluster, manifest), answer));
        }
    }

    /// By the policies of the cluster itself it refuses the images of `manifest` that tagseal refused.
    #[track_caller]
    pub fn refuses_by_the_cluster(&self, cluster: &Cluster, manifest: &str, answer: &Answer) {
        let verdicts = self.verifier.asks_of_by(cluster.kubeconfig(), manifest, cluster.namespace());
        agree(is_refused_as_said(&verdicts, answer));
    }

    /// It says of the images of `manifest` as what they are in `stored`.
    #[track_caller]
    pub fn stores_alike(&self, cluster: &Cluster, manifest: &str, stored: &[Value]) {
        let verdicts = self.asks_of(cluster, manifest);
        let mut said: Vec<_> =
            verdicts.iter().filter_map(|verdict| verdict.answer["image"].as_str()).collect();
        let read: Value = serde_saphyr::from_str(manifest).expect("YAML");
        let mut named = images_within(&read);
        // verify skips blank images: another webhook fills them in.
        named.retain(|image| !image.trim().is_empty());
        said.sort_unstable();
        named.sort_unstable();
        assert_eq!(said, named, "verify -f finds other images in {manifest}");
        let policies: Vec<_> =
            self.policies.lock().unwrap().iter().map(|(policy, _)| policy.clone()).collect();
        agree(is_stored_as_said(&verdicts, stored, &policies));
    }
}

/// The object that a command sends, if images are in it.
fn sent(args: &[&str], input: &[u8]) -> Option<String> {
    let verb = args.iter().find(|arg| !arg.starts_with('-'))?;
    let is_sent = matches!(*verb, "create" | "apply" | "replace") && args.contains(&"-");
    let manifest: Value = is_sent.then(|| serde_json::from_slice(input).ok()).flatten()?;
    (!images_within(&manifest).is_empty()).then(|| manifest.to_string())
}

/// The objects that kubectl printed, one by one or as a list.
fn objects_in(output: &str) -> Vec<Value> {
    let printed = serde_json::Deserializer::from_str(output).into_iter::<Value>();
    let printed = printed.map(|object| object.unwrap_or_else(|error| panic!("{error}: {output}")));
    printed
        .flat_map(|object| match object["items"].as_array() {
            Some(items) => items.clone(),
            None => vec![object],
        })
        .collect()
}

/// Panics unless the two agree.
#[track_caller]
pub fn agree(verdict: Result<(), String>) {
    if let Err(error) = verdict {
        panic!("the cluster and tagseal verify disagree: {error}");
    }
}
