//! `--from-cluster`: what is read from a cluster, with which rights, and what is said where it cannot be.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tagseal::cli::docker_config::DockerConfig;
use tagseal::clock::SystemClock;
use tagseal::controller::{ClusterState, Events, Inventory, Leadership};
use tagseal::image::ImageReference;
use tagseal::notary::NotaryClient;
use tagseal::policy::{CompileContext, NamespaceView, NoObjects, PolicyKind, PolicySet, Selection, compile};
use tagseal::telemetry::Metrics;
use tagseal::trust::{PodIdentity, Question, Resolver, ResolverConfig};
use tokio::time::Instant;

use super::run::{Ended, Machine, REPOSITORY, digest, trust_server};
use crate::controller::api_server::{ApiServer, Fault};
use crate::support::trust_server::TrustServer;

/// A cluster whose namespace `shop` has the label `env=prod`, and a machine that knows the way to it.
pub struct Cluster {
    pub api: ApiServer,
    pub machine: Machine,
    pub server: TrustServer,
    /// How often a tagseal in the cluster wrote.
    writes_of_others: Cell<usize>,
}

impl Cluster {
    pub fn new() -> Self {
        let (api, server) = (ApiServer::new(), trust_server());
        let cluster =
            Self { machine: Machine::of_publisher(&server), api, server, writes_of_others: Cell::default() };
        cluster.namespace("shop", json!({"env": "prod"}));
        cluster.namespace("kube-system", json!({}));
        let api = TrustServer::serve(cluster.api.router());
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": api.url()}}],
            "users": [{"name": "jane", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "jane"}}],
        });
        std::fs::create_dir(cluster.machine.file(".kube")).unwrap();
        std::fs::write(cluster.machine.file(".kube/config"), config.to_string()).unwrap();
        cluster
    }

    pub fn namespace(&self, name: &str, mut labels: Value) {
        labels["kubernetes.io/metadata.name"] = json!(name);
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        self.api.put("namespaces", object);
    }

    pub fn sign(&self, tag: &str, content: &str) {
        self.machine.sign(tag, content);
    }

    /// A policy object that asks this cluster's trust server.
    pub fn object(&self, kind: &str, namespace: Option<&str>, name: &str, more: Value) -> Value {
        let mut spec = json!({
            "images": {"include": ["registry.test/**"]}, "notary": {"server": self.server.url()},
        });
        if kind == "ClusterTrustPolicy" {
            spec["firstUse"] = json!("Trust");
        }
        for (field, value) in more.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let mut metadata = json!({ "name": name });
        if let Some(namespace) = namespace {
            metadata["namespace"] = json!(namespace);
        }
        json!({"apiVersion": "tagseal.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
    }

    pub fn policy(&self, name: &str, more: Value) {
        self.api.put("clustertrustpolicies", self.object("ClusterTrustPolicy", None, name, more));
    }

    fn verify(&self, image: &str, more: &[&str]) -> Ended {
        let arguments = ["verify", image, "--from-cluster", "-n", "shop"];
        self.machine.run(&[&arguments, more].concat())
    }

    fn json(&self, image: &str, more: &[&str]) -> Value {
        let answers: Value = self.verify(image, &[&["-o", "json"], more].concat()).json();
        answers[0].clone()
    }

    /// How many requests were no reading.
    fn writes(&self) -> usize {
        let reads = ["LIST ", "GET ", "WATCH "];
        let requests = self.api.requests();
        requests.iter().filter(|line| !reads.iter().any(|verb| line.starts_with(verb))).count()
    }

    /// What `image` is, asked by a tagseal in the cluster, which remembers it there.
    pub fn admits(&self, image: &str) {
        let before = self.writes();
        let policies = self.api.objects("clustertrustpolicies");
        let context = CompileContext {
            system_namespace: "tagseal-system",
            objects: &NoObjects,
            unknown_fields: tagseal::policy::UnknownFields::Warn,
        };
        let compiled = policies.iter().map(|object| Arc::new(compile(PolicyKind::Cluster, object, &context)));
        let set = PolicySet::new(compiled, Default::default());
        let image = ImageReference::parse(image).unwrap();
        let Selection::Require { deny, .. } = set.select(&NamespaceView::unlabelled("shop"), &image) else {
            panic!("no policy asks")
        };
        let clock = Arc::new(SystemClock);
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let state = ClusterState::new(self.api.client(), Metrics::default(), clock.clone());
            let resolver = Arc::new(Resolver::new(
                ResolverConfig::default(),
                Arc::new(NotaryClient::new(clock.clone())),
                Arc::new(DockerConfig::at(self.machine.path())),
                Arc::new(state.clone()),
                clock,
            ));
            let inventory = Arc::clone(&resolver) as Arc<dyn Inventory>;
            tokio::spawn(state.clone().watch(inventory, Leadership::always(), Events::nowhere()));
            state.loaded().await;
            let deadline = Instant::now() + Duration::from_secs(20);
            let pod = PodIdentity::default();
            let question = Question { demand: &deny[0], image: &image, pod: &pod, deadline, dry_run: false };
            resolver.resolve(question).await.unwrap();
        });
        self.writes_of_others.update(|writes| writes + self.writes() - before);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.api.unexpected(), Vec::<String>::new());
            assert_eq!(
                self.writes(),
                self.writes_of_others.get(),
                "a command only reads: {:#?}",
                self.api.requests()
            );
        }
    }
}

