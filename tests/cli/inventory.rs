//! `tagseal inventory --from-cluster`: what is counted, how it stands, and how the command ends.

use serde_json::{Value, json};

use super::from_cluster::Cluster;
use super::run::{Ended, REPOSITORY, digest};
use crate::controller::api_server::Fault;

impl Cluster {
    /// A Deployment of this image with pods whose container has `stored`, and runs `runs`.
    fn deployment(&self, namespace: &str, name: &str, image: &str, pods: &[(&str, Option<&str>)]) {
        let metadata = |name: &str| json!({"name": name, "namespace": namespace});
        let spec = |image: &str| json!({"containers": [{"name": "web", "image": image}]});
        let template = |image: &str| json!({"template": {"spec": spec(image)}});
        self.api.put("deployments", json!({"metadata": metadata(name), "spec": template(image)}));
        let owned = |name: &str, kind: &str, by: &str| {
            let mut metadata = metadata(name);
            metadata["ownerReferences"] =
                json!([{"apiVersion": "apps/v1", "kind": kind, "name": by, "controller": true}]);
            metadata
        };
        let set = format!("{name}-1");
        let replica_set = json!({"metadata": owned(&set, "Deployment", name), "spec": template(image)});
        self.api.put("replicasets", replica_set);
        for (number, (stored, runs)) in pods.iter().enumerate() {
            let id = runs.map(|runs| format!("{REPOSITORY}@{runs}")).unwrap_or_default();
            let pod = json!({
                "metadata": owned(&format!("{set}-{number}"), "ReplicaSet", &set), "spec": spec(stored),
                "status": {"phase": "Running", "containerStatuses": [{"name": "web", "imageID": id}]},
            });
            self.api.put("pods", pod);
        }
    }

    fn inventory(&self, more: &[&str]) -> Ended {
        self.machine.run(&[&["inventory", "--from-cluster"], more].concat())
    }

    /// What `-o json` prints, whatever the exit status.
    fn stock(&self, more: &[&str]) -> Value {
        let ended = self.inventory(&[&["-o", "json"], more].concat());
        serde_json::from_str(&ended.printed()).unwrap_or_else(|error| panic!("{error}: {}", ended.errors()))
    }
}

/// `web:1.0` is signed anew since it runs, `web:2.0` is revoked, `web:3.0` is good, `web:9.9` was never signed.
fn a_shop_with_a_past() -> Cluster {
    let cluster = Cluster::new();
    cluster.policy("production", json!({}));
    for (tag, content) in [("1.0", "old"), ("2.0", "leaked"), ("3.0", "good")] {
        cluster.sign(tag, content);
    }
    cluster.admits(&format!("{REPOSITORY}:1.0"));
    cluster.sign("1.0", "new");
    cluster.admits(&format!("{REPOSITORY}:1.0"));
    cluster.machine.trust(&format!("revoke {REPOSITORY}:2.0")).done();
    let pinned = |tag: &str, content: &str| format!("{REPOSITORY}:{tag}@{}", digest(content));
    let pods = |tag: &str, content: &str, count: usize| vec![(pinned(tag, content), digest(content)); count];
    for (name, tag, pods) in [
        ("superseded", "1.0", pods("1.0", "old", 2)),
        ("revoked", "2.0", pods("2.0", "leaked", 1)),
        ("good", "3.0", pods("3.0", "good", 3)),
    ] {
        let pods: Vec<_> = pods.iter().map(|(stored, runs)| (&**stored, Some(&**runs))).collect();
        cluster.deployment("shop", name, &format!("{REPOSITORY}:{tag}"), &pods);
    }
    let unsigned = format!("{REPOSITORY}:9.9");
    cluster.deployment("shop", "unsigned", &unsigned, &[(&unsigned, Some(&digest("whatever")))]);
    // Created before the policy, and signed since: only its digest is missing.
    let bare = format!("{REPOSITORY}:3.0");
    cluster.deployment("shop", "bare", &bare, &[(&bare, Some(&digest("good")))]);
    cluster.deployment("kube-system", "system", &unsigned, &[(&unsigned, None)]);
    cluster.deployment("shop", "idle", &unsigned, &[]);
    cluster.deployment("shop", "other", "other.test/a:1", &[("other.test/a:1", None)]);
    cluster
}

