//! Images in files: where they stand, what the policies say of them, and their digests written in place. No network, no
//! terminal; the verdicts are [`View`](crate::admission::judge::View)'s.
//!
//! A file's text becomes a [`Tree`] with exact byte ranges. A scan of the tree finds the [`Site`]s, [`judge`] asks the
//! policies about each distinct image once, and the edits change the scalars of the sites and no other byte.

pub mod cases;
pub mod edit;
pub mod files;
pub mod inventory;
pub mod judge;
mod junit;
pub mod krm;
pub mod pin;
mod place;
pub mod report;
pub mod scalar;
mod scan;
mod site;
mod source;
mod tree;
pub mod write;

pub use place::{Place, Problem};
pub use scan::{Frozen, ImagePath, ImagePathError, Object, Scan, ScanOptions, SharedScalar, objects, scan};
pub use site::{ObjectId, Origin, Part, Site, Slot};
pub use source::{FileRole, SourceFile};
pub use tree::{Fields, Node, NodeId, Scalar, Style, SyntaxError, Tree, Value};
