//! The parts of `docs/gitops.md` and `examples/` that need helm and kustomize, run as they stand. The others are in
//! `tests/gitops/examples.rs`.

use std::fs;

use serde_json::Value;

use crate::harness::*;
use crate::support::shop::{Shop, blocks, copy, examples};

fn shop() -> Shop {
    let shop = Shop::new(tagseal_binary());
    shop.has(&tool("helm"));
    shop.has(&tool("kustomize"));
    shop
}

#[test]
fn helm_charts_are_verified_pinned_and_rendered_with_digests() {
    let shop = shop();
    copy(&examples().join("helm"), &shop.file(""));
    let [values, verify, post_renderer] = <[String; 3]>::try_from(blocks("Helm")).expect("three blocks");
    let pinned = Shop::pinned("web", "1.4");
    // Before: signed, and rendered without a digest unless the plugin writes it.
    shop.sh(&verify).ends(0);
    let rendered = shop.sh(&post_renderer).ends(0);
    assert!(rendered.contains(&format!("image: registry.example.com/shop/web:{pinned}\n")), "{rendered}");
    // The values.
    shop.sh(&values).ends(0);
    let rendered = shop.sh("helm template shop chart").ends(0);
    assert!(rendered.contains(&format!("image: registry.example.com/shop/web:{pinned}\n")), "{rendered}");
    shop.sh(&verify).ends(0);
    // An unsigned tag is told with the template that it comes from.
    shop.replace("chart/values.yaml", "\"1.4\"", "\"1.5\"");
    let told = shop.sh(&verify).ends(1);
    assert!(told.contains("\n-:") && told.contains("shop/templates/deployment.yaml"), "{told}");
    let script = post_renderer.lines().last().expect("a command").to_owned();
    let told = shop.sh(&script).ends(1);
    assert!(told.contains("\"tagseal-pin\" exited with error"), "{told}");
}

#[test]
fn what_kustomize_renders_is_verified() {
    let shop = shop();
    let script = &blocks("kustomize")[0];
    shop.sh(script).ends(0);
    shop.sh("tagseal pin -f deploy --policy policy.yaml").ends(0);
    let built = shop.sh("kustomize build deploy").printed();
    assert_eq!(built.matches("@sha256:").count(), 2, "{built}");
    shop.sh(script).ends(0);
    shop.replace("deploy/kustomization.yaml", "2.0.1@", "2.0.2@");
    shop.sh(script).ends(1);
}

#[test]
fn the_plugin_of_argo_cd_pins_what_it_renders_or_fails() {
    let shop = shop();
    let file = fs::read_to_string(examples().join("argocd/plugin.yaml")).expect("the plugin");
    let plugin: Value = serde_saphyr::from_str(&file).expect("YAML");
    let generate = &plugin["spec"]["generate"];
    assert_eq!(generate["command"], serde_json::json!(["sh", "-ec"]));
    let script = generate["args"][0].as_str().expect("a script");
    let in_deploy = format!("export TAGSEAL_POLICY=../policy.yaml; cd deploy; {script}");
    let rendered = shop.sh(&in_deploy).printed();
    assert_eq!(rendered.matches("@sha256:").count(), 2, "{rendered}");
    // A kustomization that does not build must not come out as nothing.
    shop.replace("deploy/kustomization.yaml", "[web.yaml]", "[nowhere.yaml]");
    let told = shop.sh(&in_deploy).ends(1);
    assert!(told.contains("nowhere.yaml"), "{told}");
}
