//! Images that users name by their paths.

use super::*;

const ROLLOUT: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web}\n";

fn with(paths: &[&str], text: &str) -> Scan {
    scan(&[file("a.yaml", FileRole::Manifest, text)], &options(paths))
}

#[test]
fn a_path_ends_at_an_image_or_at_a_pod_spec() {
    let spec = "spec:\n  a: {containers: [{image: a:1}], initContainers: [{image: b:1}]}\n  s: [{image: c:1}, {name: x}]\n  \
                m: {x: {image: d:1}, y: {image: e:1}}\n  x.y: f:1\n  n: null\n  t: 5\n";
    let text = format!("{ROLLOUT}{spec}");
    for (path, expected) in [
        ("spec.a", "spec.a.containers[0].image a:1,spec.a.initContainers[0].image b:1"),
        (".spec.s[*].image", "spec.s[0].image c:1"),
        ("spec.m[*].image", "spec.m.x.image d:1,spec.m.y.image e:1"),
        ("spec['x.y']", "spec['x.y'] f:1"),
        ("['spec']['x.y']", "spec['x.y'] f:1"),
        ("spec.n", ""),
        ("spec.none.image", ""),
        ("spec.t.image", ""),
    ] {
        let scan = with(&[&format!("Rollout.argoproj.io={path}")], &text);
        assert_eq!(problems(&scan), [""; 0], "{path}");
        let found: Vec<_> = scan.sites.iter().map(|site| format!("{} {}", site.field, site.image)).collect();
        assert_eq!(found.join(","), expected, "{path}");
    }
    is_problem(&with(&["Rollout=spec.s"], &text), "6:6", "write spec.s[*]");
    is_problem(&with(&["Rollout=spec.s.image"], &text), "6:6", "write spec.s[*]");
    is_problem(&with(&["Rollout=spec.t"], &text), "10:6", "no string to kubectl");
}

#[test]
fn a_path_is_about_its_group_in_any_version() {
    let text = |api: &str| {
        format!(
            "apiVersion: {api}\nkind: Service\nspec: {{template: {{spec: {{containers: [{{image: a}}]}}}}}}\n"
        )
    };
    for (path, api, count) in [
        ("Service.serving.knative.dev=spec.template.spec", "serving.knative.dev/v1", 1),
        ("Service.serving.knative.dev=spec.template.spec", "serving.knative.dev/v1beta1", 1),
        ("Service.serving.knative.dev=spec.template.spec", "v1", 0),
        ("Service=spec.template.spec", "serving.knative.dev/v1", 1),
        ("Service=spec.template.spec", "v1", 1),
        ("service.serving.knative.dev=spec.template.spec", "serving.knative.dev/v1", 0),
    ] {
        let scan = with(&[path], &text(api));
        assert_eq!((scan.sites.len(), scan.notices.len()), (count, 1 - count), "{path} {api}");
    }
}

#[test]
fn known_kinds_have_more_paths_and_no_site_twice() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {annotations: {x/y: side:1}}\nspec: {containers: [{image: a}]}\n";
    let scan = with(&["Pod=metadata.annotations.x/y", "Pod=spec", "Pod=spec.containers[*].image"], text);
    assert_eq!(lines(&scan), ["3:31 metadata.annotations.x/y side:1", "4:29 spec.containers[0].image a"]);
}

#[test]
fn other_forms_are_refused() {
    for (text, what) in [
        ("Rollout", "KIND[.GROUP]=PATH"),
        ("=spec", "KIND[.GROUP]=PATH"),
        ("Rollout=", "KIND[.GROUP]=PATH"),
        ("Rollout.=spec", "KIND[.GROUP]=PATH"),
        ("Roll out=spec", "KIND[.GROUP]=PATH"),
        ("Rollout=spec..x", "empty field"),
        ("Rollout=spec.", "empty field"),
        ("Rollout=spec[0]", "square brackets"),
        ("Rollout=spec[*", "square brackets"),
        ("Rollout=spec[*]x", "square brackets"),
        ("Rollout=spec['x]", "square brackets"),
    ] {
        let error = text.parse::<ImagePath>().expect_err(text).to_string();
        assert!(error.contains(what), "{text}: {error}");
    }
}
