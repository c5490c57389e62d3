//! What the chart ships besides tagseal itself, before a real API server: the guard of namespace labels, the policy that
//! demands digests, and pods that a strict namespace takes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::*;

/// How long until the API server acts by what was applied.
const SETTLED: Duration = Duration::from_secs(20);

/// One who may do with namespaces what RBAC can say, and one who may exempt them too.
struct People {
    cluster: Cluster,
    tenant: String,
    admin: String,
}

impl People {
    fn of(cluster: &Cluster) -> Self {
        let name = cluster.namespace();
        let people = Self {
            cluster: cluster.clone(),
            tenant: format!("{name}-tenant"),
            admin: format!("{name}-admin"),
        };
        let rights = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
            "rules": [{"apiGroups": [""], "resources": ["namespaces", "namespaces/status", "namespaces/finalize"],
                "verbs": ["*"]}],
        });
        cluster.applies(&rights);
        people.binds(name, &[&people.tenant, &people.admin]);
        people.binds("tagseal-exempt-namespaces", &[&people.admin]);
        people
    }

    fn binds(&self, role: &str, users: &[&str]) {
        let subjects: Vec<_> = users
            .iter()
            .map(|user| json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}))
            .collect();
        self.cluster.applies(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("{}-{role}", self.cluster.namespace())},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": subjects,
        }));
    }

    /// `user` changes labels of the scenario's namespace by way of `subresource`.
    fn labels(&self, user: &str, subresource: Option<&str>, labels: &Value) -> Answer {
        let patch = json!({"metadata": {"labels": labels}}).to_string();
        let name = self.cluster.namespace();
        let as_user = format!("--as={user}");
        let mut args = vec![&as_user, "patch", "namespace", name, "--type=merge", "--patch", &patch];
        let flag = subresource.map(|subresource| format!("--subresource={subresource}"));
        args.extend(flag.as_deref());
        self.cluster.kubectl(&args)
    }

    /// `user` makes a namespace with these labels.
    fn creates(&self, user: &str, name: &str, labels: &Value) -> Answer {
        let manifest = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
        });
        let args = [&format!("--as={user}"), "create", "-f", "-"];
        self.cluster.kubectl_with(&args, manifest.to_string().as_bytes())
    }
}

#[track_caller]
fn is_guarded(answer: &Answer, label: &str) {
    assert!(!answer.passed, "{label} was changed: {}", answer.output);
    let expected = format!("label {label} of namespace");
    assert!(answer.errors.contains(&expected), "no {expected:?} in: {}", answer.errors);
    assert!(answer.errors.contains("verb exempt on namespaces.tagseal.dev"), "{}", answer.errors);
}

#[track_caller]
fn passes(answer: &Answer) {
    assert!(answer.passed, "{}", answer.errors);
}

/// A scenario whose policy selects on the labels `NAME/env` and `NAME/team` of its namespace, which has them.
fn selected(name: &str) -> (Scenario, People, Policy) {
    let s = Scenario::new(name);
    let people = People::of(&s.cluster);
    let (env, team) = (format!("{name}/env"), format!("{name}/team"));
    passes(&people.labels(&people.tenant, None, &json!({&env: "production", &team: "shop"})));
    let selector = json!({
        "matchLabels": {&env: "production"},
        "matchExpressions": [{"key": &team, "operator": "NotIn", "values": ["sandbox"]}],
    });
    let policy = Policy::cluster(name, &s.all_images(), suite().notary().url());
    let policy = policy.trusts(&s.repository("web")).with("namespaceSelector", selector);
    s.has_policy(&policy);
    eventually("the policy's labels are guarded", SETTLED, || {
        if people.labels(&people.tenant, None, &json!({&team: "other"})).passed {
            passes(&people.labels(&people.tenant, None, &json!({&team: "shop"})));
            return Err("not yet".to_owned());
        }
        Ok(())
    });
    (s, people, policy)
}