#[test]
fn every_image_is_judged_as_it_runs_and_as_it_would_come() {
    let cluster = a_shop_with_a_past();
    let stock = cluster.stock(&[]);
    assert_eq!(
        (&stock["complete"], &stock["pods"], &stock["leftOut"]),
        (&json!(true), &json!(10), &json!([]))
    );
    let rows = stock["images"].as_array().unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            let word = |verdict: &Value| {
                let of = verdict["reason"].as_str().or(verdict["verdict"].as_str());
                of.unwrap_or("-").to_owned()
            };
            let owner = row["owner"]["name"].as_str().unwrap();
            format!(
                "{owner} {} {} {} {}",
                row["standing"].as_str().unwrap(),
                row["pods"],
                word(&row["now"]),
                word(&row["anew"])
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "revoked Refused 1 DigestRevoked NotSigned",
            "unsigned Refused 1 NotSigned NotSigned",
            "idle RefusedAnew 0 - NotSigned",
            "superseded Ending 2 Sealed Sealed",
            "other Unmatched 1 Unmatched Unmatched",
            "system Excluded 1 Excluded Excluded",
            "bare Good 1 Sealed Sealed",
            "good Good 3 Sealed Sealed",
        ]
    );
    let row = |name: &str| rows.iter().find(|row| row["owner"]["name"] == name).unwrap();
    let superseded = row("superseded");
    assert_eq!(
        superseded["owner"],
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "superseded"})
    );
    assert_eq!(superseded["site"], json!({"list": "containers", "name": "web"}));
    assert_eq!(superseded["ends"]["what"], "the superseded digest is accepted until then");
    assert_eq!(
        (&superseded["digest"], &superseded["anew"]["digest"]),
        (&json!(digest("old")), &json!(digest("new")))
    );
    assert_eq!(
        superseded["running"],
        json!([{"digest": digest("old"), "pods": 2, "isReferenced": true, "verdict": "Sealed", "reason": null}])
    );
    assert_eq!(superseded["policies"], json!(["ClusterTrustPolicy production"]));
    assert_eq!(superseded["signedBy"][0]["role"], "targets");
    let good = row("good");
    assert!(good["ends"]["what"].as_str().unwrap().ends_with(" expires"), "{good}");
    assert_eq!(row("bare")["now"]["image"], format!("{REPOSITORY}:3.0@{}", digest("good")));
    assert_eq!(row("system")["digest"], json!(null));
    assert_eq!(row("idle")["now"], json!(null));
}

#[test]
fn the_table_has_the_worst_first_and_only_what_is_asked_for() {
    let cluster = a_shop_with_a_past();
    let ended = cluster.inventory(&[]);
    ended.failed(1);
    let printed = ended.printed();
    let lines: Vec<_> = printed.lines().collect();
    assert!(lines[0].starts_with("NAMESPACE     OWNER                   SITE            IMAGE"), "{printed}");
    let short = digest("leaked")[.."sha256:".len() + 12].to_owned();
    let begins = format!("shop          Deployment/revoked      container web   {REPOSITORY}:2.0@{short} ");
    assert!(lines[1].starts_with(&begins), "{printed}");
    assert!(
        lines[1]
            .contains("   1      DigestRevoked   NotSigned   ClusterTrustPolicy production: DigestRevoked: "),
        "{printed}"
    );
    let summary = "8 images in 2 namespaces: 2 run and would be refused, 1 would be refused if created anew, 1 pass for less than 30 \
        days, or superseded, 1 match no policy, 1 are in excluded namespaces, 2 are good";
    assert_eq!(*lines.last().unwrap(), summary);
    let owners = |only: &[&str]| -> Vec<String> {
        let ended = cluster.inventory(only);
        ended.failed(1);
        let rows = ended.printed();
        let rows: Vec<_> = rows.lines().collect();
        assert_eq!(*rows.last().unwrap(), summary, "the summary is of all");
        let rows = rows[1..rows.len() - 1].iter();
        rows.map(|row| row.split_whitespace().nth(1).unwrap().trim_start_matches("Deployment/").to_owned())
            .collect()
    };
    assert_eq!(owners(&["--only", "failing"]), ["revoked", "unsigned", "idle"]);
    assert_eq!(owners(&["--only", "ending"]), ["superseded"]);
    assert_eq!(owners(&["--only", "ending,uncovered"]), ["superseded", "other", "system"]);
}

