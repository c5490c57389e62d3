//! `tagseal verify -f`: what it says of files in each form, and how it ends.

use std::process::Stdio;

use serde_json::{Value, json};

use super::run::{Ended, Machine, REPOSITORY, digest, policy, trust_server};
use crate::support::schemas;
use crate::support::trust_server::TrustServer;

/// A machine with `web:1.0` signed, and a policy for `registry.test`.
struct World {
    machine: Machine,
    server: TrustServer,
}

impl World {
    fn new() -> Self {
        let server = trust_server();
        let machine = Machine::of_publisher(&server);
        let world = Self { machine, server };
        world.sign("1.0", &digest("1.0"));
        world.policy("production", json!({}));
        world
    }

    fn sign(&self, tag: &str, digest: &str) {
        self.machine.trust(&format!("sign {REPOSITORY}:{tag} --digest {digest} --size 500")).done();
    }

    /// Adds to `policy.yaml`.
    fn policy(&self, name: &str, more: Value) {
        let policy = policy(name, self.server.url(), &more);
        std::fs::write(self.machine.file(&format!("{name}.policy")), policy.to_string()).unwrap();
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.machine.file(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn verify(&self, arguments: &[&str]) -> Ended {
        self.machine.run(&[&["verify", "--policy", "production.policy"], arguments].concat())
    }

    fn verify_stdin(&self, text: &str, arguments: &[&str]) -> Ended {
        self.write("stdin", text);
        let arguments = [&["verify", "--policy", "production.policy", "-f", "-"], arguments].concat();
        let mut command = self.machine.command(&arguments);
        command.stdin(Stdio::from(std::fs::File::open(self.machine.file("stdin")).unwrap()));
        Ended::of(&arguments.join(" "), command.output().unwrap())
    }
}

fn pod(name: &str, image: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  containers:\n  - name: web\n    image: {image}\n"
    )
}

fn parsed(ended: &Ended) -> Value {
    serde_json::from_str(&ended.printed()).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

fn all(report: &Value, field: &str) -> Vec<Value> {
    report.as_array().unwrap().iter().map(|element| element[field].clone()).collect()
}

#[test]
fn each_site_is_an_element_at_its_place() {
    let world = World::new();
    world.write("a.yaml", &pod("one", &format!("\"{REPOSITORY}:1.0\"")));
    world.write(
        "b.yaml",
        &format!("{}---\n{}", pod("two", &format!("{REPOSITORY}:9.9")), pod("three", "other.test/x:1")),
    );
    let ended = world.verify(&["-f", "a.yaml", "b.yaml", "-o", "json"]);
    ended.failed(1);
    let report = parsed(&ended);
    assert_eq!(all(&report, "verdict"), ["Sealed", "Denied", "Unmatched"]);
    assert_eq!(all(&report, "file"), ["a.yaml", "b.yaml", "b.yaml"]);
    assert_eq!(all(&report, "line"), [7, 7, 15]);
    assert_eq!(all(&report, "column"), [12, 12, 12]);
    assert_eq!(report[0]["field"], "spec.containers[0].image");
    assert_eq!(
        report[0]["object"],
        json!({"apiVersion": "v1", "kind": "Pod", "name": "one", "namespace": "shop"})
    );
    assert_eq!(report[0]["sealed"], format!("{REPOSITORY}:1.0@{}", digest("1.0")));
    assert_eq!(report[1]["reason"], "NotSigned");
    assert_eq!(ended.errors(), "");
}

#[test]
fn a_broken_file_is_told_and_hides_no_other_and_a_denial_comes_before_it() {
    let world = World::new();
    world.write("good.yaml", &pod("one", &format!("{REPOSITORY}:1.0")));
    world.write("broken.yaml", "a: [\n");
    world.write("bad.yaml", &pod("two", &format!("{REPOSITORY}:9.9")));
    let ended = world.verify(&["-f", "broken.yaml", "good.yaml", "gone.yaml", "-o", "json"]);
    let errors = ended.failed(2);
    assert_eq!(all(&parsed(&ended), "verdict"), ["Sealed"]);
    assert!(errors.lines().any(|line| line.starts_with("broken.yaml:1:4: not YAML: ")), "{errors}");
    assert!(errors.lines().any(|line| line.starts_with("gone.yaml: ")), "{errors}");
    world.verify(&["-f", "broken.yaml", "bad.yaml", "-o", "json"]).failed(1);
    let junit = world.verify(&["-f", "broken.yaml", "bad.yaml", "-o", "junit"]);
    assert_eq!(schemas::junit(&junit.printed()).attribute("errors"), "1");
}

#[test]
fn each_form_holds_to_its_schema() {
    let world = World::new();
    let moved = format!("{REPOSITORY}:1.0@{}", digest("9.9"));
    world.write("deploy/a b.yaml", &pod("one", &format!("{REPOSITORY}:9.9")));
    world.write(
        "deploy/c.yaml",
        &format!("{}---\n{}", pod("two", &format!("{REPOSITORY}:1.0")), pod("three", &moved)),
    );
    let absolute = world.machine.path().canonicalize().unwrap().join("deploy");
    let folder = absolute.to_str().unwrap();
    let sarif = world.verify(&["-f", folder, "-o", "sarif"]);
    sarif.failed(1);
    let run = &schemas::sarif(&sarif.printed())["runs"][0];
    let uris: Vec<_> = run["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].clone())
        .collect();
    assert_eq!(uris, ["deploy/a%20b.yaml", "deploy/c.yaml"]);
    assert_eq!(run["results"][1]["ruleId"], "DigestMismatch");
    assert!(run["results"][1]["message"]["text"].as_str().unwrap().contains("tagseal pin --update"));
    let junit = schemas::junit(&world.verify(&["-f", folder, "-o", "junit"]).printed());
    assert_eq!([junit.attribute("tests"), junit.attribute("failures")], ["3", "2"]);
    assert_eq!(junit.children[0].children[0].attribute("file"), "deploy/a b.yaml");
    let github = world.verify(&["-f", "./deploy", "-o", "github"]).printed();
    let begins = "::error file=deploy/a b.yaml,line=7,col=12,title=NotSigned::";
    assert!(github.lines().next().unwrap().starts_with(begins), "{github}");
    assert_eq!(github.lines().count(), 2);
    let gitlab = schemas::code_quality(&world.verify(&["-f", "./deploy", "-o", "gitlab"]).printed());
    assert_eq!(gitlab[0]["location"], json!({"path": "deploy/a b.yaml", "lines": {"begin": 7}}));
    let text = world.verify(&["-f", "./deploy"]).printed();
    let denial = text.lines().find(|line| line.contains("NotSigned")).unwrap();
    assert!(denial.starts_with("./deploy/a b.yaml:7:12: denied "), "{text}");
}

#[test]
fn what_is_well_ends_with_0_and_has_no_results() {
    let world = World::new();
    world.write("a.yaml", &pod("one", &format!("{REPOSITORY}:1.0")));
    let sarif = world.verify(&["-f", "a.yaml", "-o", "sarif"]).done();
    assert_eq!(schemas::sarif(&sarif)["runs"][0]["results"], json!([]));
    assert_eq!(world.verify(&["-f", "a.yaml", "-o", "github"]).done(), "");
    let ended = world.verify_stdin("", &[]);
    assert_eq!(ended.done(), "");
    assert_eq!(ended.errors(), "tagseal: the files name no image\n");
    assert_eq!(world.verify_stdin("", &["-o", "json"]).done(), "[]\n");
}

#[test]
fn a_server_that_is_away_leaves_images_undecided() {
    let world = World::new();
    world.policy("production", json!({"notary": {"server": "http://127.0.0.1:9"}}));
    let text = pod("one", &format!("{REPOSITORY}:1.0"));
    let ended = world.verify_stdin(&text, &["-o", "sarif"]);
    ended.failed(2);
    let run = &schemas::sarif(&ended.printed())["runs"][0];
    assert_eq!(run["results"], json!([]));
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let told = &run["invocations"][0]["toolExecutionNotifications"][0];
    assert_eq!(told["associatedRule"]["id"], "TrustServerUnreachable");
    let junit = schemas::junit(&world.verify_stdin(&text, &["-o", "junit"]).printed());
    assert_eq!(junit.children[0].children[0].children[0].attribute("type"), "TrustServerUnreachable");
    assert_eq!(junit.attribute("errors"), "1");
}

#[test]
fn a_policy_that_writes_no_digest_wants_it_in_the_file() {
    let world = World::new();
    world.policy("production", json!({"mutation": "None"}));
    let ended = world.verify_stdin(&pod("one", &format!("{REPOSITORY}:1.0")), &["-o", "json"]);
    ended.failed(1);
    assert_eq!(parsed(&ended)[0]["reason"], "NotSealed");
    world.verify_stdin(&pod("one", &format!("{REPOSITORY}:1.0@{}", digest("1.0"))), &[]).done();
}

#[test]
fn what_a_controller_owns_is_asked_for_no_digest_but_a_pod_is() {
    let world = World::new();
    world.policy("production", json!({"mutation": "None"}));
    let owned = |kind: &str, controller: &str, spec: &str| {
        format!(
            "apiVersion: {}\nkind: {kind}\nmetadata:\n  name: web\n  ownerReferences:\n  - {{controller: {controller}}}\nspec: {spec}\n",
            if kind == "Pod" { "v1" } else { "apps/v1" }
        )
    };
    let pod = format!("{{containers: [{{name: web, image: '{REPOSITORY}:1.0'}}]}}");
    let template = format!("{{template: {{spec: {pod}}}}}");
    let said = |text: &str| {
        let answer = parsed(&world.verify_stdin(text, &["-o", "json"]));
        answer[0]["reason"].as_str().unwrap_or("passes").to_owned()
    };
    for controller in ["true", "True", "yes"] {
        assert_eq!(said(&owned("ReplicaSet", controller, &template)), "passes", "{controller}");
    }
    for controller in ["false", "'true'", "!!str true", "null"] {
        assert_eq!(said(&owned("ReplicaSet", controller, &template)), "NotSealed", "{controller}");
    }
    assert_eq!(said(&owned("Pod", "true", &pod)), "NotSealed");
    let unsigned = owned("ReplicaSet", "true", &template.replace(":1.0", ":9.9"));
    assert_eq!(said(&unsigned), "NotSigned");
}

#[test]
fn labels_of_namespaces_in_the_input_count() {
    let world = World::new();
    world.policy("production", json!({"namespaceSelector": {"matchLabels": {"stage": "live"}}}));
    let unsigned = pod("one", &format!("{REPOSITORY}:9.9"));
    let namespace = |stage: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{stage: {stage}}}}}\n---\n{unsigned}"
        )
    };
    world.verify_stdin(&namespace("live"), &[]).failed(1);
    world.verify_stdin(&namespace("test"), &[]).done();
    // Nothing is known of it, and so the selector counts as matching.
    world.verify_stdin(&unsigned, &[]).failed(1);
    let nowhere = unsigned.replace(", namespace: shop", "");
    let label = |label| ["--namespace", "shop", "--namespace-label", label];
    world.verify_stdin(&nowhere, &label("stage=live")).failed(1);
    world.verify_stdin(&nowhere, &label("stage=test")).done();
}