#[test]
fn verdicts_are_by_the_policies_exemptions_and_labels_of_the_cluster() {
    let cluster = Cluster::new();
    cluster.sign("1.0", "1.0");
    cluster.policy("production", json!({"namespaceSelector": {"matchLabels": {"env": "prod"}}}));
    let (signed, unsigned) = (format!("{REPOSITORY}:1.0"), format!("{REPOSITORY}:9.9"));
    assert_eq!(cluster.json(&signed, &[])["sealed"], format!("{signed}@{}", digest("1.0")));
    cluster.verify(&unsigned, &[]).failed(1);
    // Labels of the command hold in place of the cluster's.
    assert_eq!(cluster.json(&unsigned, &["--namespace-label", "env=test"])["verdict"], "Unmatched");
    cluster.namespace("shop", json!({"env": "test"}));
    assert_eq!(cluster.json(&unsigned, &[])["verdict"], "Unmatched");
    // A namespace that is not there yet may have any labels.
    let ended = cluster.machine.run(&["verify", &unsigned, "--from-cluster", "-n", "new"]);
    let said = ended.failed(1);
    assert!(said.contains("the cluster has no namespace new: every namespaceSelector"), "{said}");

    cluster.namespace("shop", json!({"env": "prod"}));
    let exemption = json!({
        "apiVersion": "tagseal.dev/v1alpha1", "kind": "TrustExemption", "metadata": {"name": "e"},
        "spec": {"images": {"include": ["registry.test/**"]}, "reason": "a test"},
    });
    cluster.api.put("trustexemptions", exemption);
    assert_eq!(cluster.json(&unsigned, &[])["verdict"], "Exempt");
    // The secret of a namespaced policy elsewhere is nobody's business.
    let other = cluster.object("TrustPolicy", Some("other"), "own", json!({}));
    cluster.api.put("trustpolicies", other);
    cluster.verify(&signed, &[]).done();
    let lists = |line: &String| line == "LIST trustpolicies" || line == "LIST namespaces";
    assert!(!cluster.api.requests().iter().any(lists), "{:#?}", cluster.api.requests());
}

