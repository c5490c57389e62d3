use std::fs;
use std::os::unix::fs::symlink;

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[&str]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for file in files {
            let path = folder.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "a: 1\n").unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, paths: &[&str], helm_values: &[&str]) -> Input {
        let of = |paths: &[&str]| {
            let absolute = |path: &&str| if *path == "-" { PathBuf::from("-") } else { self.path(path) };
            paths.iter().map(absolute).collect::<Vec<_>>()
        };
        read(&of(paths), &of(helm_values), &b"b: 2\n"[..])
    }

    /// The names of the files that are read, relative to the folder.
    fn names(&self, paths: &[&str]) -> Vec<String> {
        let input = self.read(paths, &[]);
        assert!(input.problems.is_empty(), "{:?}", input.problems);
        let root = self.path("").display().to_string();
        input.files.iter().map(|file| file.name.replace(&root, "")).collect()
    }
}

#[test]
fn a_folder_is_read_by_name_without_what_begins_with_a_dot() {
    let folder = Folder::with(&[
        "b.yaml",
        "a/z.yml",
        "a/c.json",
        "Kustomization",
        "a.txt",
        ".hidden.yaml",
        ".git/x.yaml",
        "x.YAML",
        "yaml",
        "k/Kustomization/q.yaml",
    ]);
    let all = ["Kustomization", "a/c.json", "a/z.yml", "b.yaml", "k/Kustomization/q.yaml"];
    assert_eq!(folder.names(&[""]), all);
    assert_eq!(
        folder.names(&["b.yaml", ""]),
        ["b.yaml", "Kustomization", "a/c.json", "a/z.yml", "k/Kustomization/q.yaml"]
    );
    assert_eq!(folder.names(&[".git", ".hidden.yaml", "a.txt"]), [".git/x.yaml", ".hidden.yaml", "a.txt"]);
}

#[test]
fn a_file_is_taken_once() {
    let folder = Folder::with(&["d/a.yaml", "d/b.yaml"]);
    symlink("a.yaml", folder.path("d/c.yaml")).unwrap();
    symlink("..", folder.path("d/loop")).unwrap();
    symlink("d", folder.path("e")).unwrap();
    fs::hard_link(folder.path("d/a.yaml"), folder.path("d/z.yaml")).unwrap();
    assert_eq!(folder.names(&["d", "e", "d/./a.yaml", "e/c.yaml"]), ["d/a.yaml", "d/b.yaml"]);
    assert_eq!(folder.names(&["e"]), ["e/a.yaml", "e/b.yaml"]);
    assert_eq!(folder.names(&["-", "d/b.yaml", "-"]), ["-", "d/b.yaml"]);

    let input = folder.read(&["d"], &["e/b.yaml"]);
    let roles: Vec<_> = input.files.iter().map(|file| file.role).collect();
    assert_eq!(roles, [FileRole::Manifest, FileRole::HelmValues]);
}

#[test]
fn templates_of_a_chart_are_left_out_and_told() {
    let folder =
        Folder::with(&["c/Chart.yaml", "c/values.yaml", "c/templates/a.yaml", "c/x/templates/b.yaml"]);
    assert_eq!(folder.names(&[""]), ["c/Chart.yaml", "c/values.yaml", "c/x/templates/b.yaml"]);
    let notices = folder.read(&["c"], &[]).notices;
    assert!(notices.len() == 1 && notices[0].contains("c/templates: left out"), "{notices:?}");
    assert_eq!(folder.names(&["c/templates"]), ["c/templates/a.yaml"]);
}

#[test]
fn what_cannot_be_read_is_told_and_hides_no_other() {
    let folder = Folder::with(&["a.yaml", "empty/a.txt"]);
    symlink("nowhere", folder.path("gone.yaml")).unwrap();
    fs::write(folder.path("bad.yaml"), "a: [\n").unwrap();
    fs::write(folder.path("binary.json"), b"\xff\xfea\0").unwrap();
    let input = folder.read(&["missing.yaml", ""], &["empty"]);
    assert_eq!(input.files.len(), 1);
    let told: Vec<_> = input.problems.iter().map(ToString::to_string).collect();
    for (name, what) in [
        ("missing.yaml", ": there is no such file or folder"),
        ("gone.yaml", ": cannot be read: "),
        ("bad.yaml", ":1:4: not YAML"),
        ("binary.json", ":1:1: not UTF-8"),
        ("empty", ": is a folder; --helm-values takes files"),
    ] {
        let wanted = format!("{}{what}", folder.path(name).display());
        assert!(told.iter().any(|line| line.starts_with(&wanted)), "{wanted}: {told:?}");
    }
    assert_eq!(told.len(), 5, "{told:?}");
    let notices = folder.read(&["empty"], &[]).notices;
    assert!(notices[0].contains("no file in this folder ends in .yaml"), "{notices:?}");
}

#[test]
fn sizes_are_bounded() {
    let folder = Folder::with(&["a.yaml"]);
    let big = File::create(folder.path("big.yaml")).unwrap();
    big.set_len(MAX_FILE + 1).unwrap();
    let problems = folder.read(&["big.yaml", "a.yaml"], &[]).problems;
    assert!(problems.len() == 1 && problems[0].message.contains("more than 64 MiB"), "{problems:?}");
}
