//! `tagseal inventory` before a real API server: what runs, by whose rights, and how it stands.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::*;

const SOON: Duration = Duration::from_secs(60);

/// A user with a kubeconfig who takes stock.
struct Auditor {
    kubeconfig: PathBuf,
    home: PathBuf,
}

/// What the command said, and how it ended.
struct Told {
    code: Option<i32>,
    out: String,
    errors: String,
}

impl Auditor {
    fn of(s: &Scenario, kubeconfig: &Path) -> Self {
        let home = s.folder("auditor");
        fs::create_dir_all(&home).expect("a folder");
        Self { kubeconfig: kubeconfig.to_owned(), home }
    }

    fn takes(&self, arguments: &[&str]) -> Told {
        let kubeconfig = self.kubeconfig.to_str().expect("a path");
        self.runs(&[&["--from-cluster", "--kubeconfig", kubeconfig], arguments].concat())
    }

    fn runs(&self, arguments: &[&str]) -> Told {
        let mut inventory = command(tagseal_binary());
        inventory.arg("inventory").args(arguments).env("HOME", &self.home).env("DOCKER_CONFIG", &self.home);
        let output = output_of(&mut inventory, b"");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Told { code: output.status.code(), out: text(&output.stdout), errors: text(&output.stderr) }
    }

    #[track_caller]
    fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        let told = self.takes(&[arguments, &["-o", "json"]].concat());
        let stock: Value =
            serde_json::from_str(&told.out).unwrap_or_else(|_| panic!("{}{}", told.out, told.errors));
        stock["images"].as_array().cloned().unwrap_or_default()
    }
}

/// Says of every container of these pods that it runs `digest`, as a kubelet would.
fn runs(s: &Scenario, pods: &[Value], repository: &str, digest: &str) {
    for pod in pods {
        let name = pod["metadata"]["name"].as_str().expect("a name");
        let containers = pod["spec"]["containers"].as_array().expect("containers").iter();
        let statuses: Vec<_> = containers
            .map(|container| {
                json!({
                    "name": container["name"], "image": container["image"], "imageID": format!("{repository}@{digest}"),
                    "ready": true, "restartCount": 0, "state": {"running": {}},
                })
            })
            .collect();
        let patch = json!({"status": {"phase": "Running", "containerStatuses": statuses}}).to_string();
        s.cluster.does(&["patch", "pod", name, "--subresource=status", "--type=merge", "-p", &patch]);
    }
}

#[track_caller]
fn standing<'r>(rows: &'r [Value], owner: &str) -> (&'r str, &'r Value) {
    let row = rows.iter().find(|row| row["owner"]["name"] == owner);
    let row = row.unwrap_or_else(|| panic!("no {owner} in {rows:#?}"));
    (row["standing"].as_str().expect("a standing"), row)
}

#[test]
fn what_runs_stands_as_the_cluster_would_judge_it() {
    let s = Scenario::new("inventory");
    let auditor = Auditor::of(&s, s.cluster.kubeconfig());
    let web = s.repository("web");
    let (old, new, leaked) = (digest_of("old"), digest_of("new"), digest_of("leaked"));
    web.signs(&["targets"], "1.0", &old);
    web.signs(&["targets"], "2.0", &leaked);
    let (image, bad, unsigned) = (s.image("web:1.0"), s.image("web:2.0"), s.image("web:9.9"));
    // Before there is a policy, everything runs.
    s.cluster.applies(&deployment("before", 1, &unsigned));
    s.pods_of("before", 1);
    s.has_policy(&s.policy().trusts(&web).with("freshness", json!({"revalidateAfter": "1s"})));
    s.cluster.applies(&deployment("web", 2, &image));
    s.cluster.applies(&deployment("bad", 1, &bad));
    // So that `tagseal verify` remembers it, too.
    s.seals(&bad, &sealed(&bad, &leaked));
    let pods = s.pods_of("web", 2);
    assert_eq!(images(&pods[0]), [sealed(&image, &old)]);
    runs(&s, &pods, &s.image("web"), &old);
    runs(&s, &s.pods_of("bad", 1), &s.image("web"), &leaked);
    s.cluster.applies(&suspended_cron_job("tick", &image));

    let rows = auditor.rows(&["-n", "inventory"]);
    assert_eq!(standing(&rows, "before").0, "Refused");
    assert_eq!(standing(&rows, "bad").0, "Good");
    let (good, row) = standing(&rows, "web");
    assert_eq!((good, &row["pods"], &row["digest"]), ("Good", &json!(2), &json!(old)));
    assert_eq!(row["owner"], json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}));
    assert_eq!(row["running"][0]["isReferenced"], true);
    assert_eq!((standing(&rows, "tick").0, &standing(&rows, "tick").1["pods"]), ("Good", &json!(0)));

    web.signs(&["targets"], "1.0", &new);
    web.removes(&["targets"], "2.0");
    s.soon_seals(&image, &sealed(&image, &new));
    s.soon_denies(&sealed(&bad, &leaked), "DigestRevoked");
    let rows = eventually("the cluster's record tells both", SOON, || {
        let rows = auditor.rows(&["-n", "inventory"]);
        let stands =
            |owner: &str| standing(&rows, owner).0 == if owner == "web" { "Ending" } else { "Refused" };
        if stands("web") && stands("bad") { Ok(rows) } else { Err(format!("{rows:#?}")) }
    });
    let (_, row) = standing(&rows, "web");
    assert_eq!((&row["digest"], &row["anew"]["digest"]), (&json!(old), &json!(new)));
    assert_eq!(row["ends"]["what"], "the superseded digest is accepted until then");
    assert_eq!(standing(&rows, "bad").1["now"]["reason"], "DigestRevoked");
    let told = auditor.takes(&["-n", "inventory", "--only", "failing"]);
    assert_eq!(told.code, Some(1), "{}{}", told.out, told.errors);
    assert!(told.out.contains("run and would be refused"), "{}", told.out);

    // The webhooks are not asked about it: excluded, whatever runs there.
    s.cluster.does(&["label", "namespace", "inventory", "tagseal.dev/admission=ignore"]);
    let told = auditor.takes(&["-n", "inventory"]);
    s.cluster.does(&["label", "namespace", "inventory", "tagseal.dev/admission-"]);
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.errors);
    let rows = told.out.lines().filter(|line| line.starts_with("inventory ")).collect::<Vec<_>>();
    assert!(!rows.is_empty() && rows.iter().all(|row| row.contains(" Excluded ")), "{}", told.out);
}

