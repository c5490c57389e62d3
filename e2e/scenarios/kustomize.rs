//! What the real kustomize makes of digests in a kustomization: `tagseal pin` rests on it.

use std::fs;

use crate::harness::*;

#[test]
fn kustomize_takes_a_digest_after_a_tag_or_beside_it() {
    let digest = digest_of("web 1.4");
    let dir = RUN.folder("kustomize-digests");
    let builds = |entry: &str| {
        let kustomization =
            format!("resources: [pod.yaml]\nimages: [{{name: registry.test/web, {entry}}}]\n");
        fs::write(dir.join("kustomization.yaml"), kustomization).expect("the kustomization");
        fs::write(dir.join("pod.yaml"), pod("web", "registry.test/web:0.1").to_string()).expect("the pod");
        Kustomize::build(&dir)
    };
    let becomes = |entry: &str, image: &str| {
        let built = builds(entry);
        assert!(built.passed, "{entry}: {}", built.errors);
        assert!(built.output.contains(&format!("image: {image}\n")), "{entry}: {}", built.output);
    };
    let pinned = sealed("registry.test/web:1.4", &digest);
    becomes(&format!("newTag: '1.4@{digest}'"), &pinned);
    becomes(&format!("newTag: '1.4', digest: '{digest}'"), &pinned);
    becomes(&format!("digest: '{digest}'"), &sealed("registry.test/web", &digest));
    becomes(&format!("newName: registry.test/shop, newTag: '1.4@{digest}'"), &pinned.replace("web", "shop"));
    // YAML 1.1 reads a number.
    let refused = builds("newTag: 1.10");
    assert!(!refused.passed && refused.errors.contains("newTag"), "{}", refused.text());
}
