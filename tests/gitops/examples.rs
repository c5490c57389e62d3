//! `docs/gitops.md` and `examples/`: their scripts are run as they stand, with a trust server of this process.
//! The end-to-end suite runs those that need helm and kustomize (`e2e/scenarios/readers.rs`).

use std::fs;

use crate::support::served::digest;
use crate::support::shop::{GUIDE as DOCS, Shop, blocks, copy, examples};
use serde_json::Value;

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(examples().join(name)).unwrap()).unwrap()
}

/// The script of a step of a workflow, by the step's name.
fn step(workflow: &Value, job: &str, name: &str) -> String {
    let steps = workflow["jobs"][job]["steps"].as_array().expect("steps");
    let step = steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name}"));
    step["run"].as_str().expect("a script").to_owned()
}

#[test]
fn the_guide_from_zero() {
    let shop = Shop::new(env!("CARGO_BIN_EXE_tagseal"));
    let blocks = blocks("Pin, verify, apply");
    let ours: Vec<_> = blocks.iter().filter(|block| !block.contains("kubectl")).collect();
    assert_eq!((blocks.len(), ours.len()), (5, 4));
    for block in ours {
        shop.sh(block).ends(0);
        assert!(shop.is_pinned());
    }
    let pinned = shop.read("pinned.yaml");
    assert_eq!(pinned, shop.read("deploy/web.yaml"));
}

#[test]
fn the_workflow_of_pull_requests_says_what_is_wrong_and_where() {
    let workflow = yaml("github/images.yaml");
    let report = step(&workflow, "images", "Write the report");
    let verify = step(&workflow, "images", "Verify the images");
    let check = step(&workflow, "images", "Look for images without their digest");
    let shop = Shop::new(env!("CARGO_BIN_EXE_tagseal"));
    let results = || -> Vec<Value> {
        let report: Value = serde_json::from_str(&shop.read("tagseal.sarif")).unwrap();
        report["runs"][0]["results"].as_array().expect("results").clone()
    };
    // Signed, and without digests.
    shop.sh(&report).ends(0);
    assert_eq!(results(), Vec::<Value>::new());
    shop.sh(&verify).ends(0);
    let told = shop.sh(&check).ends(1);
    assert!(
        told.contains(&format!(
            "+        image: registry.example.com/shop/web:{}",
            Shop::pinned("web", "1.4")
        )),
        "{told}"
    );
    assert!(!shop.is_pinned());
    // Pinned, as the other workflow does it.
    shop.sh(&step(&yaml("github/pin.yaml"), "pin", "Pin")).ends(0);
    assert!(shop.is_pinned());
    for script in [&report, &verify, &check] {
        shop.sh(script).ends(0);
    }
    // A tag that nobody signed.
    shop.replace("deploy/kustomization.yaml", "2.0.1@", "2.0.2@");
    shop.sh(&report).ends(0);
    let results = results();
    assert_eq!(results.len(), 1, "{results:?}");
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "deploy/kustomization.yaml");
    let told = shop.sh(&verify).ends(1);
    assert!(told.contains("\n::error file=deploy/kustomization.yaml,line=7,col=11,"), "{told}");
    shop.sh(&check).ends(1);
    // A file that cannot be read is no report of nothing.
    shop.write("deploy/broken.yaml", "a: b: c\n");
    shop.replace("deploy/kustomization.yaml", "2.0.2@", "2.0.1@");
    shop.sh(&report).ends(1);
}

#[test]
fn the_job_of_merge_requests_leaves_both_reports() {
    let job = yaml("gitlab/gitlab-ci.yml")["images"].clone();
    let lines: Vec<_> =
        job["script"].as_array().expect("a script").iter().map(|line| line.as_str().unwrap()).collect();
    let script = lines.join("\n");
    let reports = &job["artifacts"]["reports"];
    let [quality, junit] = ["codequality", "junit"].map(|kind| reports[kind].as_str().expect("a report"));
    let shop = Shop::new(env!("CARGO_BIN_EXE_tagseal"));
    shop.sh(&script).ends(1);
    shop.sh("tagseal pin -f deploy --policy policy.yaml").ends(0);
    shop.sh(&script).ends(0);
    assert_eq!(serde_json::from_str::<Value>(&shop.read(quality)).unwrap(), serde_json::json!([]));
    shop.replace("deploy/kustomization.yaml", "2.0.1@", "2.0.2@");
    shop.sh(&script).ends(1);
    let found: Value = serde_json::from_str(&shop.read(quality)).unwrap();
    assert_eq!(found[0]["location"]["path"], "deploy/kustomization.yaml");
    assert_eq!(found[0]["location"]["lines"]["begin"], 7);
    assert_eq!(shop.read(junit).matches("<failure").count(), 1);
}