#[test]
fn a_command_line_that_does_not_say_what_to_verify_or_by_what_is_an_error() {
    let world = World::new();
    world.write("a.yaml", &pod("one", &format!("{REPOSITORY}:1.0")));
    let image = format!("{REPOSITORY}:1.0");
    for (arguments, told) in [
        (&["verify", "-f", "a.yaml"][..], "--policy"),
        (&["verify", "--policy", "production.policy"], "IMAGES"),
        (&["verify", &image, "-f", "a.yaml", "--policy", "production.policy"], "cannot be used with"),
        (&["verify", &image, "--policy", "production.policy", "-o", "sarif"], "-f"),
        (&["verify", "-f", "-", "--policy", "-"], "standard input"),
    ] {
        let errors = world.machine.run(arguments).failed(2);
        assert!(errors.contains(told), "{arguments:?}: {errors}");
    }
}

#[test]
fn files_without_policies_are_told() {
    let world = World::new();
    world.write("a.yaml", &pod("a", &format!("{REPOSITORY}:1.0")));
    world.write("none.yaml", "# to be written\n");
    let told = "tagseal: the policy files hold no policies: every image is unmatched\n";
    let with = |arguments: &[&str]| {
        world.machine.run(&[&["verify", "-f", "a.yaml", "--policy", "none.yaml"], arguments].concat())
    };
    let ended = with(&[]);
    assert!(ended.done().contains(": unmatched "));
    assert_eq!(ended.errors(), told);
    assert_eq!(with(&["--unmatched-images", "Deny"]).failed(1), told);
    let beside = world.verify(&["-f", "a.yaml", "--policy", "none.yaml"]);
    beside.done();
    assert_eq!(beside.errors(), "");
}