#[test]
fn it_ends_by_the_worst_and_by_what_could_not_be_decided() {
    let cluster = Cluster::new();
    cluster.policy("production", json!({}));
    cluster.sign("1.0", "1.0");
    let tag = format!("{REPOSITORY}:1.0");
    let pinned = format!("{tag}@{}", digest("1.0"));
    assert_eq!(cluster.inventory(&[]).done(), "no images\n");
    cluster.deployment("shop", "web", &tag, &[(&pinned, Some(&digest("1.0")))]);
    assert!(cluster.inventory(&[]).done().ends_with("1 image: 1 are good\n"));
    // As of a day on which targets has long expired.
    let then = cluster.inventory(&["--at", "2032-01-01T00:00:00Z"]);
    assert!(then.failed(1).is_empty() && then.printed().contains("Expired"), "{}", then.printed());
    // An image whose trust server is away is not known to be bad.
    let away = cluster.object(
        "ClusterTrustPolicy",
        None,
        "away",
        json!({
            "images": {"include": ["away.test/**"]}, "notary": {"server": "http://127.0.0.1:1"},
        }),
    );
    cluster.api.put("clustertrustpolicies", away);
    cluster.deployment("shop", "away", "away.test/a:1", &[("away.test/a:1", None)]);
    let ended = cluster.inventory(&[]);
    ended.failed(2);
    assert!(ended.printed().contains("Unavailable TrustServerUnreachable"), "{}", ended.printed());
    // What is known to be bad counts first.
    let unsigned = format!("{REPOSITORY}:9.9");
    cluster.deployment("shop", "bad", &unsigned, &[(&unsigned, None)]);
    cluster.inventory(&[]).failed(1);
    // Somewhere else all is well.
    cluster.namespace("lab", json!({}));
    cluster.deployment("lab", "web", &tag, &[(&pinned, Some(&digest("1.0")))]);
    assert!(cluster.inventory(&["-n", "lab"]).done().ends_with("1 image: 1 are good\n"));
    let said = cluster.machine.run(&["inventory"]).failed(2);
    assert!(said.contains("name the cluster that is to be looked at: --from-cluster"), "{said}");
    let said = cluster.inventory(&["-n", "../nodes"]).failed(2);
    assert!(said.contains("\"../nodes\" cannot be the name of a namespace"), "{said}");
}

#[test]
fn all_sites_of_all_kinds_are_counted() {
    let cluster = Cluster::new();
    let metadata = |name: &str| json!({"name": name, "namespace": "shop"});
    let spec = json!({
        "containers": [{"name": "a", "image": "r.test/c:1"}],
        "initContainers": [{"name": "a", "image": "r.test/i:1"}],
        "ephemeralContainers": [{"name": "a", "image": "r.test/e:1"}],
        "volumes": [{"name": "a", "image": {"reference": "r.test/v:1"}}, {"name": "b", "emptyDir": {}}],
    });
    let status = json!({"ephemeralContainerStatuses": [{"name": "a", "imageID": format!("r.test/e@{}", digest("e"))}]});
    cluster.api.put("pods", json!({"metadata": metadata("alone"), "spec": spec, "status": status}));
    cluster
        .api
        .put("pods", json!({"metadata": metadata("ended"), "spec": spec, "status": {"phase": "Succeeded"}}));
    let template = json!({"spec": {"containers": [{"name": "t", "image": "r.test/t:1"}]}});
    for resource in
        ["replicationcontrollers", "deployments", "replicasets", "statefulsets", "daemonsets", "jobs"]
    {
        cluster.api.put(resource, json!({"metadata": metadata(resource), "spec": {"template": template}}));
    }
    let job = json!({"jobTemplate": {"spec": {"template": template}}});
    cluster.api.put("cronjobs", json!({"metadata": metadata("cronjobs"), "spec": job}));
    cluster.api.put("podtemplates", json!({"metadata": metadata("podtemplates"), "template": template}));
    let stock = cluster.stock(&[]);
    let rows = stock["images"].as_array().unwrap();
    let owners: Vec<_> = rows
        .iter()
        .map(|row| {
            format!(
                "{} {} {}",
                row["owner"]["kind"].as_str().unwrap(),
                row["image"].as_str().unwrap(),
                row["pods"]
            )
        })
        .collect();
    assert_eq!(
        owners,
        [
            "CronJob r.test/t:1 0",
            "DaemonSet r.test/t:1 0",
            "Deployment r.test/t:1 0",
            "Job r.test/t:1 0",
            "Pod r.test/c:1 1",
            "Pod r.test/e:1 1",
            "Pod r.test/i:1 1",
            "Pod r.test/v:1 1",
            "PodTemplate r.test/t:1 0",
            "ReplicaSet r.test/t:1 0",
            "ReplicationController r.test/t:1 0",
            "StatefulSet r.test/t:1 0",
        ]
    );
    let ephemeral = rows.iter().find(|row| row["image"] == "r.test/e:1").unwrap();
    assert_eq!(ephemeral["running"][0]["digest"], digest("e"));
}

