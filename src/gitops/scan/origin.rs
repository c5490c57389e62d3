//! Where a renderer took an object from.

use super::uses::{Cursor, Walk};
use crate::gitops::site::Origin;
use crate::gitops::source::SourceFile;
use crate::gitops::tree::Tree;

/// What kustomize writes under `buildMetadata: [originAnnotations]`.
const ANNOTATION: &str = "config.kubernetes.io/origin";
/// What `helm template` writes before each object.
const COMMENT: &str = "# Source: ";

/// What an object's annotation says.
pub(super) fn annotation(walk: &Walk<'_>, object: Cursor) -> Option<Origin> {
    let text = walk.string_at(object, &["metadata", "annotations", ANNOTATION])?;
    let tree = Tree::parse(text).ok()?;
    let walk = Walk::new(&tree);
    let root = walk.root(tree.documents().first()?.root);
    // What a generator or a transformer made has no path, and names the file that asked for it.
    let path = walk.string_at(root, &["path"]).or_else(|| walk.string_at(root, &["configuredIn"]))?;
    let repository = walk.string_at(root, &["repo"]).map(str::to_owned);
    Some(Origin { path: path.to_owned(), repository })
}

/// What the comment at the begin of a document says.
pub(super) fn comment(file: &SourceFile, document: usize) -> Option<Origin> {
    let documents = file.tree.documents();
    let found = documents.get(document)?;
    // Comments before the first document's text are its own.
    let start = if document == 0 { 0 } else { found.start };
    let head = file.text.get(start..file.tree.node(found.root).range.start)?;
    let path = head.lines().filter_map(|line| line.trim().strip_prefix(COMMENT)).next_back()?;
    Some(Origin { path: path.trim().to_owned(), repository: None })
}
