//! The image without a container engine: put together by what the Dockerfile says, pushed, pulled, and its binary run as
//! its user, with nothing around it but its own layers. What takes a kubelet is shown in docs/kind.md.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::harness::*;

/// What container engines set, too.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The unpacked image, to be run as a container would run it.
struct Container {
    root: PathBuf,
    config: Value,
}

impl Container {
    /// Its entrypoint and user, in a root of its own.
    fn arguments(&self) -> Vec<String> {
        let user = self.config["config"]["User"].as_str().expect("a user");
        let entrypoint = self.config["config"]["Entrypoint"][0].as_str().expect("an entrypoint");
        assert!(!user.starts_with("0:") && user.contains(':'), "{user}");
        [
            "-i",
            PATH,
            "chroot",
            "--groups=",
            &format!("--userspec={user}"),
            &self.root.to_string_lossy(),
            entrypoint,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn runs(&self, args: &[&str]) -> Output {
        let mut run = command("env");
        run.args(self.arguments()).args(args);
        output_of(&mut run, b"")
    }

    fn has_file(&self, path: &str, content: &str) {
        let file = self.root.join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(&file, content).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("a file for everybody");
    }
}

/// Builds, pushes and pulls the image.
fn pulled(name: &str) -> Container {
    let binary = std::env::var_os("TAGSEAL_STATIC")
        .map_or_else(|| source_path("target/static/tagseal"), PathBuf::from);
    assert!(binary.is_file(), "{} is missing: `make static` builds it", binary.display());
    let stage = FinalStage::read();
    let files: Vec<_> = stage
        .copies
        .iter()
        .map(|(from, to)| {
            let file = if from == "/out/tagseal" { binary.clone() } else { Path::new(from).to_owned() };
            (file, to.clone())
        })
        .collect();
    let registry = Distribution::start(name);
    let digest = registry.push("tagseal", "0.1.0", &Image::new(&files, &stage.config()));
    let root = RUN.folder(&format!("image-{name}"));
    let config = registry.pull("tagseal", &digest, &root);
    Container { root, config }
}

#[test]
fn the_images_binary_runs_as_its_user_with_nothing_but_its_layers() {
    let container = pulled("version");
    let output = container.runs(&["--version"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.trim(), format!("tagseal {}", env!("CARGO_PKG_VERSION")), "{output:?}");

    let mut files = Vec::new();
    find(&container.root, &mut files);
    files.sort();
    let expected = ["etc/ssl/certs/ca-certificates.crt", "tagseal"].map(|file| container.root.join(file));
    assert_eq!(files, expected, "the image has nothing else");
}

#[test]
fn the_image_serves_and_resolves_names() {
    let container = pulled("serves");
    let authority = Authority::new("tagseal image");
    let serving = authority.issue();
    container.has_file("/etc/tagseal/tls/tls.crt", &serving.certificate.pem());
    container.has_file("/etc/tagseal/tls/tls.key", &serving.key.serialize_pem());
    container.has_file("/policies/policy.yaml", POLICY);
    let port = RUN.free_port();
    let listen = format!("--listen=127.0.0.1:{port}");
    let mut args = container.arguments();
    let flags = ["--policies=/policies", "--cert-dir=/etc/tagseal/tls", "--metrics-listen=none"];
    args.extend(["serve", &listen].into_iter().chain(flags).map(str::to_owned));
    let env = Path::new("env");
    let mut process =
        Process::start("serve", env, args.iter().map(String::as_str), &RUN.folder("image-serves-log"));
    let client = client(Some(authority.pem()));
    for path in ["healthz", "readyz"] {
        eventually(path, Duration::from_secs(20), || {
            process.runs();
            answers_with(&client, &format!("https://127.0.0.1:{port}/{path}"))
        });
    }
    assert_eq!(users_of(&container.root.join("tagseal")), ["65532\t65532\t65532\t65532"]);
    assert_eq!(process.ends(), Some(0), "SIGTERM drains, and that is no failure");

    container.has_file("/etc/resolv.conf", &NameServer::start().resolv_conf());
    let asks = |host: &str| {
        let server = format!("https://{host}:{}", RUN.free_port());
        let output = container.runs(&["inspect", "registry.test/web", "--first-use", "--server", &server]);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let known = asks(KNOWN_NAME);
    assert!(known.contains("refused"), "the name resolves, and nobody listens there: {known}");
    let unknown = asks("nowhere.test");
    assert!(!unknown.contains("refused") && unknown.contains("nowhere.test"), "{unknown}");
    container.has_file("/etc/hosts", "127.0.0.1 hosted.test\n");
    assert!(asks("hosted.test").contains("refused"));
}

const POLICY: &str = r#"
apiVersion: tagseal.dev/v1alpha1
kind: ClusterTrustPolicy
metadata: {name: everything}
spec:
  images: {include: ["**"]}
  notary: {server: "https://trust.test"}
  firstUse: Trust
"#;

/// The users (real, effective, saved, of files) of each process that runs `program`.
fn users_of(program: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("processes").flatten().map(|entry| entry.path());
    let running =
        processes.filter(|process| fs::read_link(process.join("exe")).is_ok_and(|exe| exe == program));
    let status = running.map(|process| fs::read_to_string(process.join("status")).expect("a status"));
    status.filter_map(|status| Some(status.split_once("Uid:\t")?.1.lines().next()?.to_owned())).collect()
}

fn find(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        if entry.path().is_dir() { find(&entry.path(), into) } else { into.push(entry.path()) }
    }
}
