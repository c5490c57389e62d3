//! What `tagseal verify -f` says of a manifest, held against what came of it in the cluster, image by image.

use serde_json::Value;

use super::cluster::Answer;
use super::verify::Verdict;

/// `Err` unless each image is in `stored` as its verdict says: with its digest in a pod, and with or without it in a
/// template, by the policy.
pub fn is_stored_as_said(verdicts: &[Verdict], stored: &[Value]) -> Result<(), String> {
    for verdict in verdicts {
        verdict.passes()?;
        let said = &verdict.answer;
        let object = stored.iter().find(|object| is_it(&said["object"], object));
        let object = object.ok_or_else(|| format!("{} is not stored: {stored:?}", said["object"]))?;
        let found = object.pointer(&pointer(said["field"].as_str().unwrap_or_default()));
        let (image, sealed) = (&said["image"], &said["sealed"]);
        let as_said = match (sealed, object["kind"] == "Pod") {
            (Value::Null, _) => found == Some(image),
            (sealed, true) => found == Some(sealed),
            (sealed, false) => found == Some(sealed) || found == Some(image),
        };
        if !as_said {
            return Err(format!("stored as {found:?}: {verdict:?}"));
        }
    }
    Ok(())
}

/// `Err` unless tagseal refused exactly the images that the verdicts refuse, for the reasons that they give.
pub fn is_refused_as_said(verdicts: &[Verdict], answer: &Answer) -> Result<(), String> {
    let image_of = |verdict: &Verdict| verdict.answer["image"].as_str().unwrap_or_default().to_owned();
    let (refused, passed): (Vec<_>, Vec<_>) = verdicts.iter().partition(|verdict| verdict.refuses());
    if refused.is_empty() {
        return Err(format!("nothing stands against it, but: {}", answer.errors));
    }
    // One denied image makes the exit status 1, whatever else is undecided.
    let code = if refused.iter().any(|verdict| verdict.answer["verdict"] == "Denied") { 1 } else { 2 };
    for verdict in &refused {
        let reason = verdict.answer["reason"].as_str().unwrap_or("no reason");
        if verdict.code != Some(code) || !is_refused_for(answer, &image_of(verdict), reason) {
            return Err(format!("{verdict:?}, but: {}", answer.errors));
        }
    }
    for verdict in passed {
        let image = image_of(verdict);
        let is_refused_elsewhere = refused.iter().any(|refused| image_of(refused) == image);
        if !is_refused_elsewhere && is_refused_for(answer, &image, "") {
            return Err(format!("{verdict:?}, but: {}", answer.errors));
        }
    }
    Ok(())
}

/// Whether tagseal's refusal has this reason for `image`. A message may tell of older reasons, too.
pub fn is_refused_for(answer: &Answer, image: &str, reason: &str) -> bool {
    let names = [format!("image {image:?}: {reason}"), format!("; also {reason}")];
    let is_about_it = |line: &&str| line.contains(&format!("image {image:?}: "));
    answer.errors.lines().filter(is_about_it).any(|line| names.iter().any(|name| line.contains(name)))
}

/// Whether `object` is what a verdict calls so. The API server completes a `generateName`.
fn is_it(said: &Value, object: &Value) -> bool {
    let name = said["name"].as_str().unwrap_or_default();
    let stored = object["metadata"]["name"].as_str().unwrap_or_default();
    object["kind"] == said["kind"] && (stored == name || name.ends_with('-') && stored.starts_with(name))
}

/// `/spec/containers/0/image`, of `spec.containers[0].image`.
fn pointer(field: &str) -> String {
    let steps = field.split(['.', '[', ']']).filter(|step| !step.is_empty());
    steps.map(|step| format!("/{step}")).collect()
}
