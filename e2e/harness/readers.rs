//! What other programs read of manifests: kubectl without a cluster, and kustomize.

use std::fs;
use std::path::Path;

use serde::Deserialize as _;
use serde_json::Value;

use super::kustomize::Kustomize;
use super::process::{command, output_of};
use super::run::tool;

/// Reads a folder of files as kubectl does, all at once: the objects in the order of the files' names.
#[track_caller]
pub fn kubectl_reads(folder: &Path) -> Vec<Value> {
    let mut kubectl = command(tool("kubectl"));
    // Some change is needed for kubectl to print what it read, without asking a cluster.
    kubectl.args(["label", "--local", "--output=json", "--filename"]).arg(folder).arg("read-by=kubectl");
    let output = output_of(&mut kubectl, b"");
    assert!(output.status.success(), "kubectl: {}", String::from_utf8_lossy(&output.stderr));
    let mut objects = serde_json::Deserializer::from_slice(&output.stdout);
    let mut read = Vec::new();
    while let Ok(object) = Value::deserialize(&mut objects) {
        read.push(object);
    }
    read
}

/// Reads files as kustomize does, all at once: each is a base of its own, so that objects may have equal names.
#[track_caller]
pub fn kustomize_reads(folder: &Path, files: &[(String, Vec<u8>)]) -> Vec<Value> {
    for (index, (_, content)) in files.iter().enumerate() {
        let base = folder.join(format!("base-{index}"));
        fs::create_dir_all(&base).expect("a base");
        fs::write(base.join("file.yaml"), content).expect("a file");
        let kustomization = format!("namePrefix: base-{index}-\nresources: [file.yaml]\n");
        fs::write(base.join("kustomization.yaml"), kustomization).expect("a kustomization");
    }
    kustomize_builds_all(folder, files.len())
}

/// Builds the bases `base-0` and so on of a folder, all at once.
#[track_caller]
pub fn kustomize_builds_all(folder: &Path, count: usize) -> Vec<Value> {
    let bases: Vec<_> = (0..count).map(|index| format!("base-{index}")).collect();
    let kustomization = format!("resources: [{}]\n", bases.join(", "));
    fs::write(folder.join("kustomization.yaml"), kustomization).expect("a kustomization");
    let built = Kustomize::build(folder);
    assert!(built.passed, "kustomize: {}", built.errors);
    serde_saphyr::from_multiple(&built.output).expect("YAML of kustomize")
}
