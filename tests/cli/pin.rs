//! `tagseal pin`: what it writes, what it leaves, what it says, and how it ends.

mod broken;
mod killed;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use super::run::{Ended, Machine, REPOSITORY, digest, policy, trust_server};
use crate::support::trust_server::TrustServer;

/// A machine with some tags of one repository signed, and a policy that asks for them.
struct World {
    machine: Machine,
    server: String,
}

impl World {
    fn new() -> Self {
        Self::on(&trust_server())
    }

    fn on(server: &TrustServer) -> Self {
        let machine = Machine::of_publisher(server);
        let world = Self { machine, server: server.url().to_owned() };
        world.sign("1.0", "1.0");
        world.sign("latest", "latest");
        world.policy(json!({}));
        world
    }

    fn sign(&self, tag: &str, content: &str) {
        self.machine.sign(tag, content);
    }

    fn policy(&self, more: Value) {
        self.write("policy.yaml", &policy("production", &self.server, &more).to_string());
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.machine.file(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[track_caller]
    fn holds(&self, file: &str, text: &str) {
        assert_eq!(fs::read_to_string(self.machine.file(file)).unwrap(), text, "{file}");
    }

    fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&["pin"], more, &["--policy", "policy.yaml"]].concat()
    }

    fn pin(&self, more: &[&str]) -> Ended {
        self.machine.run(&Self::arguments(more))
    }

    /// With this standard input.
    fn pipe(&self, input: &str, more: &[&str]) -> Output {
        let mut command = self.machine.command(&Self::arguments(more));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may end before it has read all.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().unwrap()
    }
}

/// The reference with a tag, and the same with its digest.
fn image(tag: &str) -> String {
    format!("{REPOSITORY}:{tag}")
}

fn sealed(tag: &str) -> String {
    format!("{}@{}", image(tag), digest(tag))
}

fn deployment(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  template:\n    spec:\n      containers:\n      - name: web\n        image: {image}   # the image\n"
    )
}

#[test]
fn signed_images_are_pinned_in_place_and_a_second_run_changes_nothing() {
    let world = World::new();
    world.write("a.yaml", &deployment(&image("1.0")));
    world.write(
        "b/c.yml",
        &format!("\u{feff}{}", deployment(&format!("'{REPOSITORY}'")).replace('\n', "\r\n")),
    );
    world.write("b/d.yaml", &deployment("nginx"));
    let told = world.pin(&["-f", "a.yaml", "b"]).done();
    let wanted = format!(
        "a.yaml:10:16: pinned {} to {}\nb/c.yml:10:16: pinned {REPOSITORY} to {}\n",
        image("1.0"),
        sealed("1.0"),
        sealed("latest")
    );
    assert_eq!(told, wanted);
    world.holds("a.yaml", &deployment(&sealed("1.0")));
    world.holds(
        "b/c.yml",
        &format!("\u{feff}{}", deployment(&format!("'{}'", sealed("latest"))).replace('\n', "\r\n")),
    );
    world.holds("b/d.yaml", &deployment("nginx"));

    let modified = |file| fs::metadata(world.machine.file(file)).unwrap().modified().unwrap();
    let before = [modified("a.yaml"), modified("b/c.yml")];
    let again = world.pin(&["-f", "a.yaml", "-f", "b"]);
    assert_eq!(again.done(), "");
    assert_eq!(again.errors(), "b/d.yaml:10:16: nginx is left as it is: no policy matches it\n");
    assert_eq!([modified("a.yaml"), modified("b/c.yml")], before);
}

#[test]
fn where_one_image_is_refused_no_file_is_written() {
    let world = World::new();
    world.write("a.yaml", &deployment(&image("1.0")));
    world.write("b.yaml", &deployment(&image("9.9")));
    world.write("c.yaml", "a: [\n");
    world.write("d.yaml", &deployment(&format!("{}@{}", image("1.0"), digest("other"))));
    world.write("e.yaml", &deployment("'${IMAGE}'"));
    let told = world.pin(&["-f", "a.yaml", "b.yaml", "c.yaml", "d.yaml", "e.yaml", "missing.yaml"]).failed(1);
    let lines: Vec<_> = told.lines().collect();
    let has =
        |begin: &str, what: &str| lines.iter().any(|line| line.starts_with(begin) && line.contains(what));
    assert!(has("missing.yaml: ", "no such file"), "{told}");
    assert!(has("c.yaml:1:4: ", "not YAML"), "{told}");
    assert!(has(&format!("b.yaml:10:16: {} (", image("9.9")), "NotSigned: "), "{told}");
    assert!(has("d.yaml:10:16: ", "DigestMismatch: ") && has("d.yaml:10:16: ", "--update"), "{told}");
    assert!(has("e.yaml:10:16: ", "InvalidReference: "), "{told}");
    assert_eq!(lines.len(), 5, "{told}");
    world.holds("a.yaml", &deployment(&image("1.0")));
    // Without what is not trusted: could not.
    world.pin(&["-f", "a.yaml", "c.yaml"]).failed(2);
    world.pin(&["-f", "a.yaml", "missing.yaml"]).failed(2);
    world.holds("a.yaml", &deployment(&image("1.0")));
    world.pin(&["-f", "a.yaml"]).done();
}

