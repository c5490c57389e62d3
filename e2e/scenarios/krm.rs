//! `tagseal krm` as the real kustomize runs it, with the files in `examples/kustomize`, and as kpt does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::harness::*;

/// What the examples name in place of the tests' own images, trust server and root key.
const DOCUMENTED: [&str; 3] = [
    "registry.example.com/shop/",
    "https://notary.example.com",
    "5f1c0bd0e7fd9a1d5c2c6c1f63f4d9b9e7a5b2c7d0e9f8a7b6c5d4e3f2a1b0c9",
];
const EXEC: [&str; 2] = ["--enable-alpha-plugins", "--enable-exec"];
/// What takes rendered manifests.
const PIN: [&str; 5] = ["pin", "-f", "-", "--policy", "policy.yaml"];
const VERIFY: [&str; 5] = ["verify", "-f", "-", "--policy", "policy.yaml"];
const CONTAINER: [&str; 2] = ["--enable-alpha-plugins", "--network"];

/// An image that something else shows too.
const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: web, annotations: {shows: &image \"IMAGE\"}}, \
                   spec: {containers: [{name: web, image: *image}]}}";

/// Stands for docker, and runs what the image would.
const DOCKER: &str = "#!/bin/sh\necho \"$@\" >\"$0.arguments\"\nexec tagseal krm\n";

/// Signs `web:1.4` and `assets:7`, and says what takes the place of [`DOCUMENTED`].
static SHOP: LazyLock<[String; 3]> = LazyLock::new(|| {
    let (server, dir) = (suite().notary(), RUN.folder("krm-shop"));
    let signs = |name: &str, tag: &str| {
        let publisher = Publisher::new(&image(name), server, &dir);
        publisher.signs(&["targets"], tag, &digest_of(name));
        publisher
    };
    signs("assets", "7");
    [image(""), server.url().to_owned(), signs("web", "1.4").root_key_id()]
});

fn image(name: &str) -> String {
    format!("registry.test/krm/{name}")
}

/// A copy of the examples.
struct Examples(PathBuf);

impl Examples {
    fn of(test: &str) -> Self {
        let dir = RUN.folder(test);
        copies(&source_path("examples/kustomize"), &dir);
        let bin = dir.join("bin");
        fs::create_dir(&bin).expect("a folder");
        std::os::unix::fs::symlink(tagseal_binary(), bin.join("tagseal")).expect("a link to tagseal");
        fs::write(bin.join("docker"), DOCKER).expect("a script");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(bin.join("docker"), executable).expect("a script");
        Self(dir)
    }

    fn reads(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// Replaces `from`, which is in the file, by `to`.
    #[track_caller]
    fn edits(&self, file: &str, from: &str, to: &str) {
        let text = self.reads(file);
        assert!(text.contains(from), "no {from:?} in {file}: {text}");
        fs::write(self.0.join(file), text.replace(from, to)).expect("an example");
    }

    /// `kustomize build`, with tagseal in `PATH`.
    fn builds(&self, folder: &str, flags: &[&str]) -> Answer {
        let mut kustomize = command(tool("kustomize"));
        let path = std::env::var("PATH").expect("PATH");
        kustomize.env("PATH", format!("{}:{path}", self.0.join("bin").display()));
        kustomize.arg("build").args(flags).arg(self.0.join(folder));
        Answer::from(output_of(&mut kustomize, b""))
    }

    /// Asserts that the build succeeds and prints nothing on standard error.
    #[track_caller]
    fn built(&self, folder: &str, flags: &[&str]) -> String {
        let answer = self.builds(folder, flags);
        assert!(answer.passed && answer.errors.is_empty(), "{folder}: {}", answer.errors);
        answer.output
    }

    /// tagseal in the folder of the examples.
    fn asks(&self, arguments: &[&str], input: &str) -> Output {
        let mut tagseal = command(tagseal_binary());
        output_of(tagseal.args(arguments).current_dir(&self.0), input.as_bytes())
    }
}

fn copies(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let copy = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            fs::create_dir(&copy).expect("a folder");
            copies(&entry, &copy);
        } else {
            let text = fs::read_to_string(&entry).expect("an example");
            let replaces = |text: String, (from, to): (&&str, &String)| text.replace(from, to);
            fs::write(copy, DOCUMENTED.iter().zip(&*SHOP).fold(text, replaces)).expect("an example");
        }
    }
}

