//! Objects of the kinds that the webhook looks at.

use super::*;
use crate::admission::sites::{KINDS, SiteList};
use crate::gitops::site::Origin;
use crate::policy::ImageSite;

#[test]
fn every_kind_and_list_is_looked_at() {
    for kind in KINDS {
        let path: Vec<_> = kind.path().iter().map(|child| child.field()).collect();
        for list in SiteList::ALL {
            let open: String = path.iter().map(|field| format!("{field}: {{")).collect();
            let image = list.image_path().iter().rev().fold("web:1.4".to_owned(), |inner, field| {
                if inner.contains('{') || inner == "web:1.4" {
                    format!("{{{field}: {inner}}}")
                } else {
                    inner
                }
            });
            let text = format!(
                "{{apiVersion: {}, kind: {}, {open}{}: [{{name: x}}, {image}]{}}}\n",
                kind.api_version(),
                kind.kind(),
                list.field(),
                "}".repeat(path.len())
            );
            let scan = scanned(&text);
            assert_eq!(scan.sites.len(), 1, "{text}: {:?}", problems(&scan));
            let site = &scan.sites[0];
            let field = format!("{}.{}[1].{}", path.join("."), list.field(), list.image_path().join("."));
            assert_eq!((site.field.as_str(), site.image_site), (field.as_str(), list.image_site()));
            assert_eq!(site.place.column, text.find("web:1.4").unwrap() + 1);
        }
    }
}

#[test]
fn any_version_of_a_group_is_taken_and_no_other_group() {
    let pod = "spec: {template: {spec: {containers: [{image: web}]}}}";
    for (api_version, count) in [
        ("apps/v1", 1),
        ("apps/v1beta1", 1),
        ("v1", 0),
        ("extensions/v1beta1", 0),
        ("apps/v1/x", 0),
        ("/v1", 0),
        ("''", 0),
        ("apps", 0),
    ] {
        let scan = scanned(&format!("apiVersion: {api_version}\nkind: Deployment\n{pod}\n"));
        assert_eq!(scan.sites.len(), count, "{api_version}");
        assert_eq!(scan.notices.len(), 1 - count, "{api_version}");
    }
    let job = "jobTemplate: {spec: {template: {spec: {containers: [{image: web}]}}}}";
    assert_eq!(sites(&format!("apiVersion: batch/v1beta1\nkind: CronJob\nspec: {{{job}}}\n")).len(), 1);
}

#[test]
fn sites_stand_in_the_order_of_the_text() {
    let text = "\
# none
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop}
spec:
  containers:
  - image: 'web:1'
    name: x
  - name: patch
  - {name: none, image: null}
  volumes:
  - {name: v, image: {reference: data:1}}
  - {name: w, emptyDir: {}}
  initContainers:
  - image: &i !!str \"init:1\"
---
---
- {op: replace, path: /spec/containers/0/image, value: web}
---
apiVersion: v1
kind: Pod
metadata: {generateName: b-}
spec:
  containers:
  - image: >-
      web:2
";
    let scan = scanned(text);
    assert_eq!(problems(&scan), [""; 0]);
    assert_eq!(
        lines(&scan),
        [
            "8:12 spec.containers[0].image web:1",
            "13:34 spec.volumes[0].image.reference data:1",
            "16:21 spec.initContainers[0].image init:1",
            "27:7 spec.containers[0].image web:2",
        ]
    );
    let [first, .., last] = &scan.sites[..] else { panic!("{:?}", scan.sites) };
    assert_eq!((first.namespace.as_str(), first.object.name.as_str()), ("shop", "a"));
    assert_eq!(first.object.namespace.as_deref(), Some("shop"));
    assert_eq!((last.namespace.as_str(), last.object.name.as_str()), ("default", "b-"));
    assert_eq!(last.object.namespace, None);
    assert_eq!(last.image_site, ImageSite::Containers);
}

