//! [`scan`]: the images that files name.
//!
//! Each kind of file has its own reading: objects of the kinds that the webhook looks at ([`pods`]), kustomizations and Flux's
//! ([`kustomization`]), Helm values ([`helm`]), and what users name themselves ([`image_path`]). What is wrong at a site is a
//! [`Problem`], and hides no other site.

mod file;
mod helm;
mod image_path;
mod kustomization;
mod namespaces;
mod objects;
mod origin;
mod pods;
#[cfg(test)]
mod tests;
mod uses;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::image_path::{ImagePath, ImagePathError};
pub use self::objects::{Object, objects};

use self::file::FileScan;
use self::namespaces::Namespaces;
use super::place::{Place, Problem};
use super::site::Site;
use super::source::SourceFile;
use super::tree::NodeId;
use crate::policy::Labels;

/// How files are scanned.
#[derive(Debug, Clone, Default)]
pub struct ScanOptions {
    /// The namespace of objects that name none.
    pub namespace: String,
    /// Where other kinds hold images.
    pub image_paths: Vec<ImagePath>,
}

/// What files name.
#[derive(Debug, Default)]
pub struct Scan {
    /// Every use of every image, in the files' order.
    pub sites: Vec<Site>,
    /// What could not be read, in the files' order.
    pub problems: Vec<Problem>,
    /// What is not looked at, and users may think it is: `FILE:LINE:COLUMN: …`.
    pub notices: Vec<String>,
    /// The labels of the namespaces that the files declare.
    pub namespaces: BTreeMap<String, Arc<Labels>>,
    /// Scalars of sites that are used elsewhere too.
    pub shared: Vec<SharedScalar>,
    /// Files that must not change.
    pub frozen: Vec<Frozen>,
}

/// A scalar with a use that is no site: it cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedScalar {
    /// Which of the files, by index.
    pub file: usize,
    /// The scalar.
    pub scalar: NodeId,
    /// The use that is no site.
    pub place: Place,
    /// What it is, and what to do.
    pub message: String,
}

/// A file that an edit would break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// Which of the files, by index.
    pub file: usize,
    /// What says so.
    pub place: Place,
    /// Why, and what to do.
    pub message: String,
}

/// Finds the images of files.
pub fn scan(files: &[SourceFile], options: &ScanOptions) -> Scan {
    let mut scan = Scan::default();
    let mut namespaces = Namespaces::default();
    for (index, file) in files.iter().enumerate() {
        FileScan::new(index, file, options, &mut namespaces).run(&mut scan);
    }
    namespaces.finish(files, &mut scan);
    scan
}