/// `text` with the digests of what is signed.
fn pinned(text: &str) -> String {
    [("web", "1.4"), ("assets", "7")].into_iter().fold(text.to_owned(), |text, (name, tag)| {
        let image = image(&format!("{name}:{tag}"));
        text.replace(&image, &sealed(&image, &digest_of(name)))
    })
}

#[test]
fn kustomize_builds_the_same_with_pins() {
    let examples = Examples::of("krm-pins");
    let plain = examples.built("base", &[]);
    assert_eq!(plain.matches("registry.test/krm/").count(), 3, "{plain}");
    assert_eq!(examples.built("pinned", &EXEC), pinned(&plain));
    assert_eq!(examples.built("verified", &EXEC), plain);
    assert_eq!(examples.asks(&VERIFY, &plain).status.code(), Some(0));
    let piped = examples.asks(&PIN, &plain);
    assert_eq!(String::from_utf8_lossy(&piped.stdout), pinned(&plain));

    assert_eq!(examples.built("container", &CONTAINER), pinned(&plain));
    let arguments = examples.reads("bin/docker.arguments");
    assert!(arguments.starts_with("run ") && arguments.contains(" --network host "), "{arguments}");
    assert!(arguments.ends_with(" registry.example.com/tagseal-krm:0.1.0\n"), "{arguments}");
    // What an image has to bring along for these arguments.
    let user = arguments.split_once("--user ").and_then(|(_, rest)| rest.split(' ').next());
    let dockerfile = examples.reads("container/Dockerfile");
    assert!(dockerfile.contains(&format!("\n{}:x:", user.expect("a user"))), "{dockerfile}");
    assert!(dockerfile.ends_with("\nCMD [\"krm\"]\n"), "{dockerfile}");
}

#[test]
fn kustomize_fails_with_the_reason() {
    let examples = Examples::of("krm-denials");
    examples.edits("base/kustomization.yaml", "\"1.4\"", "\"1.5\"");
    let denied = |folder: &str, flags: &[&str]| {
        let answer = examples.builds(folder, flags);
        assert!(!answer.passed && answer.output.is_empty(), "{folder}: {}", answer.output);
        for part in [
            "registry.test/krm/web:1.5",
            "NotSigned",
            "Deployment shop/web",
            "spec.template.spec.containers[0].image",
            "CronJob shop/report",
            "couldn't execute function: exit status 1",
        ] {
            assert!(answer.errors.contains(part), "{folder}: no {part:?} in {}", answer.errors);
        }
        assert!(!answer.errors.contains("krm/assets"), "{folder}: {}", answer.errors);
    };
    denied("pinned", &EXEC);
    denied("verified", &EXEC);
    denied("container", &CONTAINER);
    assert_eq!(examples.asks(&VERIFY, &examples.built("base", &[])).status.code(), Some(1));

    let undecided = |folder: &str, part: &str| {
        let answer = examples.builds(folder, &EXEC);
        assert!(!answer.passed && answer.output.is_empty(), "{folder}: {}", answer.output);
        for part in [part, "couldn't execute function: exit status 2"] {
            assert!(answer.errors.contains(part), "{folder}: no {part:?} in {}", answer.errors);
        }
    };
    let away = format!("http://127.0.0.1:{}", RUN.free_port());
    examples.edits("policy.yaml", &SHOP[1], &away);
    undecided("pinned", "TrustServerUnreachable");
    undecided("verified", "TrustServerUnreachable");
    examples.edits("pinned/pin.yaml", "../policy.yaml", "../policies.yaml");
    undecided("pinned", "../policies.yaml");
    examples.edits("verified/verify.yaml", "policyFiles", "policies");
    undecided("verified", "functionConfig.spec.policies");
}