#[test]
fn a_namespace_that_the_webhooks_leave_out_is_excluded_and_never_verified() {
    let cluster = Cluster::new();
    cluster.sign("1.0", "1.0");
    cluster.policy("production", json!({}));
    cluster.namespace("tagseal-system", json!({}));
    cluster.namespace("lab", json!({"tagseal.dev/admission": "ignore"}));
    cluster.namespace("openshift-dns", json!({}));
    let image = format!("{REPOSITORY}:1.0");
    for (namespace, more) in [
        ("kube-system", &[][..]),
        ("tagseal-system", &[]),
        ("lab", &[]),
        ("openshift-dns", &["--exclude-namespace-prefix", "openshift-"]),
        ("shop", &["--webhook-namespaces", r#"{"matchLabels":{"env":"test"}}"#]),
        ("shop", &["--system-namespace", "shop"]),
    ] {
        let arguments = [&["verify", &*image, "--from-cluster", "-n", namespace], more].concat();
        let said = cluster.machine.run(&arguments).done();
        let wanted = format!(
            "excluded    {image}\n            the webhooks are not asked about the namespace {namespace}: it would run unverified\n"
        );
        assert_eq!(said, wanted, "{more:?}");
        let answers = cluster.machine.run(&[&arguments[..], &["-o", "json"]].concat()).json();
        assert_eq!((&answers[0]["verdict"], &answers[0]["digest"]), (&json!("Excluded"), &json!(null)));
    }
    assert_eq!(cluster.json(&image, &[])["verdict"], "Sealed");
}

#[test]
fn a_policy_of_a_file_takes_the_place_of_the_clusters() {
    let cluster = Cluster::new();
    cluster.policy("production", json!({}));
    let image = format!("{REPOSITORY}:9.9");
    let file = |name: &str, more: Value| {
        let object = cluster.object("ClusterTrustPolicy", None, name, more);
        std::fs::write(cluster.machine.file("policy.yaml"), object.to_string()).unwrap();
        cluster.verify(&image, &["--policy", "policy.yaml", "-o", "json"])
    };
    let ended = file("production", json!({"validationActions": ["Warn"]}));
    assert_eq!(ended.json()[0]["verdict"], "Admitted");
    assert!(
        ended.errors().contains("ClusterTrustPolicy production is taken from the file"),
        "{}",
        ended.errors()
    );
    // One of another name stands beside it.
    let ended = file("another", json!({"validationActions": ["Warn"]}));
    ended.failed(1);
    // What the file's policy names may be in the cluster.
    let names_ca = json!({"notary": {
        "server": cluster.server.url(), "caBundle": {"configMapKeyRef": {"name": "ca", "key": "ca.crt"}},
    }});
    let told = file("production", names_ca.clone()).failed(2);
    assert!(
        told.contains("policy.yaml:1:") && told.contains("ConfigMap tagseal-system/ca does not exist"),
        "{told}"
    );
    let ca = json!({"metadata": {"namespace": "tagseal-system", "name": "ca"}, "data": {"ca.crt": "-----BEGIN CERTIFICATE-----"}});
    cluster.api.put("configmaps", ca);
    file("production", names_ca).failed(1);
    let told = file("production", json!({"threshold": 0})).failed(2);
    assert!(told.contains("policy.yaml:1:") && told.contains("spec.threshold"), "{told}");
}

#[test]
fn what_policies_name_is_read_by_its_name_alone_and_a_secret_need_not_be() {
    let cluster = Cluster::new();
    cluster.sign("1.0", "1.0");
    let credentials = json!({"secretRef": {"name": "notary"}});
    cluster.policy(
        "production",
        json!({"notary": {"server": cluster.server.url(), "credentials": credentials}}),
    );
    let image = format!("{REPOSITORY}:1.0");
    let ended = cluster.verify(&image, &[]);
    let said = ended.failed(1);
    assert!(
        said.contains("ClusterTrustPolicy production is invalid, and denies what it could match: "),
        "{said}"
    );
    assert!(ended.printed().contains("Secret tagseal-system/notary does not exist"), "{}", ended.printed());
    // Its own credentials are docker's, whether it may be read or not.
    cluster.api.fail(
        "GET secrets",
        Fault::Status(403, "secrets \"notary\" is forbidden: User \"jane\" cannot get it"),
    );
    let ended = cluster.verify(&image, &[]);
    ended.done();
    assert!(
        ended.errors().contains(
            "you may not read Secret tagseal-system/notary, which a policy names: it counts as there"
        ),
        "{}",
        ended.errors()
    );
    assert_eq!(cluster.api.count("GET secrets(metadata) tagseal-system/notary"), 2);
    assert_eq!(cluster.api.count("GET secrets"), 2, "what is in a secret is never asked for");
}

#[test]
fn a_right_that_is_missing_is_named_with_what_gives_it() {
    let cluster = Cluster::new();
    let forbidden = |what: &'static str| Fault::Status(403, what);
    cluster.api.fail(
        "LIST clustertrustpolicies",
        forbidden("clustertrustpolicies.tagseal.dev is forbidden: User \"jane\" cannot list resource"),
    );
    cluster.api.fail(
        "LIST trustpolicies",
        forbidden("trustpolicies.tagseal.dev is forbidden: User \"jane\" cannot list resource"),
    );
    cluster.api.fail(
        "GET namespaces",
        forbidden("namespaces \"shop\" is forbidden: User \"jane\" cannot get resource"),
    );
    let said = cluster.verify("registry.test/a:1", &[]).failed(2);
    let commands: Vec<_> = said.lines().filter(|line| line.starts_with("  kubectl")).collect();
    assert_eq!(
        commands,
        [
            "  kubectl create clusterrole tagseal-reader-get-namespaces --verb=get --resource=namespaces --resource-name=shop",
            "  kubectl create clusterrolebinding tagseal-reader-get-namespaces --clusterrole=tagseal-reader-get-namespaces --user=jane",
            "  kubectl create clusterrole tagseal-reader-list --verb=list --resource=clustertrustpolicies.tagseal.dev",
            "  kubectl create clusterrolebinding tagseal-reader-list --clusterrole=tagseal-reader-list --user=jane",
            "  kubectl create role tagseal-reader-list --namespace=shop --verb=list --resource=trustpolicies.tagseal.dev",
            "  kubectl create rolebinding tagseal-reader-list --namespace=shop --role=tagseal-reader-list --user=jane",
        ],
        "{said}"
    );
    cluster.api.heal();
    for (fault, told) in [
        (Fault::Status(401, "Unauthorized"), "does not accept your credentials (Unauthorized): log in again"),
        (
            Fault::Status(404, "404 page not found"),
            "does not know trustpolicies.tagseal.dev: tagseal is not installed",
        ),
        (
            Fault::Status(500, "etcd is away"),
            "list trustpolicies.tagseal.dev in the namespace shop: etcd is away (500)",
        ),
    ] {
        cluster.api.fail("LIST trustpolicies", fault);
        let said = cluster.verify("registry.test/a:1", &[]).failed(2);
        assert!(said.contains(told), "{said}");
        cluster.api.heal();
    }
    // A config map that may not be read is no policy that is wrong.
    let bundle = json!({"configMapKeyRef": {"name": "ca", "key": "ca.crt"}});
    cluster.policy("production", json!({"notary": {"server": cluster.server.url(), "caBundle": bundle}}));
    cluster.api.fail(
        "GET configmaps",
        forbidden("configmaps \"ca\" is forbidden: User \"jane\" cannot get resource"),
    );
    let said = cluster.verify("registry.test/a:1", &[]).failed(2);
    assert!(
        said.contains("--namespace=tagseal-system --verb=get --resource=configmaps --resource-name=ca"),
        "{said}"
    );
}

#[test]
fn a_config_map_that_may_not_be_read_leaves_undecided_what_rests_on_it_and_nothing_else() {
    let cluster = Cluster::new();
    cluster.sign("1.0", "1.0");
    cluster.policy("production", json!({}));
    let bundle = json!({"configMapKeyRef": {"name": "ca", "key": "ca.crt"}});
    let hidden = json!({
        "images": {"include": ["hidden.test/**"]}, "notary": {"server": cluster.server.url(), "caBundle": bundle},
    });
    cluster.policy("hidden", hidden.clone());
    let said = "configmaps \"ca\" is forbidden: User \"jane\" cannot get resource";
    cluster.api.fail("GET configmaps", Fault::Status(403, said));
    let (good, undecided) = (format!("{REPOSITORY}:1.0"), "hidden.test/a:1");

    let ended = cluster.verify(&good, &[]);
    let told = ended.errors();
    assert!(
        told.contains(
            "you may not read ConfigMap tagseal-system/ca, which ClusterTrustPolicy hidden names: images that it is about are undecided"
        ) && told.contains("  kubectl create role tagseal-reader-get-configmaps --namespace=tagseal-system"),
        "{told}"
    );
    assert!(!told.contains("is invalid"), "{told}");
    ended.done();
    let ended = cluster.verify(undecided, &["-o", "json"]);
    let answer: Value = serde_json::from_str(&ended.printed()).unwrap();
    ended.failed(2);
    assert_eq!((&answer[0]["verdict"], &answer[0]["reason"]), (&json!("Unavailable"), &json!("NotSynced")));
    assert!(answer[0]["message"].as_str().unwrap().contains("ConfigMap tagseal-system/ca"), "{answer}");
    // What another policy denies is denied, whatever this one asks.
    cluster.policy("all", json!({"images": {"include": ["hidden.test/**"]}}));
    cluster.verify(undecided, &[]).failed(1);

    // Of two policies of one name the file's holds, and what stands in files is needed from nobody.
    let policy = cluster.object("ClusterTrustPolicy", None, "hidden", hidden);
    let ca = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca", "namespace": "tagseal-system"},
        "data": {"ca.crt": "-----BEGIN CERTIFICATE-----"}});
    for (text, is_told) in [(format!("{policy}\n---\n{ca}\n"), false), (policy.to_string(), true)] {
        std::fs::write(cluster.machine.file("file.yaml"), text).unwrap();
        let ended = cluster.verify(&good, &["--policy", "file.yaml"]);
        assert_eq!(ended.errors().contains("you may not read"), is_told, "{}", ended.errors());
        ended.done();
    }
}

