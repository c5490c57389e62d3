//! The commands that the documents give for installing: they name values that there are, and find what they replace.

use serde_json::Value;

use super::file;

const DOCUMENTS: &[&str] = &[
    "README.md",
    "charts/tagseal/README.md",
    "docs/install.md",
    "docs/kind.md",
    "docs/operations.md",
    "docs/pilot.md",
    "docs/platforms.md",
];

/// The documents' lines, a command that goes on in the next line as one.
fn lines() -> Vec<(&'static str, String)> {
    let lines = DOCUMENTS.iter().flat_map(|path| {
        let text = file(path).replace("\\\n", " ");
        text.lines().map(|line| (*path, line.to_owned())).collect::<Vec<_>>()
    });
    lines.collect()
}

#[test]
fn whoever_installs_by_the_documents_says_where_the_image_is() {
    let mut found = 0;
    for (path, line) in lines() {
        // `helm upgrade` keeps what was said, as long as it is told to.
        let is_install = line.contains("helm install tagseal");
        let is_upgrade = line.contains("helm upgrade tagseal");
        if !(is_install || is_upgrade) {
            continue;
        }
        found += 1;
        let says =
            line.contains("image.repository=") || is_upgrade && line.contains("--reset-then-reuse-values");
        assert!(says, "{path}: {line}");
    }
    assert!(found >= 8, "{found}");
}

#[test]
fn what_the_documents_replace_in_the_manifests_is_there() {
    let manifests = file("manifests/install.yaml");
    let mut found = 0;
    for (path, line) in lines() {
        let Some((_, command)) = line.split_once("sed 's#") else { continue };
        if !line.contains("install.yaml") {
            continue;
        }
        let (image, _) = command.split_once('#').unwrap();
        let places = manifests.lines().filter(|line| !line.starts_with('#') && line.contains(image)).count();
        assert_eq!(places, 1, "{path}: {image:?} in manifests/install.yaml");
        found += 1;
    }
    assert!(found >= 3, "{found}");
    // A name that nobody can register: whoever applies it as it is pulls no stranger's image.
    assert!(manifests.contains("image: \"registry.example.com/tagseal:"));
}

#[test]
fn every_value_that_a_command_sets_is_one_of_the_charts() {
    let schema: Value = serde_json::from_str(&file("charts/tagseal/values.schema.json")).unwrap();
    let mut found = 0;
    for (path, line) in lines() {
        for set in line.split("--set ").skip(1) {
            let name = set.trim_start_matches(['\'', '"']).split('=').next().unwrap();
            let pointer: String = name.split('.').map(|part| format!("/properties/{part}")).collect();
            assert!(schema.pointer(&pointer).is_some(), "{path}: the chart has no value {name}: {line}");
            found += 1;
        }
    }
    assert!(found >= 10, "{found}");
}