#[test]
fn ten_thousand_pods_are_taken_and_what_is_more_is_told() {
    let cluster = Cluster::new();
    let pod = |number: usize| {
        let image = format!("r.test/{}:1", number % 7);
        json!({
            "metadata": {"name": format!("p{number:05}"), "namespace": "shop", "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": format!("s{}", number % 11), "controller": true}
            ]},
            "spec": {"containers": [{"name": "web", "image": image}]},
        })
    };
    for number in 0..10_000 {
        cluster.api.put("pods", pod(number));
    }
    let stock = cluster.stock(&[]);
    assert_eq!((&stock["complete"], &stock["pods"]), (&json!(true), &json!(10_000)));
    let rows = stock["images"].as_array().unwrap();
    assert_eq!(rows.len(), 77, "one for each owner and image");
    assert_eq!(rows.iter().map(|row| row["pods"].as_u64().unwrap()).sum::<u64>(), 10_000);
    assert_eq!(cluster.api.count("LIST pods"), 20);

    cluster.api.put("pods", pod(10_000));
    let ended = cluster.inventory(&["-o", "json"]);
    let said = ended.failed(2);
    let left_out = "there are more than 10000 pods: those after shop/p09999, by namespace and name, are left out; raise --limit, or look at \
        one namespace with -n";
    assert!(said.contains(left_out), "{said}");
    let stock: Value = serde_json::from_str(&ended.printed()).unwrap();
    assert_eq!((&stock["complete"], &stock["leftOut"]), (&json!(false), &json!([left_out])));
    assert_eq!(cluster.stock(&["--limit", "10001"])["complete"], true);
    assert_eq!(cluster.stock(&["--limit", "501"])["pods"], 501);
    // A page that is gone: all of it once more, nothing twice.
    cluster.api.fail_once("LIST pods from=9500", Fault::Status(410, "too old"));
    let stock = cluster.stock(&["--limit", "20000"]);
    assert_eq!((&stock["complete"], &stock["pods"]), (&json!(true), &json!(10_001)));
}

#[test]
fn every_right_that_is_missing_is_told_at_once() {
    let cluster = Cluster::new();
    for resource in ["pods", "cronjobs", "trustpolicies"] {
        cluster.api.fail(
            &format!("LIST {resource}"),
            Fault::Status(403, "is forbidden: User \"jane\" cannot list resource"),
        );
    }
    let said = cluster.inventory(&[]).failed(2);
    let command = "  kubectl create clusterrole tagseal-reader-list --verb=list --resource=cronjobs.batch,pods,trustpolicies.tagseal.dev\n";
    assert!(said.contains(command), "{said}");
    let said = cluster.inventory(&["-n", "shop"]).failed(2);
    let command = "  kubectl create role tagseal-reader-list --namespace=shop --verb=list --resource=cronjobs.batch,pods,trustpolicies.tagseal.dev\n";
    assert!(said.contains(command), "{said}");
}