#[test]
fn a20_a_tenant_cannot_relabel_a_namespace_out_of_a_policy_or_opt_it_out() {
    let (s, people, policy) = selected("a20-relabel");
    let tenant = people.tenant.as_str();
    for way in [None, Some("status")] {
        for (change, label) in [
            (json!({"a20-relabel/env": "development"}), "a20-relabel/env"),
            (json!({"a20-relabel/env": null}), "a20-relabel/env"),
            (json!({"a20-relabel/env": ""}), "a20-relabel/env"),
            (json!({"a20-relabel/team": "sandbox"}), "a20-relabel/team"),
            (json!({"a20-relabel/team": null}), "a20-relabel/team"),
            (json!({"tagseal.dev/admission": "ignore"}), "tagseal.dev/admission"),
            (json!({"tagseal.dev/admission": "", "colour": "green"}), "tagseal.dev/admission"),
        ] {
            is_guarded(&people.labels(tenant, way, &change), label);
        }
        passes(&people.labels(tenant, way, &json!({"colour": "blue", "a20-relabel/env": "production"})));
        passes(&people.labels(tenant, way, &json!({"colour": null})));
    }
    let answer = s.cluster.tries(&s.pod(&policy.unsigned_image()));
    assert!(answer.errors.contains("RepositoryNotFound"), "{}", answer.text());
}

#[test]
fn a20_an_admin_with_the_permission_relabels_and_opts_out() {
    let (s, people, policy) = selected("a20-admin");
    let (tenant, admin) = (people.tenant.as_str(), people.admin.as_str());
    let out = json!({"a20-admin/env": "development", "tagseal.dev/admission": "ignore"});
    passes(&people.labels(admin, None, &out));
    let left_out = s.cluster.alone(Because::OtherWebhookConfiguration);
    passes(&left_out.tries(&s.pod(&policy.unsigned_image())));
    is_guarded(
        &people.labels(tenant, None, &json!({"tagseal.dev/admission": null})),
        "tagseal.dev/admission",
    );
    passes(&people.labels(admin, None, &json!({"tagseal.dev/admission": null})));
    is_guarded(&people.labels(tenant, None, &json!({"a20-admin/env": "test"})), "a20-admin/env");
    // Nothing selects on it any more.
    s.cluster.does(&["delete", "clustertrustpolicy", policy.name()]);
    eventually("the label is anybody's again", SETTLED, || {
        let answer = people.labels(tenant, None, &json!({"a20-admin/env": "test"}));
        if answer.passed { Ok(()) } else { Err(answer.errors) }
    });
}

#[test]
fn a20_a_new_namespace_has_what_labels_its_maker_chooses_but_is_not_born_out_of_sight() {
    let (s, people, _) = selected("a20-new");
    let (tenant, admin) = (people.tenant.as_str(), people.admin.as_str());
    let ignored = json!({"tagseal.dev/admission": "ignore"});
    is_guarded(&people.creates(tenant, "a20-new-ignored", &ignored), "tagseal.dev/admission");
    passes(&people.creates(admin, "a20-new-ignored", &ignored));
    passes(&people.creates(tenant, "a20-new-enforced", &json!({"tagseal.dev/admission": "enforce"})));
    passes(&people.creates(tenant, "a20-new-other", &json!({"a20-new/env": "development"})));
    // Once it is there it is as any other.
    let other = People { cluster: s.cluster.in_namespace("a20-new-other"), ..people };
    is_guarded(&other.labels(&other.tenant, None, &ignored), "tagseal.dev/admission");
    is_guarded(&other.labels(&other.tenant, None, &json!({"a20-new/env": "test"})), "a20-new/env");
    let as_tenant = format!("--as={}", other.tenant);
    s.cluster.does(&[&as_tenant, "delete", "namespace", "a20-new-other", "--timeout=60s"]);
}

#[test]
fn a20_a_tenant_cannot_leave_by_a_label_that_the_live_webhooks_select_on() {
    let s = Scenario::new("a20-live");
    let people = People::of(&s.cluster);
    let (tenant, admin) = (people.tenant.as_str(), people.admin.as_str());
    // No chart has this label in its selectors: another hand put it into the configurations that are in the cluster.
    let out = json!({OWN: "yes"});
    for way in [None, Some("status")] {
        is_guarded(&people.labels(tenant, way, &out), OWN);
    }
    is_guarded(&people.creates(tenant, "a20-live-new", &out), OWN);
    passes(&people.creates(tenant, "a20-live-other", &json!({"a20-live/team": "shop"})));
    passes(&people.labels(tenant, None, &json!({"a20-live/team": "shop"})));
    passes(&people.labels(admin, None, &out));
    is_guarded(&people.labels(tenant, None, &json!({OWN: null})), OWN);
    passes(&people.labels(admin, None, &json!({OWN: null})));
}