#[test]
fn what_could_not_be_decided_is_2_and_nothing_is_written() {
    let world = World::new();
    world.policy(json!({"notary": {"server": "http://127.0.0.1:1"}}));
    world.write("a.yaml", &deployment(&image("1.0")));
    let told = world.pin(&["-f", "a.yaml"]).failed(2);
    assert!(told.starts_with("a.yaml:10:16: ") && told.contains("TrustServerUnreachable: "), "{told}");
    world.holds("a.yaml", &deployment(&image("1.0")));
}

#[test]
fn update_moves_what_is_signed_otherwise_now() {
    let world = World::new();
    world.write("a.yaml", &deployment(&image("1.0")));
    world.pin(&["-f", "a.yaml"]).done();
    world.sign("1.0", "anew");
    let moved = format!("{}@{}", image("1.0"), digest("anew"));
    let told = world.pin(&["-f", "a.yaml", "--update", "--dry-run"]).done();
    let line = |verb: &str| {
        format!("a.yaml:10:16: {verb} {} from {} to {}\n", image("1.0"), digest("1.0"), digest("anew"))
    };
    assert_eq!(told, line("would update"));
    world.holds("a.yaml", &deployment(&sealed("1.0")));
    assert_eq!(world.pin(&["-f", "a.yaml", "--update"]).done(), line("updated"));
    world.holds("a.yaml", &deployment(&moved));
    assert_eq!(world.pin(&["-f", "a.yaml", "--update"]).done(), "");
    assert_eq!(world.pin(&["-f", "a.yaml"]).done(), "");
    // A digest alone is judged as it stands.
    world.write("a.yaml", &deployment(&format!("{REPOSITORY}@{}", digest("never"))));
    let told = world.pin(&["-f", "a.yaml", "--update"]).failed(1);
    assert!(told.contains("DigestNotSigned: "), "{told}");
}

#[test]
fn check_dry_run_and_diff_write_nothing() {
    let world = World::new();
    world.write("k8s/a.yaml", &deployment(&image("1.0")));
    world.write("k8s/b.yaml", &deployment(&sealed("1.0")));
    let would = format!("k8s/a.yaml:10:16: would pin {} to {}\n", image("1.0"), sealed("1.0"));
    assert_eq!(world.pin(&["-f", "k8s", "--dry-run"]).done(), would);
    let checked = world.pin(&["-f", "k8s", "--check"]);
    assert_eq!((checked.failed(1), checked.printed()), (String::new(), would.clone()));
    let diff = format!(
        "--- a/k8s/a.yaml\n+++ b/k8s/a.yaml\n@@ -7,4 +7,4 @@\n     spec:\n       containers:\n       - name: web\n-        image: {}   # the image\n+        image: {}   # the image\n",
        image("1.0"),
        sealed("1.0")
    );
    assert_eq!(world.pin(&["-f", "k8s", "--diff"]).done(), diff);
    let checked = world.pin(&["-f", "k8s", "--diff", "--check"]);
    assert_eq!((checked.failed(1), checked.printed()), (would, diff));
    world.holds("k8s/a.yaml", &deployment(&image("1.0")));
    world.pin(&["-f", "k8s", "--check", "--dry-run"]).failed(2);

    world.write("k8s/c.yaml", "a: [\n");
    let checked = world.pin(&["-f", "k8s", "--check"]);
    assert!(checked.failed(1).contains("k8s/c.yaml:1:4: "));
    assert!(checked.printed().contains("k8s/a.yaml:10:16: would pin"));
    let refused = world.pin(&["-f", "k8s", "--diff"]);
    refused.failed(2);
    assert_eq!(refused.printed(), "");

    fs::remove_file(world.machine.file("k8s/c.yaml")).unwrap();
    world.pin(&["-f", "k8s"]).done();
    assert_eq!(world.pin(&["-f", "k8s", "--check"]).done(), "");
    assert_eq!(world.pin(&["-f", "k8s", "--check", "--diff"]).done(), "");
}

