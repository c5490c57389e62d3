//! `tagseal krm`: what a function returns, what it says, and how it ends.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use super::run::{Machine, REPOSITORY, digest, policy, trust_server};

struct World {
    machine: Machine,
    server: String,
}

impl World {
    fn new() -> Self {
        let server = trust_server();
        let machine = Machine::of_publisher(&server);
        let world = Self { machine, server: server.url().to_owned() };
        world.sign("1.0", "1.0");
        std::fs::write(world.machine.file("policy.yaml"), world.policy().to_string()).unwrap();
        world
    }

    fn sign(&self, tag: &str, content: &str) {
        self.machine.sign(tag, content);
    }

    fn policy(&self) -> Value {
        policy("production", &self.server, &json!({}))
    }

    fn krm(&self, input: &str, more: &[&str]) -> Output {
        let mut command = self.machine.command(&[&["krm"], more].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may end before it has read all.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn sealed() -> String {
    format!("{REPOSITORY}:1.0@{}", digest("1.0"))
}

const CONFIG: &str = "functionConfig:\n  apiVersion: fn.tagseal.dev/v1alpha1\n  kind: KIND\n  metadata: {name: x}\n  spec:\n    policyFiles: [policy.yaml]\n";

fn list(kind: &str, image: &str) -> String {
    format!(
        "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: p\n    \
         namespace: shop\n    annotations:\n      internal.config.kubernetes.io/path: a/pod.yaml\n      \
         internal.config.kubernetes.io/index: '2'\n      config.kubernetes.io/path: wrong.yaml\n  spec:\n    containers:\n    - name: c  # main\n      \
         image: \"{image}\"\n{}",
        CONFIG.replace("KIND", kind)
    )
}

#[test]
fn pins_are_written_in_place_and_told_in_results() {
    let world = World::new();
    let image = format!("{REPOSITORY}:1.0");
    let output = world.krm(&list("PinImages", &image), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let results = format!(
        "results:\n- field:\n    currentValue: \"{image}\"\n    path: \"spec.containers[0].image\"\n    proposedValue: \"{}\"\n  file:\n    \
         index: 2\n    path: \"a/pod.yaml\"\n  message: \"pinned {image} to {}\"\n  resourceRef:\n    apiVersion: \"v1\"\n    kind: \"Pod\"\n    \
         name: \"p\"\n    namespace: \"shop\"\n  severity: \"info\"\n",
        sealed(),
        sealed()
    );
    assert_eq!(text(&output.stdout), list("PinImages", &sealed()) + &results);
    assert_eq!(text(&output.stderr), "");
    // Nothing to do: nothing is added.
    let again = world.krm(&list("PinImages", &sealed()), &[]);
    assert_eq!(text(&again.stdout), list("PinImages", &sealed()));
}

#[test]
fn a_denied_image_leaves_every_item_and_is_told_on_standard_error_too() {
    let world = World::new();
    let two = list("PinImages", &format!("{REPOSITORY}:none"))
        .replace("functionConfig", &format!("- {{apiVersion: v1, kind: Pod, spec: {{containers: [{{image: {REPOSITORY}:1.0}}]}}}}\nfunctionConfig"));
    let output = world.krm(&two, &[]);
    assert_eq!(output.status.code(), Some(1));
    let out = text(&output.stdout);
    assert!(out.starts_with(&two), "{out}");
    assert!(
        out.contains("  severity: \"error\"\n  tags:\n    reason: \"NotSigned\"\n")
            && !out.contains("\"info\""),
        "{out}"
    );
    let errors = text(&output.stderr);
    assert!(
        errors.contains("-:16:14: Pod shop/p, spec.containers[0].image") && errors.contains("NotSigned"),
        "{errors}"
    );
}

#[test]
fn a_validator_changes_nothing_and_may_return_no_items() {
    let world = World::new();
    let image = format!("{REPOSITORY}:1.0");
    let output = world.krm(&list("VerifyImages", &image), &[]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), list("VerifyImages", &image)));
    let none = list("VerifyImages", &image) + "    output: None\n";
    let output = world.krm(&none, &[]);
    let bare = "apiVersion: \"config.kubernetes.io/v1\"\nkind: ResourceList\nitems: []\n";
    assert_eq!((output.status.code(), &*text(&output.stdout)), (Some(0), bare));
    let output = world.krm(&none.replace(":1.0", ":none"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).starts_with(bare) && text(&output.stderr).contains("NotSigned"));
}

#[test]
fn policies_may_stand_in_the_configuration_or_be_named_by_flags() {
    let world = World::new();
    let items = format!(
        "\"items\": [{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {{\"containers\": [{{\"image\": \"{REPOSITORY}:1.0\"}}]}}}}]"
    );
    let json = |config: &str| {
        format!(
            "{{\"apiVersion\": \"config.kubernetes.io/v1alpha1\", \"kind\": \"ResourceList\", {items}{config}}}"
        )
    };
    let inline = format!(
        ", \"functionConfig\": {{\"apiVersion\": \"fn.tagseal.dev/v1alpha1\", \"kind\": \"PinImages\", \"spec\": {{\"policies\": [{}]}}}}",
        world.policy()
    );
    let map = ", \"functionConfig\": {\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"data\": {\"policyFiles\": \"policy.yaml\"}}";
    for (config, flags) in [(&*inline, &[][..]), (map, &[]), ("", &["--policy", "policy.yaml"])] {
        let output = world.krm(&json(config), flags);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(value["items"][0]["spec"]["containers"][0]["image"], sealed());
        assert_eq!(value["apiVersion"], "config.kubernetes.io/v1alpha1");
        assert_eq!(value["results"][0]["severity"], "info");
    }
}

#[test]
fn a_problem_without_an_image_names_its_item_and_its_file() {
    let world = World::new();
    let item = |name: &str, spec: &str| {
        format!(
            "- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: {name}\n    annotations: {{config.kubernetes.io/path: {name}.yaml}}\n  spec: {spec}\n"
        )
    };
    let items = item("good", "{containers: []}") + &item("bad", "{containers: web}") + &item("last", "{}");
    // What follows the items is in none of them.
    let text = format!(
        "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n{items}functionConfig:\n  apiVersion: v1\n  kind: ConfigMap\n  \
         metadata: {{name: f}}\n  data: {{policyFiles: policy.yaml}}\n"
    );
    let output = world.krm(&text, &[]);
    assert_eq!(output.status.code(), Some(2), "{}", self::text(&output.stderr));
    let list: Value = serde_saphyr::from_str(&self::text(&output.stdout)).expect("YAML");
    let result = &list["results"][0];
    assert_eq!((list["results"].as_array().map(Vec::len), &result["severity"]), (Some(1), &json!("error")));
    assert_eq!(result["resourceRef"], json!({"apiVersion": "v1", "kind": "Pod", "name": "bad"}));
    assert_eq!(result["file"], json!({"path": "bad.yaml"}));
}

#[test]
fn what_cannot_be_read_or_decided_ends_with_2_and_says_where() {
    let world = World::new();
    for (input, what) in [
        ("a: [", "-:1:"),
        ("a: b\n", "-:1:1: "),
        (&*list("SealImages", "x"), "functionConfig.kind: \"SealImages\""),
        (&list("PinImages", "x").replace("policyFiles: [policy.yaml]", "policies: [{apiVersion: tagseal.dev/v1alpha1, kind: ClusterTrustPolicy, metadata: {name: x}, spec: {}}]"), "-:22:104: spec.images"),
        (&list("PinImages", "x").replace("    policyFiles: [policy.yaml]\n", "    namespace: a\n"), "no policies: name them"),
        (&list("PinImages", "x").replace("policy.yaml", "absent.yaml"), "absent.yaml"),
        (&list("PinImages", "x").replace("image: \"x\"", "image: {a: b}"), "-:16:"),
    ] {
        let output = world.krm(input, &[]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{input}\n{errors}");
        assert!(errors.contains(what), "{input}\n{errors}");
    }
}

#[test]
fn update_moves_a_pin_and_the_namespace_and_paths_come_from_the_configuration() {
    let world = World::new();
    let before = sealed();
    world.sign("1.0", "2.0");
    let moved = format!("{REPOSITORY}:1.0@{}", digest("2.0"));
    let input = list("PinImages", &before) + "    update: true\n";
    let output = world.krm(&input, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains(&format!("image: \"{moved}\"")), "{}", text(&output.stdout));
    let rollout = list("PinImages", &format!("{REPOSITORY}:1.0"))
        .replace("apiVersion: v1\n  kind: Pod", "apiVersion: argoproj.io/v1alpha1\n  kind: Rollout")
        + "    imagePaths: [Rollout.argoproj.io=spec]\n";
    let output = world.krm(&rollout, &[]);
    assert!(
        text(&output.stdout).contains(&format!("image: \"{moved}\"")),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn standard_input_is_the_list_and_no_policy() {
    let world = World::new();
    let why = "tagseal: standard input is the ResourceList: name a file for the policies\n";
    let input = list("PinImages", "x");
    for (input, more) in
        [(input.replace("[policy.yaml]", "['-']"), &[][..]), (world.policy().to_string(), &["--policy", "-"])]
    {
        let output = world.krm(&input, more);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), why.to_owned()));
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn an_object_without_a_name_is_told_by_its_kind() {
    let world = World::new();
    let input = list("PinImages", &format!("{REPOSITORY}:9")).replace("    name: p\n", "");
    let output = world.krm(&input, &[]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let told = format!("-:15:14: Pod, spec.containers[0].image: {REPOSITORY}:9: ");
    assert!(errors.starts_with(&told), "{errors}");
}