#[test]
fn lists_are_opened_at_any_depth() {
    let pod =
        |image: &str| format!("{{apiVersion: v1, kind: Pod, spec: {{containers: [{{image: {image}}}]}}}}");
    let inner = format!("{{apiVersion: v1, kind: List, items: [{}, null, {}]}}", pod("b"), pod("c"));
    let text = format!("{{apiVersion: v1, kind: List, items: [{}, {inner}]}}\n", pod("a"));
    let scan = scanned(&text);
    let images: Vec<_> = scan.sites.iter().map(|site| site.image.as_str()).collect();
    assert_eq!(images, ["a", "b", "c"]);
    assert!(
        scan.sites.iter().all(|site| site.field == "spec.containers[0].image" && site.object.kind == "Pod")
    );
    let objects = objects(&file("a.yaml", FileRole::Manifest, &text));
    let prefixes: Vec<_> = objects.iter().map(|object| object.prefix.as_str()).collect();
    assert_eq!(prefixes, ["items[0].", "items[1].items[0].", "items[1].items[2]."]);
    let typed = "apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- spec: {template: {spec: {containers: [{image: web}]}}}\n";
    assert_eq!(scanned(typed).sites[0].object.api_version, "apps/v1");
    assert_eq!(scanned(typed).sites[0].object.kind, "Deployment");
    is_problem(&scanned("apiVersion: v1\nkind: List\nitems: {}\n"), "3:8", "no list");
    is_problem(&scanned("apiVersion: v1\nkind: List\nitems: [x]\n"), "3:9", "no object");
    assert_eq!(sites("apiVersion: v1\nkind: List\nitems:\n").len(), 0);
}

#[test]
fn what_is_no_string_at_a_site_is_refused_where_it_stands() {
    let pod = |spec: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {spec}\n");
    for (spec, column, what) in [
        ("{containers: [{image: 1.4}]}", 29, "spec.containers[0].image of Pod \"a\" is 1.4 without quotes"),
        ("{containers: [{image: on}]}", 29, "no string to kubectl"),
        ("{containers: [{image: !!int 14}]}", 35, "has the tag \"tag:yaml.org,2002:int\""),
        ("{containers: [{image: !!binary d2Vi}]}", 38, "remove the tag"),
        ("{containers: [{image: ! web}]}", 31, "has the tag \"!\""),
        ("{containers: [{image: {a: b}}]}", 29, "is a mapping"),
        ("{containers: [{image: [a]}]}", 29, "is a list"),
        ("{containers: {image: a}}", 20, "spec.containers of Pod \"a\" is no list"),
        ("{containers: [a]}", 21, "spec.containers[0] of Pod \"a\" is no mapping"),
        ("{volumes: [{image: a}]}", 26, "spec.volumes[0].image of Pod \"a\" is no mapping"),
        ("[a]", 7, "spec of Pod \"a\" is no mapping"),
    ] {
        is_problem(&scanned(&pod(spec)), &format!("4:{column}"), what);
    }
    for spec in ["{containers: [{image: !!str 14}]}", "{containers: [{image: '14'}]}"] {
        assert_eq!(sites(&pod(spec)).len(), 1, "{spec}");
    }
    for spec in
        ["", "{containers: }", "{containers: []}", "{volumes: [{image: {}}]}", "{volumes: [{name: x}]}"]
    {
        assert_eq!(sites(&pod(spec)).len(), 0, "{spec}");
    }
    let object = "apiVersion: v1\nkind: Pod\nmetadata: {namespace: 7}\nspec: {containers: [{image: web}]}\n";
    is_problem(&scanned(object), "3:23", "metadata.namespace");
    let twice = scan(&[file("a.yaml", FileRole::Manifest, object)], &options(&["Pod=spec"]));
    assert_eq!(problems(&twice).len(), 1);
    is_problem(&scanned("apiVersion: v1\nkind: !!binary UG9k\n"), "2:16", "kind has a tag");
}

