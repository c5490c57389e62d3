//! What kubectl and kustomize read of files after `tagseal pin` is what they read before, with the images replaced. That
//! `pin` turns each file of the corpus into the one that is read here, `tests/gitops/corpus.rs` holds.

use std::fs;

use serde_json::Value;

use crate::harness::*;
use crate::support::awkward::{Case, World};
use crate::support::manifests::manifest;

/// Files that kubectl does not take, pinned or not.
const NOT_FOR_KUBECTL: &[&str] = &[
    "05-edit: double quotes with slash escapes",
    "06-sites: 6 List in List",
    "06-sites: 6 an empty document with its end",
    "06-sites: 6 a directive",
    "06-sites: 6 a document on the line of its marker",
];

/// Files that kustomize does not take, pinned or not.
const NOT_FOR_KUSTOMIZE: &[&str] = &[
    "05-edit: double quotes with slash escapes",
    "05-edit: JSON with escapes",
    "06-sites: 6 an empty document with its end",
    "06-sites: 6 a directive",
    "06-sites: 7 an image path with every element",
];

/// Cases whose images are signed under other names.
const REWRITTEN: &str = "06-sites: 6 a policy of one namespace writes the digest";

/// Files before and after, by the case that they are of.
type Pairs = Vec<(String, Vec<u8>, Vec<u8>)>;

fn manifests(cases: &[Case], but: &[&str]) -> Pairs {
    let mut pairs = Pairs::new();
    for case in cases {
        let is_other = ["10-", "11-"].iter().any(|prefix| case.name.starts_with(prefix));
        if case.exit != 0 || is_other || case.name == REWRITTEN || but.contains(&case.name.as_str()) {
            continue;
        }
        let is_values = |name: &str| name.ends_with("Kustomization") || name.contains("values");
        for file in case.files.iter().filter(|file| file.before != file.after && !is_values(&file.name)) {
            pairs.push((case.name.clone(), file.before.clone(), file.after.clone()));
        }
    }
    pairs
}

/// Where two readings differ.
fn differences(path: &str, before: &Value, after: &Value, found: &mut Vec<(String, Value, Value)>) {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            for (key, value) in a {
                differences(&format!("{path}.{key}"), value, &b[key], found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, value) in a.iter().enumerate() {
                differences(&format!("{path}[{index}]"), value, &b[index], found);
            }
        }
        _ if before == after => {}
        _ => found.push((path.to_owned(), before.clone(), after.clone())),
    }
}

/// Whether `after` is `before` with its images replaced: no other difference, and no image of a pod spec without its digest.
#[track_caller]
fn is_what_was_meant(world: &World, reader: &str, before: &[Value], after: &[Value]) -> usize {
    assert_eq!(before.len(), after.len(), "{reader}");
    let mut images = 0;
    for (before, after) in before.iter().zip(after) {
        let mut found = Vec::new();
        differences("", before, after, &mut found);
        for (path, was, is) in &found {
            let meant = was.as_str().and_then(|image| world.meant(image));
            assert!(
                meant.is_some() && is.as_str() == meant.as_deref(),
                "{reader}: {path}: {was} became {is}\n{after}"
            );
            assert!(path.ends_with("mage") || path.ends_with("reference"), "{reader}: {path}");
        }
        let is_known = ["v1", "apps/v1", "batch/v1"].iter().any(|version| before["apiVersion"] == *version)
            && before["kind"] != "Service";
        for image in images_within(after) {
            let left = world.meant(&image).is_some_and(|meant| meant != image);
            assert!(!(is_known && left), "{reader}: {image} was left\n{after}");
        }
        images += found.len();
    }
    images
}