#[test]
fn kubectl_finds_it_as_a_plugin() {
    let cluster = Cluster::new();
    let link = cluster.machine.file("kubectl-tagseal");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tagseal"), &link).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&link);
        command.args(arguments).env_clear().env("HOME", cluster.machine.path()).output().unwrap()
    };
    let said = String::from_utf8(run(&["inventory", "--help"]).stdout).unwrap();
    assert!(said.contains("Usage: kubectl tagseal inventory [OPTIONS]"), "{said}");
    // kubectl is about a cluster: that needs no option.
    let output = run(&["inventory"]);
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"no images\n"[..]));
    let output = run(&["inventory", "--from-cluster", "--context", "here"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(run(&["inventory", "--context", "there"]).status.code(), Some(2));
    let said = cluster.machine.run(&["inventory", "--help"]).done();
    assert!(said.contains("Usage: tagseal inventory [OPTIONS]"), "{said}");
}

#[test]
fn what_files_declare_is_taken_stock_of_without_a_cluster() {
    let cluster = Cluster::new();
    cluster.sign("1.0", "1.0");
    let policy = cluster.object("ClusterTrustPolicy", None, "production", json!({}));
    std::fs::write(cluster.machine.file("policy.yaml"), policy.to_string()).unwrap();
    let deployment = |name: &str, image: &str| {
        let spec = json!({"containers": [{"name": "web", "image": image}]});
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop"}, "spec": {"template": {"spec": spec}}})
    };
    let tag = format!("{REPOSITORY}:1.0");
    std::fs::write(cluster.machine.file("good.yaml"), deployment("good", &tag).to_string()).unwrap();
    let run =
        |more: &[&str]| cluster.machine.run(&[&["inventory", "--policy", "policy.yaml"], more].concat());
    let stock = run(&["-f", "good.yaml", "-o", "json"]).json();
    assert_eq!((&stock["complete"], &stock["pods"]), (&json!(true), &json!(0)));
    let row = &stock["images"][0];
    assert_eq!(
        (&row["standing"], &row["namespace"], &row["now"]),
        (&json!("Good"), &json!("shop"), &json!(null))
    );
    assert_eq!(row["owner"], json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "good"}));
    assert_eq!(row["site"], json!({"list": "containers", "name": "spec.template.spec.containers[0].image"}));
    assert_eq!(
        (&row["digest"], &row["anew"]["sealed"]),
        (&json!(digest("1.0")), &json!(format!("{tag}@{}", digest("1.0"))))
    );

    let unsigned = deployment("bad", &format!("{REPOSITORY}:9.9"));
    std::fs::write(cluster.machine.file("bad.yaml"), unsigned.to_string()).unwrap();
    let ended = run(&["-f", "good.yaml", "bad.yaml"]);
    ended.failed(1);
    assert!(
        ended
            .printed()
            .ends_with("2 images in 1 namespace: 1 would be refused if created anew, 1 are good\n"),
        "{}",
        ended.printed()
    );
    // A file that cannot be read is told, hides no other, and is left out.
    std::fs::write(cluster.machine.file("broken.yaml"), "a: {").unwrap();
    let ended = run(&["-f", "good.yaml", "-f", "broken.yaml"]);
    let said = ended.failed(2);
    assert!(
        said.contains("broken.yaml:1:") && ended.printed().contains("Deployment/good"),
        "{said}{}",
        ended.printed()
    );
    let said = cluster.machine.run(&["inventory", "-f", "good.yaml"]).failed(2);
    assert!(said.contains("files are judged by policies: name them with --policy"), "{said}");
    // Standard input is one of the two.
    let said = cluster.machine.run(&["inventory", "-f", "-", "--policy", "-"]).failed(2);
    assert!(
        said.contains("standard input is either a manifest or a policy: name a file for one of the two"),
        "{said}"
    );
    // By the policies of a cluster.
    cluster.api.put("clustertrustpolicies", policy);
    let stock = cluster.machine.run(&["inventory", "-f", "good.yaml", "--from-cluster", "-o", "json"]).json();
    assert_eq!(stock["images"][0]["standing"], "Good");
}
