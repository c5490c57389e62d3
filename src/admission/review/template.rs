//! Compares the templates of an UPDATE's two objects, all of their fields: those too that are never read otherwise.

use std::hash::RandomState;

use serde::Deserialize;
use serde::de::DeserializeSeed as _;
use serde_json::value::RawValue;

use self::fingerprint::Fingerprint;
use super::read_as;
use crate::admission::object::Child;

mod fingerprint;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Objects<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
    #[serde(borrow)]
    old_object: &'a RawValue,
}

/// The fields that lead to a template.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow, default)]
    spec: Option<&'a RawValue>,
    #[serde(borrow, default)]
    template: Option<&'a RawValue>,
    #[serde(borrow, default)]
    job_template: Option<&'a RawValue>,
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

/// By fingerprints: a template of many small values takes a hundred times as much memory once it is built.
fn is_same_value(new: &RawValue, old: &RawValue) -> bool {
    let keys = RandomState::new();
    let of = |raw: &RawValue| {
        Fingerprint(&keys).deserialize(&mut serde_json::Deserializer::from_str(raw.get())).ok()
    };
    of(new).is_some_and(|new| Some(new) == of(old))
}

fn at<'a>(object: &'a RawValue, path: &[Child]) -> Option<&'a RawValue> {
    path.iter().try_fold(object, |object, child| {
        let fields: Fields<'a> = serde_json::from_str(object.get()).ok()?;
        match child {
            Child::Spec => fields.spec,
            Child::Template => fields.template,
            Child::JobTemplate => fields.job_template,
        }
    })
}