#[test]
fn blank_images_of_templates_are_filled_in_later_and_others_are_mistakes() {
    for (kind, spec, expected) in [
        ("v1, kind: Pod", "{containers: [{image: ''}]}", 1),
        ("v1, kind: Pod", "{containers: [{image: ' '}]}", 1),
        ("v1, kind: Pod", "{volumes: [{image: {reference: ''}}]}", 1),
        ("apps/v1, kind: Deployment", "{template: {spec: {containers: [{image: ''}]}}}", 1),
        ("apps/v1, kind: Deployment", "{template: {spec: {containers: [{image: ' '}]}}}", 0),
        ("apps/v1, kind: Deployment", "{template: {spec: {initContainers: [{image: 'web '}]}}}", 1),
        ("apps/v1, kind: Deployment", "{template: {spec: {ephemeralContainers: [{image: 'web '}]}}}", 1),
        ("apps/v1, kind: Deployment", "{template: {spec: {volumes: [{image: {reference: ''}}]}}}", 0),
    ] {
        assert_eq!(
            sites(&format!("{{apiVersion: {kind}, spec: {spec}}}\n")).len(),
            expected,
            "{kind} {spec}"
        );
    }
}

#[test]
fn other_kinds_with_containers_are_named() {
    let text = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      \
                containers:\n      - image: web\n---\napiVersion: v1\nkind: ConfigMap\ndata: {image: web}\n";
    let scan = scanned(text);
    assert_eq!(scan.sites.len(), 0);
    assert_eq!(
        scan.notices,
        [
            "a.yaml:7:7: Rollout \"web\" holds containers and is not looked at; name its images with --image-path \
         Rollout.argoproj.io=spec.template.spec"
        ]
    );
}

#[test]
fn renderers_say_where_an_object_is_from() {
    let pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: web}]}\n";
    let origin = "metadata:\n  annotations:\n    config.kubernetes.io/origin: |\n      path: base/web.yaml\n      repo: \
                  git.example.com/web\n      ref: v1\n";
    let text = format!(
        "---\n# Source: shop/templates/web.yaml\n{pod}---\n{pod}---\n# Source: shop/templates/b.yaml\n{pod}{origin}"
    );
    let scan = scanned(&text);
    let origins: Vec<_> = scan.sites.iter().map(|site| site.origin.clone()).collect();
    let helm = Origin { path: "shop/templates/web.yaml".to_owned(), repository: None };
    let kustomize =
        Origin { path: "base/web.yaml".to_owned(), repository: Some("git.example.com/web".to_owned()) };
    assert_eq!(origins, [Some(helm), None, Some(kustomize)]);
}

#[test]
fn labels_of_namespaces_are_taken() {
    let namespace = |labels: &str| {
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {labels}}}\n")
    };
    let scan = scanned(&namespace("{env: prod}"));
    let expected = [("env", "prod"), ("kubernetes.io/metadata.name", "shop")];
    let expected = Labels::from(expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(*scan.namespaces["shop"], expected);
    is_problem(&scanned(&namespace("{env: on}")), "3:38", "metadata.labels['env']");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {namespace: shop}\nspec: {containers: [{image: web}]}\n";
    let (one, two) = (namespace("{env: prod}"), namespace("{env: test}"));
    let twice = scanned(&format!("{one}---\n{pod}---\n{two}"));
    is_problem(&twice, "10:1", "other labels than at a.yaml:1:1");
    assert!(twice.namespaces.is_empty());
    assert_eq!(problems(&scanned(&format!("{one}---\n{two}"))), [""; 0]);
    assert_eq!(scanned(&format!("{one}---\n{pod}---\n{one}")).namespaces.len(), 1);
}

#[test]
fn files_of_sops_are_frozen() {
    let pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: web}]}\n";
    for (sops, count) in [
        ("sops:\n  mac: ENC[x]\n", 1),
        ("sops:\n  mac: ENC[x]\n  mac_only_encrypted: true\n", 0),
        ("sops:\n  mac: ENC[x]\n  mac_only_encrypted: false\n", 1),
        ("sops: {version: 3}\n", 0),
    ] {
        let scan = scanned(&format!("{pod}{sops}"));
        assert_eq!((scan.frozen.len(), scan.sites.len()), (count, 1), "{sops}");
        assert!(scan.frozen.iter().all(|frozen| frozen.place.to_string() == "4:1"));
    }
}
