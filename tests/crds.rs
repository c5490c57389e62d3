//! The files in `crds/` are what `tagseal crd` renders.

use tagseal::cli::crd;

#[test]
fn the_files_in_crds_are_the_rendered_definitions() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let rendered = crd::render().unwrap();
    for file in &rendered {
        let found = std::fs::read_to_string(folder.join(&file.name)).unwrap_or_default();
        assert!(
            found == file.yaml,
            "crds/{} is not what the types say; run `tagseal crd --output crds/`\n{}",
            file.name,
            first_difference(&found, &file.yaml)
        );
    }
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, rendered.iter().map(|file| file.name.clone()).collect::<Vec<_>>());
}

#[test]
fn the_rendered_yaml_reads_as_the_definition() {
    use kube::CustomResourceExt;
    use tagseal::api::{ClusterTrustPolicy, TrustExemption, TrustPolicy, TrustedRepository};

    let rendered = crd::render().unwrap();
    let definitions =
        [ClusterTrustPolicy::crd(), TrustedRepository::crd(), TrustExemption::crd(), TrustPolicy::crd()];
    assert_eq!(rendered.len(), definitions.len());
    for (file, definition) in rendered.iter().zip(definitions) {
        let read: serde_json::Value = serde_saphyr::from_str(&file.yaml).unwrap();
        assert_eq!(read, serde_json::to_value(definition).unwrap(), "{}", file.name);
    }
}

/// The lines around the first that differs, as `diff` marks them.
fn first_difference(found: &str, rendered: &str) -> String {
    let line = found.lines().zip(rendered.lines()).take_while(|(a, b)| a == b).count();
    let around = |text: &str, sign: char| -> String {
        text.lines().skip(line).take(5).map(|l| format!("{sign}{l}\n")).collect()
    };
    format!("@@ line {} @@\n{}{}", line + 1, around(found, '-'), around(rendered, '+'))
}