#[test]
fn what_bots_write_is_mended_by_the_command_that_they_may_run() {
    let task: Value =
        serde_json::from_str(include_str!("../../examples/renovate/post-upgrade.json")).unwrap();
    let allowed: Value = serde_json::from_str(include_str!("../../examples/renovate/bot.json")).unwrap();
    let command = task["postUpgradeTasks"]["commands"][0].as_str().unwrap();
    let pattern = allowed["allowedCommands"][0].as_str().unwrap();
    assert_eq!(pattern, format!("^{}$", command.replace('.', "\\.")));
    assert_eq!(blocks("With Renovate and other bots"), [format!("{command}\n")]);
    let shop = Shop::new(env!("CARGO_BIN_EXE_tagseal"));
    let other = digest("somebody else's");
    shop.replace("deploy/web.yaml", "shop/web:1.4", &format!("shop/web:1.4@{other}"));
    let told = shop.sh("tagseal verify -f deploy --policy policy.yaml").ends(1);
    assert!(told.contains("DigestMismatch"), "{told}");
    shop.sh(command).ends(0);
    assert!(shop.is_pinned());
}

#[test]
fn images_of_flux_and_of_helm_values_are_pinned() {
    let shop = Shop::new(env!("CARGO_BIN_EXE_tagseal"));
    copy(&examples().join("flux"), &shop.file(""));
    let flux = blocks("With Flux");
    assert_eq!(flux.len(), 1);
    shop.sh(&flux[0]).ends(0);
    assert!(shop.read("shop.yaml").contains(&format!("newTag: {}", Shop::pinned("cart", "2.0.1"))));
    copy(&examples().join("helm"), &shop.file(""));
    let helm = &blocks("Helm")[0];
    shop.sh(helm).ends(0);
    let expected = format!("  digest: \"{}\" # filled by tagseal pin\n", digest("web:1.4"));
    assert!(shop.read("chart/values.yaml").contains(&expected), "{}", shop.read("chart/values.yaml"));
}

#[test]
fn the_guide_names_every_example() {
    for folder in ["argocd", "flux", "github", "gitlab", "renovate", "helm/tagseal-pin"] {
        for entry in fs::read_dir(examples().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(DOCS.contains(&name), "docs/gitops.md says nothing of examples/{folder}/{name}");
        }
    }
}

#[test]
fn the_jobs_that_test_policies_run_as_they_stand() {
    let shop = Shop::new(env!("CARGO_BIN_EXE_tagseal"));
    copy(&examples().join("policy-tests"), &shop.file("policies"));
    fs::rename(shop.file("policies/test.yaml"), shop.file("policies/web.test.yaml")).unwrap();
    let (_, section) = DOCS.split_once("\n### In a pull request\n").expect("the section");
    let blocks: Vec<Value> = (section.split("```yaml\n").skip(1))
        .map(|block| serde_saphyr::from_str(block.split("```").next().unwrap()).unwrap())
        .collect();
    let [github, gitlab] = blocks.as_slice() else { panic!("two jobs: {blocks:?}") };
    let github = github["jobs"]["policies"]["steps"][1]["run"].as_str().unwrap();
    let job = &gitlab["policies"];
    let (script, report) =
        (job["script"].as_str().unwrap(), job["artifacts"]["reports"]["junit"].as_str().unwrap());
    assert!(shop.sh(github).printed().ends_with("6 cases: 6 passed, 0 failed, 0 undecided\n"));
    shop.sh(script).ends(0);
    assert!(shop.read(report).contains(" tests=\"6\" failures=\"0\" errors=\"0\""), "{}", shop.read(report));
    // A policy that asks for less fails the test of what it must refuse.
    shop.replace("policies/web.test.yaml", "reason: NotSigned", "reason: Expired");
    let told = shop.sh(github).ends(1);
    assert!(told.contains("           reason     expected Expired, got NotSigned\n"), "{told}");
    shop.sh(script).ends(1);
    assert!(shop.read(report).contains("<failure "));
}