#[test]
fn floors_pins_and_superseded_digests_are_the_clusters() {
    let cluster = Cluster::new();
    cluster.policy("production", json!({}));
    cluster.sign("1.0", "old");
    let tag = format!("{REPOSITORY}:1.0");
    let old = format!("{tag}@{}", digest("old"));
    cluster.admits(&tag);
    cluster.sign("1.0", "new");
    // Nobody but the cluster knows that the old one was good.
    let object = cluster.object("ClusterTrustPolicy", None, "production", json!({}));
    std::fs::write(cluster.machine.file("policy.yaml"), object.to_string()).unwrap();
    cluster.machine.run(&["verify", &old, "--policy", "policy.yaml"]).failed(1);
    let answer = cluster.json(&old, &[]);
    assert_eq!(answer["verdict"], "Sealed");
    assert!(answer["warnings"][0].as_str().unwrap().contains("stays good until"), "{answer}");
    // A record that cannot be believed is not "none".
    let name = cluster.api.names("trustedrepositories").remove(0);
    let mut object = cluster.api.object("trustedrepositories", "", &name);
    object["spec"]["floors"][0]["version"] = json!("many");
    cluster.api.put("trustedrepositories", object);
    let ended = cluster.verify(&old, &[]);
    ended.failed(2);
    assert!(
        ended.printed().contains("StateUnavailable") && ended.printed().contains(&name),
        "{}",
        ended.printed()
    );
    let said = cluster.verify(&old, &["--state-dir", "state"]).failed(2);
    assert!(said.contains("floors and pins are the cluster's"), "{said}");
}