/// Gives the files to both readers.
fn both_read_what_was_meant(world: &World, name: &str, kubectl: &Pairs, kustomize: &Pairs) {
    let read = |pairs: &Pairs, is_after: bool| -> Vec<(String, Vec<u8>)> {
        let content =
            |pair: &(String, Vec<u8>, Vec<u8>)| if is_after { pair.2.clone() } else { pair.1.clone() };
        pairs.iter().enumerate().map(|(index, pair)| (format!("{index:04}.yaml"), content(pair))).collect()
    };
    let [before, after] = [false, true].map(|is_after| {
        let folder = RUN.folder(&format!("{name}-kubectl-{is_after}"));
        for (file, content) in read(kubectl, is_after) {
            fs::write(folder.join(file), content).expect("a file");
        }
        kubectl_reads(&folder)
    });
    assert!(is_what_was_meant(world, "kubectl", &before, &after) >= kubectl.len());
    let [before, after] = [false, true].map(|is_after| {
        let folder = RUN.folder(&format!("{name}-kustomize-{is_after}"));
        kustomize_reads(&folder, &read(kustomize, is_after))
    });
    assert!(is_what_was_meant(world, "kustomize", &before, &after) >= kustomize.len());
}

#[test]
fn awkward_files_are_read_as_they_were_meant() {
    let world = World::new(tagseal_binary());
    let cases = world.cases();
    let (kubectl, kustomize) = (manifests(&cases, NOT_FOR_KUBECTL), manifests(&cases, NOT_FOR_KUSTOMIZE));
    assert!(kubectl.len() >= 80 && kustomize.len() >= 80, "{} and {}", kubectl.len(), kustomize.len());
    both_read_what_was_meant(&world, "awkward", &kubectl, &kustomize);
}

#[test]
fn random_manifests_are_read_as_they_were_meant() {
    const FILES: usize = 150;
    let world = World::new(tagseal_binary());
    let mut dice = Dice::new();
    let folder = RUN.folder("random-manifests");
    let file = |index: usize| folder.join(format!("{index:04}.yaml"));
    let before: Vec<_> = (0..FILES).map(|_| manifest(&mut |end| dice.below(end)).into_bytes()).collect();
    for (index, content) in before.iter().enumerate() {
        fs::write(file(index), content).expect("a file");
    }
    let ended = world.pins(&folder);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let pairs: Pairs = before
        .into_iter()
        .enumerate()
        .map(|(index, before)| (index.to_string(), before, fs::read(file(index)).expect("a file")))
        .collect();
    assert!(pairs.iter().all(|(_, before, after)| before != after));
    both_read_what_was_meant(&world, "random", &pairs, &pairs);
}

#[test]
fn kustomizations_build_what_was_meant() {
    let world = World::new(tagseal_binary());
    let cases = world.cases();
    let usable = |case: &&Case| {
        let Some(file) = case.files.first() else { return false };
        let text = String::from_utf8_lossy(&file.before).into_owned();
        // An image with neither tag nor digest in the kustomization stays without.
        let is_left = case.name.ends_with("is no tag");
        let is_plain = !is_left
            && !["resources", "---", "{\"", "kind: Component", "toolkit.fluxcd"]
                .iter()
                .any(|part| text.contains(part));
        case.name.starts_with("10-") && case.exit == 0 && case.changes() && is_plain
    };
    let cases: Vec<_> = cases.iter().filter(usable).collect();
    assert!(cases.len() >= 6, "{}", cases.len());
    let [before, after] = [false, true].map(|is_after| {
        let folder = RUN.folder(&format!("kustomizations-{is_after}"));
        for (index, case) in cases.iter().enumerate() {
            let base = folder.join(format!("base-{index}"));
            fs::create_dir_all(&base).expect("a base");
            let file = &case.files[0];
            let text = String::from_utf8(if is_after { file.after.clone() } else { file.before.clone() })
                .expect("text");
            let read: Value = serde_saphyr::from_str(&text).expect("a kustomization");
            let names = read["images"].as_array().into_iter().flatten().map(|entry| entry["name"].clone());
            let containers: Vec<_> = names
                .enumerate()
                .map(|(at, name)| serde_json::json!({"name": format!("c{at}"), "image": name}))
                .collect();
            let mut object = pod(&format!("web-{index}"), "none");
            object["spec"]["containers"] = containers.into();
            fs::write(base.join("pod.yaml"), object.to_string()).expect("the pod");
            fs::write(base.join("kustomization.yaml"), format!("{text}\nresources: [pod.yaml]\n"))
                .expect("the file");
        }
        kustomize_builds_all(&folder, cases.len())
    });
    assert!(is_what_was_meant(&world, "kustomize", &before, &after) >= cases.len());
}