#[test]
fn a20_a_tenant_creates_no_namespace_whose_name_is_left_out() {
    let s = Scenario::new("a20-name");
    let people = People::of(&s.cluster);
    let args =
        ["--set", "excludeNamespacePrefixes={a20-out-}", "--show-only", "templates/namespace-labels.yaml"];
    for mut object in rendered(&s.cluster, &args) {
        // Beside the one that is installed.
        if object["metadata"]["name"] == "tagseal-namespace-labels" {
            object["metadata"]["name"] = json!("a20-name");
            if object["kind"] == "ValidatingAdmissionPolicyBinding" {
                object["spec"]["policyName"] = json!("a20-name");
            }
            s.cluster.applies(&object);
        }
    }
    eventually("the name is guarded", SETTLED, || {
        let answer = people.creates(&people.tenant, "a20-out-tried", &json!({}));
        if answer.passed {
            s.cluster.does(&["delete", "namespace", "a20-out-tried", "--timeout=60s"]);
            return Err("not yet".to_owned());
        }
        let expected = "namespace a20-out-tried is left out by tagseal (excludeNamespacePrefixes)";
        if answer.errors.contains(expected) { Ok(()) } else { Err(answer.errors) }
    });
    passes(&people.creates(&people.tenant, "a20-outside", &json!({})));
    passes(&people.creates(&people.admin, "a20-out-admin", &json!({})));
}

#[test]
fn tenants_read_the_cluster_policies_that_deny_them() {
    let s = Scenario::new("chart-view");
    let args = [
        "--set-json",
        r#"rbac.viewers=[{"kind":"Group","name":"chart-view"}]"#,
        "--show-only",
        "templates/user-roles.yaml",
    ];
    let bindings = rendered(&s.cluster, &args);
    let binding = bindings.iter().find(|object| object["kind"] == "ClusterRoleBinding").expect("a binding");
    s.cluster.applies(binding);
    // The suite's controller manager aggregates no roles: what `view` gets is what `tagseal-view` says.
    let role = s.cluster.gets("clusterrole/tagseal-view");
    assert_eq!(role["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"], "true");
    s.cluster.does(&[
        "create",
        "rolebinding",
        "viewer",
        "--clusterrole=tagseal-view",
        "--user=chart-view-viewer",
    ]);
    let may = |who: &[&str], what: &str| {
        let mut args = who.to_vec();
        args.extend(["get", what]);
        s.cluster.kubectl(&args).passed
    };
    let (viewer, grouped) =
        (["--as=chart-view-viewer"], ["--as=chart-view-somebody", "--as-group=chart-view"]);
    eventually("the roles count", SETTLED, || {
        let all =
            [may(&viewer, "trustpolicies.tagseal.dev"), may(&grouped, "clustertrustpolicies.tagseal.dev")];
        if all == [true; 2] { Ok(()) } else { Err(format!("{all:?}")) }
    });
    // A role in a namespace is no right to what belongs to none.
    assert!(!may(&viewer, "clustertrustpolicies.tagseal.dev"));
    for kept in ["trustpolicies.tagseal.dev", "trustedrepositories.tagseal.dev"] {
        assert!(!may(&grouped, kept), "{kept}");
    }
    assert!(!may(&viewer, "trustedrepositories.tagseal.dev"));
}

