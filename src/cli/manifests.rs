//! What commands share that read images from files: which files.

use std::path::{Path, PathBuf};

use crate::gitops::files::{self, Input};
use crate::gitops::{ImagePath, Scan, ScanOptions, scan};

/// Which files.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub struct Manifests {
    /// File, or folder (the *.yaml, *.yml, *.json and Kustomization in it, but for what begins with a dot and the templates of Helm
    /// charts); `-` is standard input. May be repeated.
    #[arg(id = "paths", short = 'f', long = "filename", value_name = "PATH", num_args = 1..)]
    pub paths: Vec<PathBuf>,
    /// File with values of a Helm chart: mappings under a key that ends in `image`, with repository and tag. May be repeated.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub helm_values: Vec<PathBuf>,
    /// Where another kind holds images, as in Rollout.argoproj.io=spec.template.spec. `[*]` is every element; a path that ends at a
    /// mapping is a pod spec. May be repeated.
    #[arg(long = "image-path", value_name = "KIND[.GROUP]=PATH", num_args = 1..)]
    pub image_paths: Vec<ImagePath>,
}

impl Manifests {
    /// Reads the files and finds their images.
    pub(super) fn read(&self, namespace: &str) -> (Input, Scan) {
        let input = files::read(&self.paths, &self.helm_values, std::io::stdin());
        let options = ScanOptions { namespace: namespace.to_owned(), image_paths: self.image_paths.clone() };
        let scan = scan(&input.files, &options);
        (input, scan)
    }

    /// Whether standard input is one of the files.
    pub(super) fn has_stdin(&self) -> bool {
        self.paths.iter().chain(&self.helm_values).any(|path| path == Path::new("-"))
    }

    /// Standard input can be read once.
    ///
    /// # Errors
    /// When it is to be a policy as well.
    pub(super) fn read_stdin_once(&self, policies: &[PathBuf]) -> anyhow::Result<()> {
        anyhow::ensure!(
            !(self.has_stdin() && policies.iter().any(|path| path == Path::new("-"))),
            "standard input is either a manifest or a policy: name a file for one of the two"
        );
        Ok(())
    }
}