#[test]
fn lists_are_read_page_by_page_and_begun_anew_where_a_page_is_gone() {
    let cluster = Cluster::new();
    for number in 0..1001 {
        cluster.policy(
            &format!("p{number:04}"),
            json!({"images": {"include": [format!("registry.test/{number}/**")]}}),
        );
    }
    let deny = ["--unmatched-images", "Deny"];
    cluster.verify("registry.test/1000/a:1", &deny).failed(1);
    let pages = |cluster: &Cluster| cluster.api.count("LIST clustertrustpolicies");
    assert_eq!(pages(&cluster), 3);
    let gone = || Fault::Status(410, "The provided continue parameter is too old");
    cluster.api.fail_once("LIST clustertrustpolicies from=500", gone());
    let said = cluster.verify("registry.test/1000/a:1", &deny);
    assert!(
        said.printed().contains("NotFound") && !said.printed().contains("NoPolicy"),
        "{}",
        said.printed()
    );
    assert_eq!(pages(&cluster), 3 + 2 + 3);
    cluster.api.fail("LIST clustertrustpolicies from=1000", gone());
    let said = cluster.verify("registry.test/1000/a:1", &deny).failed(2);
    assert!(said.contains("expired before all of its pages were read, 3 times in a row"), "{said}");
}

#[test]
fn the_cluster_is_the_one_that_kubectl_would_ask() {
    let cluster = Cluster::new();
    let image = "other.test/a:1";
    let run = |machine: &Machine, more: &[&str]| {
        machine.run(&[&["verify", image, "--from-cluster"], more].concat())
    };
    let said = run(&cluster.machine, &["--context", "there"]).failed(2);
    assert!(said.contains("has no context \"there\"; it has \"here\""), "{said}");
    run(&cluster.machine, &["--context", "here"]).done();
    let config = cluster.machine.file(".kube/config");
    std::fs::rename(&config, cluster.machine.file("elsewhere")).unwrap();
    let said = run(&cluster.machine, &[]).failed(2);
    assert!(said.contains("name one with --kubeconfig, KUBECONFIG, or put it at ~/.kube/config"), "{said}");
    run(&cluster.machine, &["--kubeconfig", "elsewhere"]).done();
    let said =
        cluster.machine.run(&["verify", image, "--policy", "p", "--kubeconfig", "elsewhere"]).failed(2);
    assert!(said.contains("--from-cluster"), "{said}");
    let said = cluster.machine.run(&["verify", image]).failed(2);
    assert!(said.contains("--policy <FILE>"), "{said}");
}
