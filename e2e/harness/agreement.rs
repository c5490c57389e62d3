//! What `tagseal verify -f` says of a manifest, held against what came of it in the cluster, image by image.

use serde_json::Value;

use super::cluster::Answer;
use super::verify::Verdict;

/// `Err` unless each image is in `stored` as its verdict says: with its digest where the policies of the verdict, which are
/// among `policies`, have it written, and as it was elsewhere.
pub fn is_stored_as_said(verdicts: &[Verdict], stored: &[Value], policies: &[Value]) -> Result<(), String> {
    for verdict in verdicts {
        verdict.passes()?;
        let said = &verdict.answer;
        let object = stored.iter().find(|object| is_it(&said["object"], object));
        let object = object.ok_or_else(|| format!("{} is not stored: {stored:?}", said["object"]))?;
        let found = object.pointer(&pointer(said["field"].as_str().unwrap_or_default()));
        let is_written = !said["sealed"].is_null() && is_sealed(object, &mutation(said, policies)?);
        let expected = if is_written { &said["sealed"] } else { &said["image"] };
        if found != Some(expected) {
            return Err(format!("stored as {found:?}, not as {expected}: {verdict:?}"));
        }
    }
    Ok(())
}

/// Whether digests are written into an object (docs/policies.md, `mutation`).
fn is_sealed(object: &Value, mutation: &str) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    let is_owned = owners.is_some_and(|owners| owners.iter().any(|owner| owner["controller"] == true));
    match mutation {
        "Pods" => object["kind"] == "Pod",
        "Workloads" => object["kind"] == "Pod" || !is_owned,
        _ => false,
    }
}

/// The `mutation` of an image: the strictest of those that the policies of its verdict have. No scenario has policies of
/// both kinds that differ in it.
fn mutation(said: &Value, policies: &[Value]) -> Result<String, String> {
    let name = |policy: &Value| {
        let (kind, name) = (policy["kind"].as_str(), policy["metadata"]["name"].as_str());
        let namespace = policy["metadata"]["namespace"].as_str().map(|namespace| format!("{namespace}/"));
        format!("{} {}{}", kind.unwrap_or_default(), namespace.unwrap_or_default(), name.unwrap_or_default())
    };
    let decides = |policy: &&Value| {
        said["policies"].as_array().is_some_and(|names| names.contains(&name(policy).into()))
    };
    let of = |policy: &Value| policy["spec"]["mutation"].as_str().unwrap_or("Pods").to_owned();
    // In alphabetical order the strictest comes first.
    let strictest = policies.iter().filter(decides).map(of).min();
    strictest.ok_or_else(|| format!("which policies decide? {said}"))
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
