//! The JSON Patch that writes digests: single image fields, nothing else.

use json_patch::jsonptr::PointerBuf;
use json_patch::{Patch, PatchOperation, ReplaceOperation, TestOperation};
use serde_json::Value;

use super::sites::{Site, WorkloadKind};

/// The patch that puts each sealed reference at its site. Every `replace` follows a `test` for the image that was
/// judged, so that a seal can never land on another one.
pub fn patch<'n>(kind: &WorkloadKind, seals: impl IntoIterator<Item = (Site<'n>, &'n str)>) -> Patch {
    let operations = seals.into_iter().flat_map(|(site, sealed)| {
        let path = PointerBuf::from_tokens(site.pointer(kind));
        let value = |image: &str| Value::String(image.to_owned());
        [
            PatchOperation::Test(TestOperation { path: path.clone(), value: value(site.image) }),
            PatchOperation::Replace(ReplaceOperation { path, value: value(sealed) }),
        ]
    });
    Patch(operations.collect())
}
