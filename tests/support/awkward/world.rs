//! What the cases are run against: one trust server, one policy, a folder for each case.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tagseal::image::ImageReference;
use tempfile::TempDir;

use super::{Case, STDIN, cases};
use crate::support::served::{Served, Signed, digest};
use crate::support::{hex, sha256};

/// What is signed: how the cases call a repository, its name, and its tags. The digest of a tag is that of `NAME:TAG`.
const SIGNED: [Signed<'_>; 4] = [
    (
        "web",
        "registry.test/shop/web",
        &[
            "1.4", "1.4.0", "1.10", "v2", "latest", "1_000", "0x1F", "on", "1e3", "010", "20261130", "true",
            "0b1",
        ],
    ),
    ("api", "registry.test/shop/api", &["2.0", "v2"]),
    ("port", "registry.test:5000/shop/web", &["1.4", "latest"]),
    ("nginx", "docker.io/library/nginx", &["1.27", "latest"]),
];

/// A trust server that never changes, and what its users have on their disks.
pub struct World {
    binary: PathBuf,
    root: TempDir,
    server: Served,
}

impl World {
    /// Signs and serves everything. `binary` is tagseal.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let server = Served::new(&SIGNED);
        let world = Self { binary: binary.into(), root: tempfile::tempdir().unwrap(), server };
        world.policy(
            "policy.yaml",
            "production",
            "",
            &["registry.test/**", "registry.test:5000/**", "docker.io/**"],
        );
        let selector = "  namespaceSelector: {matchLabels: {env: production}}\n";
        world.policy("selector.yaml", "selected", selector, &["selected.test/**"]);
        world
    }

    fn policy(&self, file: &str, name: &str, more: &str, images: &[&str]) {
        let rewrite = r#"[{from: "selected.test/kit", to: "registry.test/shop/web"}]"#;
        let text = format!(
            "apiVersion: tagseal.dev/v1alpha1\nkind: ClusterTrustPolicy\nmetadata: {{name: {name}}}\nspec:\n{more}  \
             images: {{include: {images:?}}}\n  notary: {{server: \"{}\", rewrite: {rewrite}}}\n  firstUse: Trust\n",
            self.server.url()
        );
        fs::write(self.root.path().join(file), text).unwrap();
    }

    /// The corpus.
    pub fn cases(&self) -> Vec<Case> {
        cases(&|name| self.named(name))
    }

    fn named(&self, name: &str) -> Option<String> {
        match name.split_once(' ') {
            Some(("root", repository)) => Some(self.server.key(repository).to_owned()),
            Some(("hex", image)) => Some(digest(image).trim_start_matches("sha256:").to_owned()),
            None if name == "server" => Some(self.server.url().to_owned()),
            None if name == "bad" => Some(digest("nobody signed this")),
            None => {
                let (repository, tag) = name.split_once(':')?;
                let is_signed =
                    SIGNED.iter().any(|(known, _, tags)| *known == repository && tags.contains(&tag));
                is_signed.then(|| digest(name))
            }
            Some(_) => None,
        }
    }

    /// What `pin --update` makes of an image; `None` of one that is not signed here.
    pub fn meant(&self, image: &str) -> Option<String> {
        let (tagged, _) = image.split_once('@').unwrap_or((image, ""));
        let reference = ImageReference::parse(tagged).ok()?;
        let tag = reference.tag()?;
        let (name, _, _) =
            SIGNED.iter().find(|(_, gun, tags)| *gun == reference.name() && tags.contains(&tag.as_str()))?;
        let latest = if reference.has_written_tag() { "" } else { ":latest" };
        Some(format!("{tagged}{latest}@{}", digest(&format!("{name}:{}", tag.as_str()))))
    }

    /// Pins all files of a folder.
    pub fn pins(&self, folder: &Path) -> Output {
        let mut pin = Command::new(&self.binary);
        pin.args(["pin", "-f"]).arg(folder).arg("--policy").arg(self.root.path().join("policy.yaml"));
        pin.env_clear().env("HOME", self.root.path()).output().unwrap()
    }

    /// A folder for a case.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.root.path().join(&hex(&sha256(name.as_bytes()))[..16]);
        fs::create_dir(&folder).unwrap();
        folder
    }

    /// Runs the command of `case` in its folder. Standard input is the file as it is before, or after the first run.
    pub fn run(&self, folder: &Path, case: &Case, more: &[&str], is_second: bool) -> Output {
        let mut arguments: Vec<&str> = case.arguments.iter().map(String::as_str).collect();
        let own = arguments.len();
        arguments.retain(|argument| *argument != "--no-policy");
        if arguments.len() == own && !arguments.contains(&"--policy") {
            arguments.extend(["--policy", "../policy.yaml"]);
        }
        arguments.extend(more);
        let mut command = Command::new(&self.binary)
            .args(arguments)
            .env_clear()
            .env("HOME", self.root.path())
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = case.files.iter().find(|file| file.name == STDIN);
        if let Some(input) = input {
            let bytes = if is_second { &input.after } else { &input.before };
            // A command that does not want it has ended by now.
            let _ = command.stdin.as_mut().unwrap().write_all(bytes);
        }
        command.wait_with_output().unwrap()
    }
}
