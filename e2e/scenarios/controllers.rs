//! What Kubernetes' own controllers make of objects that are sealed, or were not when they were made.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::*;

/// How long a controller may take.
const SETTLED: Duration = Duration::from_secs(60);

const DENY: &str = "Deny";

/// Workloads from before a policy, and that policy.
struct Old {
    s: Scenario,
    web: Publisher,
    mutation: &'static str,
    action: &'static str,
}

#[test]
fn a29_workloads_from_before_the_policy_make_one_replica_set_for_each_change() {
    std::thread::scope(|threads| {
        for mutation in ["Pods", "Workloads", "None"] {
            for action in [DENY, "Warn", "Audit"] {
                threads.spawn(move || Old::new(mutation, action).plays());
            }
        }
    });
}

impl Old {
    fn new(mutation: &'static str, action: &'static str) -> Self {
        let s = Scenario::new(&format!("a29-{mutation}-{action}").to_lowercase());
        let web = s.repository("web");
        for tag in ["1.4", "1.5", "1.6"] {
            web.signs(&["targets"], tag, &digest_of(tag));
        }
        Self { s, web, mutation, action }
    }

    fn plays(&self) {
        let others = self.others();
        self.s.cluster.applies(&self.deployment());
        others.iter().for_each(|manifest| drop(self.s.cluster.applies(manifest)));
        self.replica_sets(1, "at the start");
        let policy = self.s.policy().trusts(&self.web).with("mutation", self.mutation);
        self.s.has_policy(&policy.with("validationActions", json!([self.action])));

        for manifest in &others {
            self.other_goes_on(manifest);
        }
        self.cron_job_makes_a_job();
        self.deployment_goes_on();
    }

    /// Restarted, scaled, partly changed, rolled back, applied again after its tag was signed anew.
    fn deployment_goes_on(&self) {
        let does = |args: &[&str]| drop(self.s.cluster.does(args));
        does(&["rollout", "restart", "deployment/web"]);
        self.replica_sets(2, "restarted");
        self.has_images("deployment/web", &["1.4", "1.5"]);

        does(&["scale", "deployment/web", "--replicas=2"]);
        self.replica_sets(2, "scaled");

        let changed = self.image("1.6");
        let set =
            |image: &str| ["set", "image", "deployment/web", &format!("other={image}")].map(str::to_owned);
        if !self.may_change(&set(&changed), "") {
            assert!(self.may_change(&set(&sealed(&changed, &digest_of("1.6"))), ""), "{}", self.case());
        }
        self.replica_sets(3, "one image changed");
        self.may_change(&["rollout", "undo", "deployment/web"].map(str::to_owned), "");
        let rolled_back = self.replica_sets(4, "rolled back");

        self.web.signs(&["targets"], "1.4", &digest_of("1.4 anew"));
        let (apply, manifest) = (["apply", "-f", "-"].map(str::to_owned), self.deployment().to_string());
        self.may_change(&apply, &manifest);
        let applied = self.replica_sets(rolled_back + 1, "applied again");
        let generation = || self.s.cluster.gets("deployment/web")["metadata"]["generation"].clone();
        let before = generation();
        self.may_change(&apply, &manifest);
        assert_eq!(self.replica_sets(applied, "applied once more"), applied, "{}", self.case());
        assert_eq!(generation(), before, "{}", self.case());
        does(&["rollout", "restart", "deployment/web"]);
        self.replica_sets(applied + 1, "restarted after its tag was signed anew");
    }

    /// Runs kubectl. What puts an image without a digest in the place of another one is refused where nothing is sealed.
    #[track_caller]
    fn may_change(&self, args: &[String], input: &str) -> bool {
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let answer = self.cluster().kubectl_with(&args, input.as_bytes());
        let may_be_refused = self.mutation == "None" && self.action == DENY;
        let is_refused = may_be_refused && answer.errors.contains("NotSealed");
        assert!(answer.passed || is_refused, "{}: {args:?}: {}", self.case(), answer.errors);
        answer.passed
    }

