//! `values.yaml` with its comments: each value with what it is for.

use serde_json::Value;

use super::{default_values, file};

/// A value that has a comment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Documented {
    /// Where it is: `image.tag`.
    pub(super) path: String,
    /// What the comment says.
    pub(super) meaning: String,
    /// The default.
    pub(super) default: Value,
}

/// All of them, in the file's order.
pub(super) fn documented() -> Vec<Documented> {
    let (text, values) = (file("charts/tagseal/values.yaml"), default_values());
    let mut found = Vec::new();
    let mut parents: Vec<(usize, String)> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in text.lines() {
        let content = line.trim_start();
        let indentation = line.len() - content.len();
        if let Some(text) = content.strip_prefix('#') {
            comment.push(text.trim());
            continue;
        }
        let key = content.split_once(':').map(|(key, _)| key).filter(|key| !key.starts_with('-'));
        if let Some(key) = key {
            parents.retain(|(depth, _)| *depth < indentation);
            parents.push((indentation, key.to_owned()));
            if !comment.is_empty() {
                let path: Vec<&str> = parents.iter().map(|(_, key)| key.as_str()).collect();
                let default = values.pointer(&format!("/{}", path.join("/"))).unwrap().clone();
                found.push(Documented { path: path.join("."), meaning: comment.join(" "), default });
            }
        }
        comment.clear();
    }
    found
}

#[test]
fn every_value_is_explained() {
    fn leaves(value: &Value, path: &str, into: &mut Vec<String>) {
        match value.as_object().filter(|map| !map.is_empty()) {
            Some(map) => {
                for (key, child) in map {
                    leaves(child, &format!("{path}.{key}"), into);
                }
            }
            None => into.push(path.trim_start_matches('.').to_owned()),
        }
    }
    let mut all = Vec::new();
    leaves(&default_values(), "", &mut all);
    let documented = documented();
    for leaf in all {
        let covered = documented
            .iter()
            .any(|known| leaf == known.path || leaf.starts_with(&format!("{}.", known.path)));
        assert!(covered, "charts/tagseal/values.yaml: {leaf} has no comment");
    }
}