/// `docs/gitops.md` warns of each.
#[test]
fn what_kustomize_makes_of_wrong_flags_and_outputs() {
    let examples = Examples::of("krm-mistakes");
    let plain = examples.built("base", &[]);
    let kubectl = |folder: &str| {
        let mut kubectl = command(tool("kubectl"));
        Answer::from(output_of(kubectl.args(["kustomize", EXEC[0]]).arg(examples.0.join(folder)), b""))
    };
    // Without `--enable-exec` a transformer that is a program is left out without a word. A validator fails, but not
    // after a transformer.
    assert_eq!(examples.built("pinned", &EXEC[..1]), plain);
    assert_eq!(kubectl("pinned").output, plain);
    for answer in [examples.builds("verified", &EXEC[..1]), kubectl("verified")] {
        assert!(!answer.passed && answer.output.is_empty(), "{}", answer.output);
        assert!(answer.errors.contains("validator shouldn't modify"), "{}", answer.errors);
    }
    fs::copy(examples.0.join("verified/verify.yaml"), examples.0.join("pinned/verify.yaml")).expect("a copy");
    examples.edits("pinned/kustomization.yaml", "[pin.yaml]\n", "[pin.yaml]\nvalidators: [verify.yaml]\n");
    assert_eq!(examples.built("pinned", &EXEC), pinned(&plain));
    assert_eq!(examples.built("pinned", &EXEC[..1]), plain);
    let answer = examples.builds("pinned", &[]);
    assert!(answer.errors.contains("external plugins disabled"), "{}", answer.text());
    let answer = examples.builds("container", &CONTAINER[..1]);
    assert!(answer.errors.contains("network required but not enabled with --network"), "{}", answer.text());

    // A validator that returns items, and a transformer that returns none.
    examples.edits("verified/verify.yaml", "  output: None\n", "");
    let answer = examples.builds("verified", &EXEC);
    assert!(answer.errors.contains("validator shouldn't modify the resource map"), "{}", answer.text());
    examples.edits("pinned/kustomization.yaml", "validators: [verify.yaml]\n", "");
    examples.edits("pinned/pin.yaml", "spec:\n", "spec:\n  output: None\n");
    assert_eq!(examples.built("pinned", &EXEC), "");
}

#[test]
fn namespaces_and_image_paths_count() {
    let examples = Examples::of("krm-namespaces");
    let plain = examples.built("base", &[]);
    // A policy of one namespace beside one of the cluster that lets it name the trust server.
    let policy = examples.reads("policy.yaml");
    examples.edits("policy.yaml", "kind: ClusterTrustPolicy", "kind: TrustPolicy");
    examples.edits("policy.yaml", "{name: shop}", "{name: shop, namespace: shop}");
    let cluster = policy.replace(&image("**"), &image("elsewhere/**"));
    fs::write(examples.0.join("cluster.yaml"), cluster).expect("a policy");
    examples.edits("pinned/pin.yaml", "[../policy.yaml]", "[../policy.yaml, ../cluster.yaml]");
    assert_eq!(examples.built("pinned", &EXEC), pinned(&plain));
    examples.edits("base/kustomization.yaml", "namespace: shop", "namespace: other");
    assert_eq!(examples.built("pinned", &EXEC), examples.built("base", &[]));
    examples.edits("base/kustomization.yaml", "namespace: other\n", "");
    assert_eq!(examples.built("pinned", &EXEC), examples.built("base", &[]));
    examples.edits("pinned/pin.yaml", "spec:\n", "spec:\n  namespace: shop\n");
    assert_eq!(examples.built("pinned", &EXEC), pinned(&examples.built("base", &[])));

    let rollout = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "web", "image": image("web:1.4")}]}}},
    });
    fs::write(examples.0.join("base/rollout.yaml"), rollout.to_string()).expect("a rollout");
    examples.edits("base/kustomization.yaml", "cronjob.yaml]", "cronjob.yaml, rollout.yaml]");
    let answer = examples.builds("pinned", &EXEC);
    assert!(answer.passed && answer.errors.contains("Rollout"), "{}", answer.errors);
    assert_eq!(answer.output.matches("@sha256:").count(), 3, "{}", answer.output);
    let paths = "spec:\n  imagePaths: [\"Rollout.argoproj.io=spec.template.spec\"]\n";
    examples.edits("pinned/pin.yaml", "spec:\n", paths);
    let built = examples.built("pinned", &EXEC);
    assert_eq!(built.matches("@sha256:").count(), 4, "{built}");
    assert_eq!(built, pinned(&examples.built("base", &[])));
}