    /// Any other workload: changed in a field that no image is in, then applied again.
    fn other_goes_on(&self, manifest: &Value) {
        let (kind, at) = (manifest["kind"].as_str().expect("a kind"), template_of(manifest));
        let object = format!("{kind}/web").to_lowercase();
        if matches!(kind, "Job" | "Pod") {
            // Nobody may change its template, or it runs already: it stays as it is, whatever else changes.
            self.s.cluster.does(&["label", &object, "seen=yes"]);
            assert!(self.cluster().applies(manifest).passed, "{}", self.case());
            assert_eq!(
                self.images_of(&object, at),
                [self.image("1.4"), self.image("1.5")],
                "{}",
                self.case()
            );
            return;
        }
        let mut restarted = manifest.clone();
        *restarted.pointer_mut(&format!("{at}/metadata/annotations")).expect("annotations") =
            json!({"restarted": "yes"});
        self.cluster().applies(&restarted);
        self.has_images(&object, &["1.4", "1.5"]);
        let before = self.s.cluster.gets(&object)["metadata"]["generation"].clone();
        self.cluster().applies(&restarted);
        assert_eq!(self.s.cluster.gets(&object)["metadata"]["generation"], before, "{}: {kind}", self.case());
    }

    /// Its Job is left as the CronJob has it, and the Job's pod is judged.
    fn cron_job_makes_a_job(&self) {
        self.s.cluster.does(&["create", "job", "by-hand", "--from=cronjob/web"]);
        let (job, cron_job) = ("job/by-hand", "cronjob/web");
        assert_eq!(
            self.images_of(job, "/spec/template"),
            self.images_of(cron_job, "/spec/jobTemplate/spec/template"),
            "{}",
            self.case()
        );
        if self.mutation != "None" {
            let [pod] = &self.s.pods_of("by-hand-cronjob", 1)[..] else { panic!("one pod") };
            assert!(images(pod).iter().all(|image| image.contains("@sha256:")), "{}: {pod}", self.case());
        }
    }

    /// Soon the newest ReplicaSet is the Deployment's, and then there are at most `most`. Answers how many.
    #[track_caller]
    fn replica_sets(&self, most: usize, what: &str) -> usize {
        let case = format!("{}, {what}", self.case());
        let count = eventually(&case, SETTLED, || {
            let deployment = self.s.cluster.gets("deployment/web");
            let list = self.s.cluster.does(&["get", "replicasets", "-l", "app=web", "-o", "json"]);
            let list: Value = serde_json::from_str(&list).expect("JSON");
            let all = list["items"].as_array().expect("a list");
            let revision = |object: &Value| {
                object["metadata"]["annotations"]["deployment.kubernetes.io/revision"].clone()
            };
            let its = |one: &&Value| {
                revision(one) == revision(&deployment)
                    && images(&one["spec"]["template"]) == images(&deployment["spec"]["template"])
            };
            let is_seen = deployment["status"]["observedGeneration"] == deployment["metadata"]["generation"];
            if is_seen && all.iter().any(|one| its(&one)) {
                assert_eq!(deployment["status"].get("collisionCount"), None, "{case}");
                Ok(all.len())
            } else {
                Err(format!("{} ReplicaSets, {}", all.len(), deployment["status"]))
            }
        });
        assert!(count <= most, "{case}: {count} ReplicaSets");
        count
    }

    /// The template of `object` holds these tags: with their digests where templates are sealed.
    #[track_caller]
    fn has_images(&self, object: &str, tags: &[&str]) {
        let expected = tags.iter().map(|tag| match self.mutation {
            "Workloads" => sealed(&self.image(tag), &digest_of(tag)),
            _ => self.image(tag),
        });
        let expected: Vec<_> = expected.collect();
        let stored = self.s.cluster.gets(object);
        let template = stored.pointer(template_of(&stored)).expect("a template");
        assert_eq!(images(template), expected, "{}: {object}", self.case());
    }

    fn images_of(&self, object: &str, template: &str) -> Vec<String> {
        images(self.s.cluster.gets(object).pointer(template).expect("a template"))
    }

    fn image(&self, tag: &str) -> String {
        self.s.image(&format!("web:{tag}"))
    }

    /// Much passes because it does not change.
    fn cluster(&self) -> Cluster {
        self.s.cluster.alone(Because::UnchangedImages)
    }

    fn case(&self) -> String {
        format!("{}, {}", self.mutation, self.action)
    }