#[test]
fn of_standard_input_the_result_is_all_that_is_printed() {
    let world = World::new();
    let (before, after) = (deployment(&image("1.0")), deployment(&sealed("1.0")));
    let printed = |input: &str, more: &[&str], status: i32| {
        let output = world.pipe(input, more);
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let pinned = format!("-:10:16: pinned {} to {}\n", image("1.0"), sealed("1.0"));
    assert_eq!(printed(&before, &["-f", "-"], 0), (after.clone(), pinned));
    assert_eq!(printed(&after, &["-f", "-", "-"], 0), (after.clone(), String::new()));
    let (out, told) = printed(&deployment(&image("9.9")), &["-f", "-"], 1);
    assert!(out.is_empty() && told.starts_with("-:10:16: ") && told.contains("NotSigned"), "{told}");
    let (out, told) = printed("a: [", &["-f", "-"], 2);
    assert!(out.is_empty() && told.starts_with("-:1:4: not YAML"), "{told}");
    let (out, told) = printed(&before, &["-f", "-", "--check"], 1);
    assert!(out.is_empty() && told.starts_with("-:10:16: would pin "), "{told}");
    let (out, _) = printed(&before, &["-f", "-", "--diff"], 0);
    assert!(out.starts_with("--- a/-\n+++ b/-\n"), "{out}");

    // A file beside it is written, and standard output still is the result alone.
    world.write("a.yaml", &before);
    assert_eq!(printed(&before, &["-f", "a.yaml", "-"], 0).0, after);
    world.holds("a.yaml", &after);
    let (out, told) = printed(&before, &["-f", "-", "-o", "json"], 2);
    assert!(out.is_empty() && told.contains("add --dry-run, --check or --diff"), "{told}");
    let (out, _) = printed(&before, &["-f", "-", "-o", "json", "--dry-run"], 0);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()[0]["file"], "-");
    let (_, told) = printed(&before, &["-f", "-", "--policy", "-"], 2);
    assert!(told.contains("either a manifest or a policy"), "{told}");
}

#[test]
fn json_has_every_file_with_what_was_pinned() {
    let world = World::new();
    world.write("a.yaml", &deployment(&image("1.0")));
    world.write("b.yaml", &deployment("nginx"));
    let answer = world.pin(&["-f", "a.yaml", "b.yaml", "-o", "json"]).json();
    let pin = json!({
        "line": 10, "column": 16, "field": "spec.template.spec.containers[0].image",
        "object": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": null},
        "image": image("1.0"), "sealed": sealed("1.0"), "digest": digest("1.0"), "from": null,
    });
    let wanted = json!([
        {"file": "a.yaml", "changes": true, "written": true, "pins": [pin], "refused": [], "problems": []},
        {"file": "b.yaml", "changes": false, "written": false, "pins": [], "refused": [], "problems": []},
    ]);
    assert_eq!(answer, wanted);
    world.holds("a.yaml", &deployment(&sealed("1.0")));

    world.write("a.yaml", &deployment(&image("1.0")));
    world.write("b.yaml", &deployment(&image("9.9")));
    let ended = world.pin(&["-f", "a.yaml", "b.yaml", "missing", "-o", "json", "--diff"]);
    ended.failed(1);
    let answer: Value = serde_json::from_str(&ended.printed()).unwrap();
    assert_eq!((&answer[0]["changes"], &answer[0]["written"]), (&json!(true), &json!(false)));
    assert!(answer[0]["diff"].as_str().unwrap().starts_with("--- a/a.yaml\n"), "{answer}");
    assert_eq!(answer[1]["refused"][0]["reason"], "NotSigned");
    assert_eq!((&answer[2]["file"], &answer[2]["problems"][0]["line"]), (&json!("missing"), &json!(null)));
}

