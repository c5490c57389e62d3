//! Helm values.

use super::*;

fn values(text: &str) -> Scan {
    scan(&[file("values.yaml", FileRole::HelmValues, text)], &options(&[]))
}

#[test]
fn keys_that_end_in_image_hold_images() {
    for (text, expected) in [
        ("image: {repository: web, tag: '1.4'}", "1:31 image.tag web:1.4 Tag"),
        ("sidecarImage: {repository: web, tag: v1}", "1:38 sidecarImage.tag web:v1 Tag"),
        ("IMAGE: {registry: r.io, repository: a/web, tag: v1}", "1:49 IMAGE.tag r.io/a/web:v1 Tag"),
        ("image: {registry: '', repository: web, tag: v1}", "1:45 image.tag web:v1 Tag"),
        ("image: {repository: web, tag: v1, digest: ''}", "1:43 image.digest web:v1 Digest"),
        ("image: {repository: web, tag: v1, digest: }", "1:41 image.digest web:v1 Digest"),
        ("image: {repository: web, tag: v1, digest: x}", "1:43 image.digest web:v1@x Digest"),
        ("image: {repository: web, tag: '', digest: x}", "1:43 image.digest web@x Digest"),
        ("image: {repository: web, tag: v1@x}", "1:31 image.tag web:v1@x Tag"),
        ("a: {b: [{image: web:1}]}", "1:17 a.b[0].image web:1 Reference"),
        ("a: {x.y: {image: web:1}}", "1:18 a['x.y'].image web:1 Reference"),
        ("image: web:1", "1:8 image web:1 Reference"),
        ("image: '{{ x }}'", "1:8 image {{ x }} Reference"),
        ("image: ''", ""),
        ("image:", ""),
        ("pullImage: true", ""),
        ("maxImage: 5", ""),
        ("image: {repository: web, tag: ''}", ""),
        ("image: {repository: web}", ""),
        ("image: {repository: '', tag: v1}", ""),
        ("image: {tag: 1.4, pullPolicy: Always}", ""),
        ("images: {repository: web, tag: v1}", ""),
        ("imageTag: v1", ""),
    ] {
        let scan = values(&format!("{text}\n"));
        assert_eq!(problems(&scan), [""; 0], "{text}");
        let part = |site: &Site| format!("{:?}", site.slot.part);
        let found: Vec<_> = lines(&scan)
            .iter()
            .zip(&scan.sites)
            .map(|(line, site)| format!("{line} {}", part(site)))
            .collect();
        assert_eq!(found.concat(), expected, "{text}");
    }
}

#[test]
fn what_helm_reads_otherwise_is_refused() {
    for (text, place, what) in [
        ("image: {repository: web, tag: 1.10}", "1:31", "image.tag of the values is 1.10 without quotes"),
        ("image: {repository: web, tag: on}", "1:31", "no string to Helm"),
        ("image: {repository: web, tag: [a]}", "1:31", "is a list"),
        ("image: {repository: web, tag: a@b, digest: c}", "1:8", "in tag and in digest"),
        ("image: !!binary d2Vi", "1:17", "remove the tag"),
    ] {
        is_problem(&values(&format!("{text}\n")), place, what);
    }
}

#[test]
fn what_is_left_alone_is_told() {
    let notices = values("global: {imageRegistry: r.io}\nimage: {repository: web, tag: ''}\n").notices;
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(notices[0].starts_with("values.yaml:1:25: global.imageRegistry is r.io"), "{notices:?}");
    assert!(notices[1].starts_with("values.yaml:2:31: image has an empty tag"), "{notices:?}");
}
