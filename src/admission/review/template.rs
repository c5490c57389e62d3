//! Compares the templates of an UPDATE's two objects, all of their fields: those too that are never read otherwise.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::read_as;
use crate::admission::object::Child;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Objects<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
    #[serde(borrow)]
    old_object: &'a RawValue,
}

/// Whether the fields at `path` differ, as values: the order of fields is none of it. What cannot be compared differs.
pub(super) fn differs(body: &[u8], path: &[Child]) -> bool {
    let Ok(Objects { object, old_object }) = read_as(body) else { return true };
    match (at(object, path), at(old_object, path)) {
        (Some(new), Some(old)) => new.get() != old.get() && !is_same_value(new, old),
        (None, None) => false,
        _ => true,
    }
}

fn is_same_value(new: &RawValue, old: &RawValue) -> bool {
    let value = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).ok();
    value(new).is_some_and(|new| Some(new) == value(old))
}

fn at<'a>(object: &'a RawValue, path: &[Child]) -> Option<&'a RawValue> {
    path.iter().try_fold(object, |object, child| {
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(object.get()).ok()?;
        fields.get(child.field()).copied()
    })
}