    fn template(&self, app: &str) -> Value {
        json!({
            "metadata": {"labels": {"app": app}, "annotations": {}},
            "spec": {"containers": [
                {"name": "web", "image": self.image("1.4")}, {"name": "other", "image": self.image("1.5")},
            ]},
        })
    }

    fn deployment(&self) -> Value {
        let mut deployment = deployment("web", 1, "");
        deployment["spec"]["template"] = self.template("web");
        deployment
    }

    /// One of every other kind.
    fn others(&self) -> Vec<Value> {
        let of = |api: &str, kind: &str, spec: Value| {
            let mut spec = spec;
            let app = format!("of-{}", kind.to_lowercase());
            spec["template"] = self.template(&app);
            if matches!(kind, "StatefulSet" | "DaemonSet" | "ReplicaSet") {
                spec["selector"] = json!({"matchLabels": {"app": app}});
            }
            json!({"apiVersion": api, "kind": kind, "metadata": {"name": "web"}, "spec": spec})
        };
        let mut job = of("batch/v1", "Job", json!({}));
        job["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
        let mut of_cron_job = job["spec"].clone();
        of_cron_job["template"]["metadata"]["labels"]["app"] = json!("by-hand-cronjob");
        let schedule = json!({"schedule": "0 0 1 1 *", "jobTemplate": {"spec": of_cron_job}});
        vec![
            of("apps/v1", "StatefulSet", json!({"serviceName": "web"})),
            of("apps/v1", "DaemonSet", json!({})),
            of("apps/v1", "ReplicaSet", json!({"replicas": 1})),
            of("v1", "ReplicationController", json!({"replicas": 1})),
            job,
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "web"}, "spec": schedule}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
                "spec": self.template("of-pod")["spec"]}),
            json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "web"},
                "template": self.template("of-podtemplate")}),
        ]
    }
}

/// The JSON pointer to an object's template.
fn template_of(object: &Value) -> &'static str {
    match object["kind"].as_str() {
        Some("CronJob") => "/spec/jobTemplate/spec/template",
        Some("PodTemplate") => "/template",
        Some("Pod") => "",
        _ => "/spec/template",
    }
}

#[test]
fn a31_a_job_that_is_applied_again_after_its_tag_was_signed_anew_is_unchanged() {
    let s = Scenario::new("a31-job");
    let (web, image) = (s.repository("web"), s.image("web:1.4"));
    web.signs(&["targets"], "1.4", &digest_of("one"));
    let policy = s.policy().trusts(&web).with("mutation", "Workloads");
    s.has_policy(&policy.with("freshness", json!({"revalidateAfter": "1s", "maxStaleness": "1h"})));
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "web", "image": image}],
        }}},
    });
    let stored = |object: &str| s.cluster.gets(object);
    s.cluster.applies(&job);
    s.cluster.applies(&pod("web", &image));
    let (before, pod_before) = (stored("job/once"), stored("pod/web"));
    assert_eq!(images(&before["spec"]["template"]), [sealed(&image, &digest_of("one"))]);

    web.signs(&["targets"], "1.4", &digest_of("two"));
    s.soon_seals(&image, &sealed(&image, &digest_of("two")));
    for args in [
        &["apply", "-f", "-"] as &[&str],
        &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        &["replace", "-f", "-"],
    ] {
        for manifest in [&job, &pod("web", &image)] {
            // `replace` sends the whole object, of which the API server has filled in much.
            let mut manifest = manifest.clone();
            if args[0] == "replace" {
                let kind = manifest["kind"].as_str().expect("a kind").to_lowercase();
                let name = manifest["metadata"]["name"].as_str().expect("a name").to_owned();
                let at = if kind == "job" { "/spec/template/spec" } else { "/spec" };
                manifest = stored(&format!("{kind}/{name}"));
                *manifest.pointer_mut(&format!("{at}/containers/0/image")).expect("an image") = json!(image);
            }
            let cluster = s.cluster.alone(Because::UnchangedImages);
            let answer = cluster.kubectl_with(args, manifest.to_string().as_bytes());
            assert!(answer.passed, "{args:?}: {}", answer.errors);
        }
        assert_eq!(stored("job/once")["spec"], before["spec"], "{args:?}");
        assert_eq!(stored("pod/web")["spec"], pod_before["spec"], "{args:?}");
    }
    assert_eq!(stored("job/once")["metadata"]["generation"], before["metadata"]["generation"]);
}