#[test]
fn what_files_declare_stands_as_the_cluster_judges_it() {
    let s = Scenario::new("inventory-files");
    let auditor = Auditor::of(&s, s.cluster.kubeconfig());
    let web = s.repository("web");
    web.signs(&["targets"], "1.0", &digest_of("1.0"));
    s.has_policy(&s.policy().trusts(&web));
    let (good, bad) = (s.image("web:1.0"), s.image("web:9.9"));
    let objects = [
        deployment("good", 0, &good),
        deployment("bad", 0, &bad),
        suspended_cron_job("tick", &good),
        pod("other", "elsewhere.test/a:1"),
    ];
    let file = s.folder("declared.json");
    fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string())
        .expect("the objects' file");
    let (file, policy) = (file.to_str().expect("a path"), s.policy_files().remove(0));
    let of_files = ["-f", file, "-n", "inventory-files", "-o", "json"];
    let by_file = auditor.runs(&[&of_files[..], &["--policy", policy.to_str().expect("a path")]].concat());
    let by_cluster = auditor.takes(&of_files);
    for told in [by_file, by_cluster] {
        assert_eq!(told.code, Some(1), "{}{}", told.out, told.errors);
        let stock: Value = serde_json::from_str(&told.out).expect("JSON");
        let rows = stock["images"].as_array().expect("rows");
        assert_eq!(rows.len(), objects.len(), "{rows:#?}");
        for object in &objects {
            let name = object["metadata"]["name"].as_str().expect("a name");
            let (standing, row) = standing(rows, name);
            let answer = s.cluster.tries(object);
            assert_eq!(answer.passed, standing != "RefusedAnew", "{row}: {}", answer.errors);
            assert_eq!((&row["pods"], &row["now"]), (&json!(0), &Value::Null), "{row}");
        }
        let standings = ["bad", "good", "tick", "other"].map(|name| standing(rows, name).0);
        assert_eq!(standings, ["RefusedAnew", "Good", "Good", "Unmatched"]);
        assert_eq!(standing(rows, "good").1["digest"], digest_of("1.0"));
    }
}

#[test]
fn a_list_of_several_pages_is_whole_and_one_that_is_cut_is_told() {
    let s = Scenario::unguarded("inventory-pages");
    suite().has_crds();
    let auditor = Auditor::of(&s, s.cluster.kubeconfig());
    let pods: Vec<_> = (0..600).map(|number| pod(&format!("p{number:03}"), "elsewhere.test/a:1")).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": pods});
    let created = s.cluster.kubectl_with(&["create", "-f", "-"], list.to_string().as_bytes());
    assert!(created.passed, "{}", created.errors);
    let here = ["-n", "inventory-pages"];
    let told = auditor.takes(&here);
    assert!(
        told.out.contains("600 images in 1 namespace: 600 match no policy"),
        "{}{}",
        told.out,
        told.errors
    );
    let told = auditor.takes(&[&here[..], &["--limit", "550"]].concat());
    assert_eq!(told.code, Some(2), "{}", told.errors);
    assert!(
        told.errors.contains("those after inventory-pages/p549, by namespace and name, are left out"),
        "{}",
        told.errors
    );
}

