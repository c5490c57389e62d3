//! [`SourceFile`]: a file that is read for images.

use super::tree::Tree;

/// A file that was read and is YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// As it was given, `-` for standard input. Messages name it so.
    pub name: String,
    /// What is looked for in it.
    pub role: FileRole,
    /// Its text, a byte order mark included.
    pub text: String,
    /// The same as nodes.
    pub tree: Tree,
}

/// What is looked for in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileRole {
    /// Kubernetes objects and kustomizations.
    Manifest,
    /// Values of a Helm chart.
    HelmValues,
}
