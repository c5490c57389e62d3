//! Argo CD's own diff engine: `argo-diff` (`e2e/tools/argo`) runs it on files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::cluster::{Answer, Cluster};
use super::process::{command, output_of};
use super::run::tool;

/// Argo CD, as far as it finds out what is OutOfSync.
pub struct Argo {
    dir: PathBuf,
    ignored: Vec<String>,
}

impl Argo {
    /// The field manager of what Argo CD applies.
    pub const MANAGER: &str = "argocd-controller";

    /// Argo CD for `cluster`; its files go to `dir`.
    pub fn of(cluster: &Cluster, dir: &Path) -> Self {
        fs::create_dir_all(dir).expect("Argo CD's folder");
        fs::write(dir.join("openapi.json"), cluster.does(&["get", "--raw", "/openapi/v2"]))
            .expect("the schema");
        Self { dir: dir.to_owned(), ignored: Vec::new() }
    }

    /// The same with this in its `ignoreDifferences`: kinds, and a jq path expression for each.
    pub fn ignoring(&self, ignored: impl IntoIterator<Item = (String, String)>) -> Self {
        let ignored = ignored.into_iter().map(|(kind, path)| format!("{kind}:{path}"));
        Self { dir: self.dir.clone(), ignored: ignored.collect() }
    }

    /// Its default: a three-way diff with the annotation that `kubectl apply` leaves.
    pub fn compares(&self, desired: &[Value], live: &[Value]) -> Vec<String> {
        self.diff("three-way", desired, live)
    }

    /// What it does with `ServerSideApply=true`.
    pub fn merges(&self, desired: &[Value], live: &[Value]) -> Vec<String> {
        self.diff("structured-merge", desired, live)
    }

    /// What it does with `ServerSideDiff=true`: `predicted` is what the API server answers to a dry run.
    pub fn asks_the_server(&self, desired: &[Value], live: &[Value], predicted: &[Value]) -> Vec<String> {
        self.write("predicted", predicted);
        self.diff("server-side", desired, live)
    }

    /// A line `Kind/name FIELD: live …, desired …` for each difference.
    fn diff(&self, mode: &str, desired: &[Value], live: &[Value]) -> Vec<String> {
        let mut argo = command(tool("argo-diff"));
        argo.args(["-diff", mode, "-manager", Self::MANAGER]);
        for file in ["openapi", "predicted"] {
            argo.arg(format!("-{file}={}", self.file(file).display()));
        }
        argo.args(self.ignored.iter().flat_map(|path| ["-ignore", path.as_str()]));
        argo.args([self.write("desired", desired), self.write("live", live)]);
        let output = output_of(&mut argo, b"");
        let code = output.status.code();
        let answer = Answer::from(output);
        let found: Vec<_> = answer.output.lines().map(str::to_owned).collect();
        assert_eq!(code, Some(i32::from(!found.is_empty())), "argo-diff: {}", answer.text());
        found
    }

    fn write(&self, name: &str, objects: &[Value]) -> PathBuf {
        let (file, list) = (self.file(name), json!({"apiVersion": "v1", "kind": "List", "items": objects}));
        fs::write(&file, list.to_string()).expect("objects for argo-diff");
        file
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.json"))
    }
}
