//! The krew manifest: filled in as krew-release-bot does it, it is what krew documents and checks at installation.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

const TEMPLATE: &str = include_str!("../deploy/krew/tagseal.yaml");
const VERSION: &str = "v1.2.3";

/// krew's `Plugin`, with the fields that it documents and no others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Plugin {
    api_version: String,
    kind: String,
    metadata: BTreeMap<String, String>,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    version: String,
    homepage: String,
    short_description: String,
    description: String,
    caveats: String,
    platforms: Vec<Platform>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Platform {
    selector: BTreeMap<String, BTreeMap<String, String>>,
    uri: String,
    sha256: String,
    bin: String,
    files: Vec<BTreeMap<String, String>>,
}

/// As krew-release-bot fills it in, with a hash for each archive.
fn filled_in() -> String {
    let line = |line: &str| {
        let Some((indent, rest)) = line.split_once("{{addURIAndSha \"") else {
            return line.replace("{{ .TagName }}", VERSION);
        };
        let (uri, rest) = rest.split_once("\" ").expect("an address in quotes");
        assert_eq!(rest, ".TagName }}");
        let (uri, sha256) = (uri.replace("{{ .TagName }}", VERSION), "ab".repeat(32));
        format!("{indent}uri: {uri}\n{indent}sha256: {sha256}")
    };
    TEMPLATE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_krew_manifest_is_one_that_krew_takes() {
    let plugin: Plugin = serde_saphyr::from_str(&filled_in()).unwrap();
    assert_eq!(plugin.api_version, "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!(plugin.kind, "Plugin");
    assert_eq!(plugin.metadata, BTreeMap::from([("name".to_owned(), "tagseal".to_owned())]));
    let spec = plugin.spec;
    assert_eq!(spec.version, VERSION);
    assert_eq!(spec.homepage, "https://tagseal.dev");
    let short = &spec.short_description;
    assert!((1..=50).contains(&short.len()) && !short.contains('\n') && !short.ends_with('.'), "{short}");
    for text in [&spec.description, &spec.caveats] {
        assert!(text.lines().all(|line| line.len() <= 92), "{text}");
    }
    let mut seen = BTreeSet::new();
    for platform in &spec.platforms {
        let labels = &platform.selector["matchLabels"];
        assert_eq!((platform.selector.len(), labels.len()), (1, 2));
        assert!(labels["os"] == "linux" && ["amd64", "arm64"].contains(&&*labels["arch"]), "{labels:?}");
        assert!(seen.insert(labels.clone()), "two for {labels:?}");
        assert!(
            platform.uri.starts_with("https://tagseal.dev/") && platform.uri.ends_with(".tar.gz"),
            "{}",
            platform.uri
        );
        assert!(
            platform.uri.contains(VERSION) && platform.uri.contains(&*labels["arch"]),
            "{}",
            platform.uri
        );
        assert_eq!(platform.sha256.len(), 64);
        let files: Vec<_> = platform.files.iter().map(|file| (&*file["from"], &*file["to"])).collect();
        assert_eq!(files, [("tagseal", "."), ("LICENSE", ".")]);
        assert_eq!(platform.bin, "tagseal", "krew links to it by the plugin's name");
    }
    assert_eq!(seen.len(), 2);
}
