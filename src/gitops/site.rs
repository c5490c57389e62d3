//! [`Site`]: one place in a file that names an image.

use serde::Serialize;

use super::place::Place;
use super::tree::NodeId;
use crate::admission::Subject;
use crate::policy::ImageSite;

/// One place that names an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Which of the files that were scanned, by index.
    pub file: usize,
    /// Where the scalar begins, its quote included. The scalar of an alias is where it is defined; its place is the alias's.
    pub place: Place,
    /// The field as `kubectl` writes it, from the object's root: `spec.containers[0].image`.
    pub field: String,
    /// The object that holds it.
    pub object: ObjectId,
    /// The namespace whose policies hold.
    pub namespace: String,
    /// Where in a pod the image stands, for exemptions.
    pub image_site: ImageSite,
    /// The object, where the webhooks are asked about it.
    pub subject: Option<Subject>,
    /// The image as a pod spec would have it.
    pub image: String,
    /// What takes the digest.
    pub slot: Slot,
    /// Where a renderer took the object from, where it says so.
    pub origin: Option<Origin>,
}

/// The object that holds an image. Fields that it does not have are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectId {
    /// `apiVersion`
    pub api_version: String,
    /// `kind`
    pub kind: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.namespace`
    pub namespace: Option<String>,
}

/// The scalar that takes the digest, and what of an image it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The scalar where it is defined, not an alias of it.
    pub scalar: NodeId,
    /// What it holds.
    pub part: Part,
}

/// What of an image a scalar holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it: `repository[:tag][@digest]`.
    Reference,
    /// The tag; with a digest in place, `TAG@sha256:…`.
    Tag,
    /// The digest alone; empty, or null, where there is none yet.
    Digest,
}

/// The file that a renderer made the object from: kustomize's `config.kubernetes.io/origin`, Helm's `# Source:` comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// As the renderer names it.
    pub path: String,
    /// The repository, where kustomize names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
}