#[test]
fn the_role_in_the_examples_is_enough_and_none_of_its_rules_too_much() {
    let s = Scenario::new("inventory-rights");
    let ca = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "inventory-ca", "namespace": "tagseal-system"},
        "data": {"ca.crt": Authority::new("inventory").pem()},
    });
    s.has_beside(&ca);
    let web = s.repository("web");
    web.signs(&["targets"], "1.0", &digest_of("1.0"));
    let reference = json!({"configMapKeyRef": {"name": "inventory-ca", "key": "ca.crt"}});
    s.has_policy(&s.policy().trusts(&web).with("notary/caBundle", reference));
    s.cluster.applies(&deployment("web", 1, &s.image("web:1.0")));
    s.pods_of("web", 1);

    let example = source_path("examples/inventory/rbac.yaml");
    let example = example.to_str().expect("a path");
    let read = s.cluster.does(&["create", "--dry-run=client", "-o", "json", "-f", example]);
    let objects: Vec<Value> =
        serde_json::Deserializer::from_str(&read).into_iter().map(|object| object.expect("JSON")).collect();
    let objects: Vec<Value> = match objects.as_slice() {
        [list] if list["kind"] == "List" => list["items"].as_array().expect("items").clone(),
        _ => objects,
    };
    let [role, binding] = objects.as_slice() else { panic!("{objects:#?}") };
    assert_eq!((&role["kind"], &binding["kind"]), (&json!("ClusterRole"), &json!("ClusterRoleBinding")));
    let mut binding = binding.clone();
    binding["subjects"] =
        json!([{"kind": "ServiceAccount", "name": "auditor", "namespace": "inventory-rights"}]);
    s.cluster.does(&["create", "serviceaccount", "auditor"]);
    s.cluster.applies(role);
    s.cluster.applies(&binding);
    let token = s.cluster.does(&["create", "token", "auditor"]);
    let mut config: Value =
        serde_json::from_slice(&fs::read(s.cluster.kubeconfig()).expect("a kubeconfig")).expect("JSON");
    config["users"][0]["user"] = json!({"token": token.trim()});
    let kubeconfig = s.folder("auditor.kubeconfig");
    fs::write(&kubeconfig, config.to_string()).expect("a kubeconfig");
    let auditor = Auditor::of(&s, &kubeconfig);

    // All of the cluster's rights; its other tests' images are nobody's business, and may take their time.
    let everywhere = ["--timeout", "1", "-o", "json"];
    let here = ["-n", "inventory-rights"];
    let is_enough = |arguments: &[&str]| {
        eventually("the role is enough", SOON, || {
            let told = auditor.takes(arguments);
            if told.errors.contains("forbidden") { Err(told.errors) } else { Ok(told) }
        })
    };
    let told = is_enough(&here);
    assert!(told.out.contains("Deployment/web"), "{}{}", told.out, told.errors);
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.errors);
    let told = is_enough(&everywhere);
    assert!(told.out.contains("\"inventory-rights\""), "{}{}", told.out, told.errors);

    let rules = role["rules"].as_array().expect("rules");
    for (place, rule) in rules.iter().enumerate() {
        let each = |field: &str| rule[field].as_array().expect("a list").clone();
        for resource in each("resources") {
            for verb in each("verbs") {
                let mut less = role.clone();
                let rest: Vec<_> = each("resources").into_iter().filter(|other| *other != resource).collect();
                let other_verbs: Vec<_> = each("verbs").into_iter().filter(|other| *other != verb).collect();
                let mut narrowed = Vec::new();
                if !rest.is_empty() {
                    narrowed.push(
                        json!({"apiGroups": rule["apiGroups"], "resources": rest, "verbs": rule["verbs"]}),
                    );
                }
                if !other_verbs.is_empty() {
                    narrowed.push(json!({"apiGroups": rule["apiGroups"], "resources": [resource], "verbs": other_verbs}));
                }
                let others = rules
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != place)
                    .map(|(_, rule)| rule.clone());
                less["rules"] = others.chain(narrowed).collect();
                s.cluster.applies(&less);
                let (verb, resource) =
                    (verb.as_str().expect("a verb"), resource.as_str().expect("a resource"));
                // What else there is in the cluster may be refused, which comes before what is undecided.
                let is_of_one = verb == "get" && matches!(resource, "namespaces" | "configmaps");
                let arguments: &[&str] = if is_of_one { &here } else { &["--timeout", "1"] };
                let wanted = format!("cannot {verb} resource \"{resource}\"");
                eventually(&format!("{verb} {resource} is missed"), SOON, || {
                    let told = auditor.takes(arguments);
                    let is_told = told.code == Some(2)
                        && told.errors.contains(&wanted)
                        && told.errors.contains("  kubectl create ");
                    if is_told { Ok(()) } else { Err(format!("{:?} {}", told.code, told.errors)) }
                });
            }
        }
    }
    s.cluster.does(&["delete", "clusterrole,clusterrolebinding", "tagseal-inventory"]);
}
