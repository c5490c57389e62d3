//! [`Shop`]: the repository of `examples/shop`, on a machine that has tagseal.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::served::{Served, digest};

/// The guide that the examples are of.
pub const GUIDE: &str = include_str!("../../docs/gitops.md");

/// The repository of the examples, on a machine that has tagseal.
pub struct Shop {
    root: TempDir,
    served: Served,
}

impl Shop {
    /// A copy of it, with this tagseal, whose trust server is of this process.
    pub fn new(tagseal: impl AsRef<Path>) -> Self {
        let root = tempfile::tempdir().unwrap();
        let served = Served::new(&[
            ("web", "registry.example.com/shop/web", &["1.4"]),
            ("cart", "registry.example.com/shop/cart", &["2.0.1"]),
        ]);
        copy(&examples().join("shop"), &root.path().join("shop"));
        let shop = Self { root, served };
        fs::create_dir(shop.root.path().join("bin")).unwrap();
        symlink(tagseal, shop.root.path().join("bin/tagseal")).unwrap();
        let text = shop.read("policy.yaml");
        let (before, root_key) = text.split_once("  - keyID: ").expect("a root key");
        let keys: String =
            ["web", "cart"].map(|name| format!("  - keyID: {}\n", shop.served.key(name))).concat();
        assert_eq!(root_key.trim_end().len(), 64);
        let text = format!("{before}{keys}").replace("https://notary.example.com", shop.served.url());
        shop.write("policy.yaml", &text);
        shop
    }

    /// A file of the repository.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.path().join("shop").join(name)
    }

    /// What is in it.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// Writes it.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    /// Replaces a part of it, which must be there.
    pub fn replace(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name}: {text}");
        self.write(name, &text.replace(from, to));
    }

    /// Links another program, for scripts to find.
    pub fn has(&self, program: &Path) {
        symlink(program, self.root.path().join("bin").join(program.file_name().unwrap())).unwrap();
    }

    /// Runs a script as GitHub runs a step.
    pub fn sh(&self, script: &str) -> Ran {
        let path = format!("{}:/usr/bin:/bin", self.root.path().join("bin").display());
        let output = Command::new("bash")
            .args(["-e", "-c", script])
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.root.path())
            .current_dir(self.file(""))
            .output()
            .unwrap();
        Ran { script: script.to_owned(), output }
    }

    /// A tag with its signed digest.
    pub fn pinned(name: &str, tag: &str) -> String {
        format!("{tag}@{}", digest(&format!("{name}:{tag}")))
    }

    /// Whether the images of `deploy` have their digests.
    pub fn is_pinned(&self) -> bool {
        self.read("deploy/web.yaml").contains(&format!("shop/web:{} # the", Self::pinned("web", "1.4")))
            && self.read("deploy/kustomization.yaml").contains(&Self::pinned("cart", "2.0.1"))
    }
}

/// How a script ended.
pub struct Ran {
    script: String,
    output: Output,
}

impl Ran {
    /// The script and both outputs.
    pub fn text(&self) -> String {
        let [out, err] =
            [&self.output.stdout, &self.output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        format!("{}\n{out}{err}", self.script)
    }

    /// Answers what it wrote to standard output. It must have ended well.
    #[track_caller]
    pub fn printed(self) -> String {
        let printed = String::from_utf8_lossy(&self.output.stdout).into_owned();
        self.ends(0);
        printed
    }

    /// Answers [`Self::text`]. The script must have ended with this status.
    #[track_caller]
    pub fn ends(self, status: i32) -> String {
        assert_eq!(self.output.status.code(), Some(status), "{}", self.text());
        self.text()
    }
}

/// The folder of the examples.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// The shell blocks of a section of the guide.
pub fn blocks(section: &str) -> Vec<String> {
    let (_, text) =
        GUIDE.split_once(&format!("\n## {section}\n")).unwrap_or_else(|| panic!("no section {section}"));
    let text = text.split("\n## ").next().unwrap_or_default();
    let blocks = text.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default().to_owned()).collect()
}