#[test]
fn usage_that_is_wrong_is_2() {
    let world = World::new();
    world.write("a.yaml", &deployment(&image("1.0")));
    assert!(world.machine.run(&["pin", "-f", "a.yaml"]).failed(2).contains("--policy"));
    assert!(world.machine.run(&["pin", "--policy", "policy.yaml"]).failed(2).contains("-f"));
    assert!(world.pin(&["-f", "a.yaml", "--image-path", "nonsense"]).failed(2).contains("nonsense"));
    // What is wrong with the files is told beside what is wrong with a policy.
    world.write("bad.yaml", "a: [\n");
    let told = world.machine.run(&["pin", "-f", "bad.yaml", "--policy", "missing.yaml"]).failed(2);
    assert!(told.starts_with("bad.yaml:1:4: ") && told.contains("missing.yaml"), "{told}");
    fs::remove_file(world.machine.file("bad.yaml")).unwrap();
    // A policy among the files is left alone.
    world.pin(&["-f", "."]).done();
    world.holds("a.yaml", &deployment(&sealed("1.0")));
}

#[test]
fn namespaces_decide_which_policies_hold() {
    let world = World::new();
    let labelled = |env: &str| {
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: default, labels: {{env: {env}}}}}\n---\n")
    };
    world.policy(json!({"namespaceSelector": {"matchLabels": {"env": "production"}}}));
    world.write("a.yaml", &(labelled("test") + &deployment(&image("1.0"))));
    assert_eq!(world.pin(&["-f", "a.yaml", "--dry-run"]).done(), "");
    let told = world.pin(&["-f", "a.yaml", "--dry-run", "--namespace", "elsewhere"]).done();
    assert!(told.starts_with("a.yaml:14:16: would pin"), "{told}");
    let told = world.pin(&["-f", "a.yaml", "--dry-run", "--namespace-label", "env=production"]).done();
    assert!(told.starts_with("a.yaml:14:16: would pin"), "{told}");
    world.write("a.yaml", &(labelled("production") + &deployment(&image("1.0"))));
    world.pin(&["-f", "a.yaml", "--check"]).failed(1);
}

#[test]
fn mutation_none_and_warn_policies() {
    let world = World::new();
    world.write("a.yaml", &deployment(&image("1.0")));
    world.policy(json!({"mutation": "None"}));
    world.pin(&["-f", "a.yaml", "--check"]).failed(1);
    world.policy(json!({"validationActions": ["Warn"]}));
    let ended = world.pin(&["-f", "a.yaml"]);
    assert_eq!(ended.done(), "");
    assert!(ended.errors().contains("no policy says that its digest is written"), "{}", ended.errors());
    world.write("a.yaml", &deployment(&image("9.9")));
    let ended = world.pin(&["-f", "a.yaml"]);
    ended.done();
    assert!(
        ended.errors().contains("a.yaml:10:16: warning: ") && ended.errors().contains("NotSigned"),
        "{}",
        ended.errors()
    );
    let told = world.pin(&["-f", "a.yaml", "--unmatched-images", "Deny"]).failed(1);
    assert!(told.contains("NoPolicy"), "{told}");
}

#[test]
fn modes_stay_links_stay_and_nothing_is_left() {
    let world = World::new();
    world.write("real/a.yaml", &deployment(&image("1.0")));
    fs::set_permissions(world.machine.file("real/a.yaml"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink("real/a.yaml", world.machine.file("link.yaml")).unwrap();
    let told = world.pin(&["-f", "link.yaml", "real"]).done();
    assert!(told.starts_with("link.yaml:10:16: pinned") && told.lines().count() == 1, "{told}");
    assert!(fs::symlink_metadata(world.machine.file("link.yaml")).unwrap().is_symlink());
    let mode = fs::metadata(world.machine.file("real/a.yaml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    world.holds("real/a.yaml", &deployment(&sealed("1.0")));
    assert_eq!(fs::read_dir(world.machine.file("real")).unwrap().count(), 1);
}

#[test]
fn helm_values_and_kustomizations_are_pinned() {
    let world = World::new();
    let values =
        |tag: &str| format!("image:\n  registry: registry.test\n  repository: shop/web\n  tag: \"{tag}\"\n");
    let kustomization =
        |tag: &str| format!("images:\n- name: web\n  newName: {REPOSITORY}\n  newTag: \"{tag}\"\n");
    world.write("values.yaml", &values("1.0"));
    world.write("k/kustomization.yaml", &kustomization("1.0"));
    world.pin(&["-f", "k", "--helm-values", "values.yaml"]).done();
    let tag = format!("1.0@{}", digest("1.0"));
    world.holds("values.yaml", &values(&tag));
    world.holds("k/kustomization.yaml", &kustomization(&tag));
    world.pin(&["--helm-values", "values.yaml", "--check"]).done();
}
