//! The JSON Patch that writes digests: single image fields, nothing else.
//!
//! Written here and not with json-patch's types, because those own a copy of every path and value as a JSON document,
//! which cost as much as resolving the image.

use serde::{Serialize, Serializer};

use super::sites::{Site, WorkloadKind};

/// A JSON Patch (RFC 6902) that writes digests.
#[derive(Debug)]
pub struct Patch<'n>(Vec<Seal<'n>>);

/// One image field's new value.
#[derive(Debug)]
struct Seal<'n> {
    path: String,
    image: &'n str,
    sealed: &'n str,
}

#[derive(Serialize)]
struct Operation<'p> {
    op: &'static str,
    path: &'p str,
    value: &'p str,
}

impl<'n> Patch<'n> {
    /// The patch that puts each sealed reference at its site.
    pub fn sealing(kind: &WorkloadKind, seals: impl IntoIterator<Item = (Site<'n>, &'n str)>) -> Self {
        let seal =
            |(site, sealed): (Site<'n>, _)| Seal { path: site.pointer(kind), image: site.image, sealed };
        Self(seals.into_iter().map(seal).collect())
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Seal<'_> {
    /// Every `replace` follows a `test` for the image that was judged, so that a seal can never land on another one.
    fn operations(&self) -> [Operation<'_>; 2] {
        let Self { path, image, sealed } = self;
        [Operation { op: "test", path, value: image }, Operation { op: "replace", path, value: sealed }]
    }
}

impl Serialize for Patch<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().flat_map(Seal::operations))
    }
}
