//! The JSON Patch that writes digests: single image fields, nothing else.
//!
//! Written here and not with json-patch's types, because those own a copy of every path and value as a JSON document,
//! which cost as much as resolving the image.

use serde::Serialize;

use super::sites::{Site, WorkloadKind};

/// A JSON Patch (RFC 6902).
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Patch<'n>(Vec<Operation<'n>>);

#[derive(Debug, Serialize)]
struct Operation<'n> {
    op: &'static str,
    path: String,
    value: &'n str,
}

impl<'n> Patch<'n> {
    /// The patch that puts each sealed reference at its site. Every `replace` follows a `test` for the image that was
    /// judged, so that a seal can never land on another one.
    pub fn sealing(kind: &WorkloadKind, seals: impl IntoIterator<Item = (Site<'n>, &'n str)>) -> Self {
        let operations = seals.into_iter().flat_map(|(site, sealed)| {
            let path = site.pointer(kind);
            [
                Operation { op: "test", path: path.clone(), value: site.image },
                Operation { op: "replace", path, value: sealed },
            ]
        });
        Self(operations.collect())
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
