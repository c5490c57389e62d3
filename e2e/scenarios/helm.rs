//! The chart's life by helm itself: installed, upgraded, uninstalled, installed again; what a cluster does that has the
//! chart and no tagseal that answers; and what tagseal makes of a chart that people install.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::*;

const SYSTEM: &str = "tagseal-system";

/// A cluster of its own, and a user with helm.
struct Helm {
    control_plane: ControlPlane,
    home: PathBuf,
}

impl Helm {
    fn new(name: &str) -> Self {
        Self { control_plane: ControlPlane::start(name), home: RUN.folder(&format!("{name}-home")) }
    }

    fn cluster(&self) -> Cluster {
        self.control_plane.cluster().in_namespace(SYSTEM)
    }

    #[track_caller]
    fn does(&self, args: &[&str]) {
        let mut helm = command(tool("helm"));
        helm.args(args).args(["--namespace", SYSTEM, "--kubeconfig"]).arg(self.cluster().kubeconfig());
        helm.env("HOME", &self.home);
        if matches!(args[0], "install" | "upgrade") {
            helm.args(["--set", "image.repository=registry.test/tagseal"]);
        }
        let output = output_of(&mut helm, b"");
        assert!(output.status.success(), "helm {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn definition(&self) -> Value {
        self.cluster().gets("crd/trustpolicies.tagseal.dev")
    }
}

fn chart() -> String {
    source_path("charts/tagseal").to_string_lossy().into_owned()
}

/// The chart of an earlier version, whose TrustPolicy has no short name.
fn older_chart(into: &Path) -> String {
    let copied = output_of(command("cp").arg("-r").arg(chart()).arg(into), b"");
    assert!(copied.status.success(), "{copied:?}");
    let folder = into.join("tagseal");
    let file = folder.join("files/crds/trustpolicies.yaml");
    let newer = fs::read_to_string(&file).expect("the definition");
    let older = newer.replace("    shortNames:\n    - tp\n", "");
    assert_ne!(older, newer);
    fs::write(&file, older).expect("the definition");
    folder.to_string_lossy().into_owned()
}

#[test]
fn helm_upgrades_definitions_keeps_them_and_leaves_the_controllers_field_alone() {
    let helm = Helm::new("helm-life");
    let cluster = helm.cluster();
    helm.does(&["install", "tagseal", &older_chart(&RUN.folder("older")), "--create-namespace"]);
    assert_eq!(helm.definition()["spec"]["names"]["shortNames"], Value::Null);

    // As tagseal's leader does it.
    let hook = "validatingwebhookconfiguration/tagseal";
    let bundle = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t";
    let patch =
        json!([{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle}]).to_string();
    cluster.does(&["patch", hook, "--type=json", "--field-manager=tagseal", "--patch", &patch]);

    // Not as the owner of fields, as helm did it before its version 4, and as it does now.
    for manner in ["--server-side=false", "--server-side=true"] {
        helm.does(&["upgrade", "tagseal", &chart(), "--set", "replicas=3", manner]);
        assert_eq!(cluster.gets(hook)["webhooks"][0]["clientConfig"]["caBundle"], bundle, "{manner}");
    }
    assert_eq!(helm.definition()["spec"]["names"]["shortNames"], json!(["tp"]));
    assert_eq!(cluster.gets("deployment/tagseal")["spec"]["replicas"], 3);

    let policy =
        Policy::cluster("kept", "registry.test/**", "https://trust.test").trusts_key(&"0".repeat(64));
    cluster.applies(policy.manifest());
    helm.does(&["uninstall", "tagseal", "--wait"]);
    for gone in [hook, "mutatingwebhookconfiguration/tagseal", "deployment/tagseal", "clusterrole/tagseal"] {
        assert!(cluster.kubectl(&["get", gone]).errors.contains("NotFound"), "{gone}");
    }
    cluster.gets("clustertrustpolicy/kept");

    helm.does(&["install", "tagseal", &chart()]);
    cluster.gets("clustertrustpolicy/kept");
}

#[test]
fn without_tagseal_its_own_and_the_systems_pods_start_and_covered_ones_do_not() {
    let helm = Helm::new("helm-down");
    helm.does(&[
        "install",
        "tagseal",
        &chart(),
        "--create-namespace",
        "--set",
        "excludeNamespaces={network}",
    ]);
    let cluster = helm.cluster();
    for namespace in ["network", "shop", "ignored"] {
        cluster.does(&["create", "namespace", namespace]);
    }
    cluster.does(&["label", "namespace", "ignored", "tagseal.dev/admission=ignore"]);
    eventually("the webhook is asked, and nobody answers", Duration::from_secs(30), || {
        let answer = cluster.in_namespace("shop").tries(&pod("web", "registry.test/web:1.4"));
        let refused = answer.errors.contains("failed calling webhook \"validate.tagseal.dev\"");
        if refused { Ok(()) } else { Err(answer.text()) }
    });
    eventually("the chart's own pods are there", Duration::from_secs(60), || {
        let pods = cluster.gets("pods")["items"].as_array().map(Vec::len);
        if pods == Some(2) { Ok(()) } else { Err(format!("{pods:?}")) }
    });
    for namespace in ["kube-system", "network", "ignored"] {
        let answer = cluster.in_namespace(namespace).tries(&pod("web", "registry.test/web:1.4"));
        assert!(answer.passed || answer.errors.contains("serviceaccount"), "{namespace}: {}", answer.errors);
    }
    // A policy is not refused for want of somebody who looks at it.
    let policy =
        Policy::cluster("down", "registry.test/**", "https://trust.test").trusts_key(&"0".repeat(64));
    cluster.applies(policy.manifest());
}

#[test]
fn a_pilot_refuses_nothing_and_what_the_values_leave_out_needs_no_tagseal() {
    let helm = Helm::new("helm-pilot");
    let conditions = r#"webhook.matchConditions=[{"name":"not-marked","expression":"!(has(object.metadata.labels) && 'mark' in object.metadata.labels)"}]"#;
    let install = ["install", "tagseal", &chart(), "--create-namespace", "--set-json", conditions];
    helm.does(&[&install[..], &["--set", "excludeNamespacePrefixes={openshift-}"]].concat());
    let cluster = helm.cluster();
    for namespace in ["openshift-dns", "my-openshift", "shop"] {
        cluster.does(&["create", "namespace", namespace]);
    }
    let image = "registry.test/web:1.4";
    let tries = |namespace: &str| cluster.in_namespace(namespace).tries(&pod("web", image));
    let is_refused =
        |answer: &Answer| answer.errors.contains("failed calling webhook \"validate.tagseal.dev\"");
    eventually("the webhook is asked, and nobody answers", Duration::from_secs(30), || {
        let answer = tries("shop");
        if is_refused(&answer) { Ok(()) } else { Err(answer.text()) }
    });
    assert!(is_refused(&tries("my-openshift")));
    assert!(!is_refused(&tries("openshift-dns")), "{}", tries("openshift-dns").errors);
    let mut marked = pod("web", image);
    marked["metadata"]["labels"] = json!({"mark": "yes"});
    let answer = cluster.in_namespace("shop").tries(&marked);
    assert!(!is_refused(&answer), "{}", answer.errors);

    let fails = |policy: &str| {
        eventually(&format!("{policy} holds"), Duration::from_secs(30), || {
            let answer = tries("shop");
            if is_refused(&answer) == (policy == "Fail") { Ok(()) } else { Err(answer.text()) }
        });
    };
    for policy in ["Ignore", "Fail"] {
        let value = format!("webhook.failurePolicy={policy}");
        helm.does(&["upgrade", "tagseal", &chart(), "--reset-then-reuse-values", "--set", &value]);
        fails(policy);
    }
    // docs/pilot.md, where there is no time for helm.
    let document = fs::read_to_string(source_path("docs/pilot.md")).expect("docs/pilot.md");
    let patch = document.lines().find_map(|line| line.trim().strip_prefix("-p '[")).expect("a patch");
    let patch = format!("[{}", patch.trim_end_matches('\''));
    cluster.does(&["patch", "validatingwebhookconfiguration", "tagseal", "--type=json", "-p", &patch]);
    fails("Ignore");
}

#[test]
fn the_manifests_apply_in_one_go_and_again() {
    let helm = Helm::new("helm-manifests");
    let cluster = helm.cluster();
    let file = source_path("manifests/install.yaml");
    for _ in 0..2 {
        cluster.does(&["apply", "--server-side", "-f", &file.to_string_lossy()]);
    }
    cluster.gets("deployment/tagseal");
}

#[test]
fn what_helm_installs_is_judged_as_it_is_rendered() {
    for mutation in ["Pods", "Workloads"] {
        let s = Scenario::new(&format!("helm-installs-{mutation}").to_lowercase());
        let (web, image, digest) = (s.repository("web"), s.image("web:1.4"), digest_of("web 1.4"));
        web.signs(&["targets"], "1.4", &digest);
        s.has_policy(&s.policy().trusts(&web).with("mutation", mutation));
        let home = s.folder("home");
        let helm = |verb: &str, release: &str, tag: &str| {
            let mut helm = command(tool("helm"));
            helm.arg(verb).arg(release).arg(source_path("examples/helm/chart")).env("HOME", &home);
            helm.args(["--namespace", s.cluster.namespace(), "--kubeconfig"]).arg(s.cluster.kubeconfig());
            let repository = format!("image.repository={}", s.image("web"));
            helm.args(["--set", &repository, "--set-string", &format!("image.tag={tag}")]);
            Answer::from(output_of(&mut helm, b""))
        };
        let installs = |release: &str, tag: &str| {
            let (rendered, installed) = (helm("template", release, tag), helm("install", release, tag));
            assert!(rendered.passed, "{}", rendered.errors);
            let stored = s.is_installed_alike(&rendered.output, &installed, &format!("deployment/{release}"));
            stored.ok_or(installed.errors)
        };
        let stored = installs("good", "1.4").expect("it is signed");
        let expected = if mutation == "Workloads" { sealed(&image, &digest) } else { image };
        assert_eq!(images(&stored["spec"]["template"]), [expected]);
        let refused = installs("bad", "1.5").expect_err("nobody signed it");
        assert!(refused.contains("NotSigned") && refused.contains(&s.image("web:1.5")), "{refused}");
    }
}
