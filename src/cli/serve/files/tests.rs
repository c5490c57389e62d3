use std::fs;

use tempfile::TempDir;

use super::*;

/// A folder of policies and what is published of it.
struct Folder {
    dir: TempDir,
    snapshots: watch::Receiver<PolicySnapshot>,
    policies: PolicyFolder,
}

impl Folder {
    fn open(files: &[(&str, &str)]) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let (sender, snapshots) = watch::channel(PolicySnapshot::default());
        let policies = PolicyFolder::open(dir.path(), "tagseal-system", SetOptions::default(), sender)?;
        Ok(Self { dir, snapshots, policies })
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// Looks, and says which policies are published.
    fn look(&mut self) -> Vec<String> {
        self.policies.look();
        self.published()
    }

    fn published(&self) -> Vec<String> {
        match &*self.snapshots.borrow() {
            PolicySnapshot::NotSynced => panic!("nothing is published"),
            PolicySnapshot::Synced(set) => {
                set.policies().map(|(policy, _)| policy.id().name.clone()).collect()
            }
        }
    }
}

fn policy(name: &str) -> String {
    format!(
        "apiVersion: tagseal.dev/v1alpha1
kind: ClusterTrustPolicy
metadata: {{name: {name}}}
spec:
  images: {{include: [\"registry.example.com/shop/**\"]}}
  notary: {{server: \"https://notary.example.com\"}}
  roots: [{{keyID: {}}}]
",
        "5f".repeat(32)
    )
}

#[test]
fn files_that_change_come_or_go_are_picked_up() {
    let mut folder = Folder::open(&[("a.yaml", &policy("a")), ("notes.txt", "not a policy")]).unwrap();
    assert_eq!(folder.published(), ["a"]);
    folder.write("b.yml", &policy("b"));
    assert_eq!(folder.look(), ["a", "b"]);
    folder.write("a.yaml", &policy("c"));
    assert_eq!(folder.look(), ["b", "c"]);
    fs::remove_file(folder.dir.path().join("b.yml")).unwrap();
    assert_eq!(folder.look(), ["c"]);
}

#[test]
fn files_that_did_not_change_are_not_published_again() {
    let mut folder = Folder::open(&[("a.yaml", &policy("a"))]).unwrap();
    folder.snapshots.mark_unchanged();
    folder.look();
    assert!(!folder.snapshots.has_changed().unwrap());
}

#[test]
fn a_mounted_config_map_that_is_swapped_is_picked_up() {
    let mut folder = Folder::open(&[]).unwrap();
    let path = folder.dir.path().to_owned();
    let swap = |version: &str, name: &str| {
        fs::create_dir(path.join(version)).unwrap();
        fs::write(path.join(version).join("policy.yaml"), policy(name)).unwrap();
        std::os::unix::fs::symlink(version, path.join("..new")).unwrap();
        fs::rename(path.join("..new"), path.join("..data")).unwrap();
    };
    swap("..1", "a");
    std::os::unix::fs::symlink("..data/policy.yaml", path.join("policy.yaml")).unwrap();
    assert_eq!(folder.look(), ["a"]);
    swap("..2", "b");
    assert_eq!(folder.look(), ["b"]);
}

#[test]
fn a_broken_file_keeps_the_policies_that_are_in_force_until_it_is_mended() {
    let mut folder = Folder::open(&[("a.yaml", &policy("a"))]).unwrap();
    for broken in [policy("b").replace("notary:", "notarry:"), "a: [".to_owned(), "kind: Pod".to_owned()] {
        folder.write("b.yaml", &broken);
        assert_eq!(folder.look(), ["a"], "{broken}");
    }
    folder.write("b.yaml", &policy("b"));
    assert_eq!(folder.look(), ["a", "b"]);
}

#[test]
fn a_file_or_folder_that_cannot_be_read_keeps_the_policies_that_are_in_force() {
    let mut folder = Folder::open(&[("a.yaml", &policy("a")), ("b.yaml", &policy("b"))]).unwrap();
    let link = folder.dir.path().join("b.yaml");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    assert_eq!(folder.look(), ["a", "b"], "a link that leads nowhere is no deletion");
    fs::remove_file(&link).unwrap();
    assert_eq!(folder.look(), ["a"]);
    fs::remove_dir_all(folder.dir.path()).unwrap();
    assert_eq!(folder.look(), ["a"]);
}

#[test]
fn a_broken_file_at_start_is_an_error_with_file_line_and_field() {
    let broken = policy("a").replace("keyID", "keyid");
    let error = Folder::open(&[("a.yaml", &broken)]).err().expect("refused").to_string();
    let (place, what) = error.split_once(": ").unwrap();
    assert!(place.contains("a.yaml:7:"), "{error}");
    assert!(what.contains("spec.roots[0]"), "{error}");
}

#[test]
fn every_error_of_every_file_is_told() {
    let broken = policy("a").replace("keyID", "keyid");
    let error =
        Folder::open(&[("a.yaml", &broken), ("b.yaml", "kind: Pod")]).err().expect("refused").to_string();
    assert!(error.contains("a.yaml:7:") && error.contains("b.yaml:1:"), "{error}");
}

#[test]
fn a_folder_that_is_not_there_is_an_error_that_names_it() {
    let (sender, _) = watch::channel(PolicySnapshot::default());
    let home = tempfile::tempdir().unwrap();
    let absent = home.path().join("policies");
    let opened = PolicyFolder::open(&absent, "tagseal-system", SetOptions::default(), sender);
    let error = format!("{:#}", opened.err().expect("refused"));
    let expected = format!("cannot read the policy folder {}: ", absent.display());
    assert!(error.starts_with(&expected), "{error}");
}