#[test]
fn kpt_gets_results_by_file() {
    let examples = Examples::of("krm-kpt");
    let list = |mode: &str, tag: &str| {
        format!(
            "\
apiVersion: config.kubernetes.io/v1
kind: ResourceList
items:
# As its author wrote it.
- apiVersion: v1
  kind: Pod
  metadata:
    name: 'web'
    namespace: shop
    annotations:
      internal.config.kubernetes.io/path: 'deploy/web.yaml'
      internal.config.kubernetes.io/index: '2'
  spec:
    containers:
    - {{name: web, image: \"{}\"}} # the shop
functionConfig:
  apiVersion: v1
  kind: ConfigMap
  metadata:
    name: function-input
  data: {{mode: {mode}, policyFiles: policy.yaml}}
",
            image(&format!("web:{tag}"))
        )
    };
    let expects = |mode: &str, tag: &str, code: i32, result: Value| {
        let (list, output) = (list(mode, tag), examples.asks(&["krm"], &list(mode, tag)));
        let (out, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{out}{errors}");
        let items = if mode == "pin" { pinned(&list) } else { list };
        let results = out.strip_prefix(&*items).unwrap_or_else(|| panic!("{items} is not in {out}"));
        let Value::Object(results) = serde_saphyr::from_str(results).unwrap_or_default() else {
            assert_eq!((results, &result), ("", &Value::Null));
            return;
        };
        let mut found = results["results"][0].clone();
        assert_eq!(results["results"].as_array().map(Vec::len), Some(1));
        let message = found.as_object_mut().and_then(|found| found.remove("message"));
        let message = message.as_ref().and_then(Value::as_str).expect("a message");
        assert!(message.contains(&image(&format!("web:{tag}"))), "{message}");
        assert!(code == 0 || errors.contains(message), "{errors}");
        assert_eq!(found, result);
    };
    let (resource, file) = (
        json!({"apiVersion": "v1", "kind": "Pod", "name": "web", "namespace": "shop"}),
        json!({"path": "deploy/web.yaml", "index": 2}),
    );
    let (path, old, new) = ("spec.containers[0].image", image("web:1.4"), image("web:1.5"));
    let field = json!({"path": path, "currentValue": old, "proposedValue": pinned(&old)});
    expects(
        "pin",
        "1.4",
        0,
        json!({"severity": "info", "resourceRef": resource, "field": field, "file": file}),
    );
    expects("verify", "1.4", 0, Value::Null);
    let denied = json!({
        "severity": "error", "resourceRef": resource, "field": {"path": path, "currentValue": new}, "file": file,
        "tags": {"reason": "NotSigned"},
    });
    expects("pin", "1.5", 1, denied.clone());
    expects("verify", "1.5", 1, denied);
}

#[test]
fn an_image_that_cannot_be_pinned_where_it_stands_can_be_verified() {
    let examples = Examples::of("krm-anchors");
    let list = |kind: &str| {
        json!({"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "functionConfig": {
            "apiVersion": "fn.tagseal.dev/v1alpha1", "kind": kind, "spec": {"policyFiles": ["policy.yaml"]},
        }})
        .to_string()
        .replacen('{', &format!("{{\"items\": [{}], ", POD.replace("IMAGE", &image("web:1.4"))), 1)
    };
    let verified = examples.asks(&["krm"], &list("VerifyImages"));
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stderr));
    assert_eq!(String::from_utf8_lossy(&verified.stdout), list("VerifyImages"));
    let refused = examples.asks(&["krm"], &list("PinImages"));
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
}

#[test]
fn the_documentation_shows_these_files() {
    let page = fs::read_to_string(source_path("docs/gitops.md")).expect("the page");
    for file in ["pinned/kustomization.yaml", "pinned/pin.yaml", "verified/verify.yaml"] {
        let text = fs::read_to_string(source_path("examples/kustomize").join(file)).expect("an example");
        assert!(page.contains(&format!("\n{text}```\n")), "{file}");
    }
}