#[test]
fn every_image_carries_a_digest_where_the_chart_demands_it() {
    let s = Scenario::unguarded("chart-digests");
    let values = ["--set", "requireDigests.enabled=true", "--show-only", "templates/require-digests.yaml"];
    for mut object in rendered(&s.cluster, &values) {
        if let Some(selector) =
            object["spec"].pointer_mut("/matchResources/namespaceSelector/matchExpressions")
        {
            let here = json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": [s.cluster.namespace()]});
            selector.as_array_mut().expect("a list").push(here);
        }
        s.cluster.applies(&object);
    }
    let digest = digest_of("web");
    let (bare, pinned) = ("registry.test/web:1.4".to_owned(), format!("registry.test/web:1.4@{digest}"));
    let before = pod("older", &bare);
    eventually("a pod without a digest is refused", SETTLED, || {
        let answer = s.cluster.tries(&before);
        if answer.passed { Err("not yet".to_owned()) } else { Ok(()) }
    });
    assert!(s.cluster.tries(&pod("web", &pinned)).passed);

    let container = |image: &str| json!([{"name": "other", "image": image}]);
    let volume = |image: &str| json!([{"name": "models", "image": {"reference": image}}]);
    for (list, with) in [("initContainers", &container as &dyn Fn(&str) -> Value), ("volumes", &volume)] {
        let mut mixed = pod("web", &pinned);
        mixed["spec"][list] = with(&pinned);
        assert!(s.cluster.tries(&mixed).passed, "{list}");
        mixed["spec"][list] = with(&bare);
        let answer = s.cluster.tries(&mixed);
        assert!(!answer.passed, "{list}");
        assert!(answer.errors.contains(&format!("without a digest: {bare}")), "{}", answer.errors);
    }
    for evil in
        ["registry.test/web@sha256:abc", "registry.test/web:sha256", &format!("registry.test/{digest}/web")]
    {
        assert!(!s.cluster.tries(&pod("web", evil)).passed, "{evil}");
    }
    // A kubelet tells of a static pod that runs already; anybody else's annotation is nothing.
    let mut mirror = pod("static", &bare);
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "abc"});
    mirror["spec"]["nodeName"] = json!("n1");
    let as_node = ["--as=system:node:n1", "--as-group=system:nodes", "--as-group=system:masters"];
    let as_user = ["--as=system:node:n1", "--as-group=system:masters"];
    let as_other = ["--as=alice", "--as-group=system:nodes", "--as-group=system:masters"];
    let create = ["create", "--dry-run=server", "-f", "-"];
    for (user, is_mirror) in [(&as_node[..], true), (&as_user, false), (&as_other, false)] {
        for (pod, passes) in [(&mirror, is_mirror), (&before, false)] {
            let answer = s.cluster.kubectl_with(&[user, &create].concat(), pod.to_string().as_bytes());
            assert_eq!(answer.passed, passes, "{user:?}: {}", answer.errors);
        }
    }
    assert!(s.cluster.creates(&pod("web", &pinned)).passed);
    let patch = |image: &str| {
        let patch = json!({"spec": {"containers": [{"name": "web", "image": image}]}}).to_string();
        s.cluster.kubectl(&["patch", "pod", "web", "--patch", &patch])
    };
    assert!(!patch(&bare).passed);
    assert!(s.cluster.kubectl(&["label", "pod", "web", "colour=red"]).passed);
    let debug = |image: &str| s.cluster.kubectl(&["debug", "web", "--attach=false", "--image", image]);
    assert!(!debug(&bare).passed);
    let answer = debug(&pinned);
    assert!(answer.passed, "{}", answer.errors);
}

#[test]
fn a_pod_made_from_the_chart_passes_the_restricted_standard() {
    let s = Scenario::unguarded("chart-restricted");
    s.cluster.does(&[
        "label",
        "namespace",
        s.cluster.namespace(),
        "pod-security.kubernetes.io/enforce=restricted",
    ]);
    s.cluster.does(&["create", "serviceaccount", "tagseal"]);
    let tries = |values: &str| {
        let file = source_path(&format!("charts/testdata/{values}.yaml"));
        let args = ["--values", &file.to_string_lossy(), "--show-only", "templates/deployment.yaml"];
        let deployment = rendered(&s.cluster, &args).remove(0);
        let template = &deployment["spec"]["template"];
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]});
        pod["metadata"]["name"] = json!(values);
        (s.cluster.tries(&pod), pod)
    };
    for values in ["defaults", "bare", "cert-manager", "everything", "openshift", "opt-in"] {
        let (answer, pod) = tries(values);
        assert!(answer.passed, "{values}: {}", answer.errors);
        for setting in ["runAsNonRoot", "seccompProfile"] {
            let mut lax = pod.clone();
            lax["spec"]["securityContext"].as_object_mut().expect("a context").remove(setting);
            let answer = s.cluster.tries(&lax);
            assert!(
                answer.errors.contains("violates PodSecurity"),
                "{values} without {setting}: {}",
                answer.text()
            );
        }
    }
    // The node's network is what the standard forbids, as the documentation says.
    let (answer, _) = tries("host-network");
    assert!(answer.errors.contains("host namespaces"), "{}", answer.text());
}
