//! The real kustomize.

use std::path::Path;

use super::cluster::Answer;
use super::process::{command, output_of};
use super::run::tool;

/// `kustomize`.
pub struct Kustomize;

impl Kustomize {
    /// `kustomize build`, whatever comes of it. Functions that `config.kubernetes.io/function` names by `exec` are run.
    pub fn build(dir: &Path) -> Answer {
        let mut kustomize = command(tool("kustomize"));
        kustomize.args(["build", "--enable-alpha-plugins", "--enable-exec"]).arg(dir);
        Answer::from(output_of(&mut kustomize, b""))
    }
}
