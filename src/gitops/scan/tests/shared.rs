//! Anchors: every use of a scalar is a site, or the scalar is shared.

use super::*;

const POD: &str = "apiVersion: v1\nkind: Pod\n";

#[track_caller]
fn shared(text: &str, sites: usize, places: &[&str]) {
    let scan = scanned(&format!("{POD}{text}"));
    assert_eq!(problems(&scan), [""; 0], "{text}");
    assert_eq!(scan.sites.len(), sites, "{text}: {:?}", lines(&scan));
    let found: Vec<_> = scan.shared.iter().map(|shared| shared.place.to_string()).collect();
    assert_eq!(found, places, "{text}");
}

#[test]
fn a_site_per_use_where_the_alias_stands() {
    let text = format!(
        "{POD}spec:\n  containers: &c\n  - &one {{image: &i web:1}}\n  - *one\n  - {{image: *i}}\n  initContainers: *c\n"
    );
    let scan = scanned(&text);
    assert_eq!(
        lines(&scan),
        [
            "5:21 spec.containers[0].image web:1",
            "6:5 spec.containers[1].image web:1",
            "7:13 spec.containers[2].image web:1",
            "8:19 spec.initContainers[0].image web:1",
            "8:19 spec.initContainers[1].image web:1",
            "8:19 spec.initContainers[2].image web:1",
        ]
    );
    let scalar = scan.sites[0].slot.scalar;
    assert!(scan.sites.iter().all(|site| site.slot.scalar == scalar));
    assert!(scan.shared.is_empty());
}

#[test]
fn merged_fields_are_uses_unless_they_are_overridden() {
    shared("spec:\n  containers:\n  - &a {image: web:1}\n  - {<<: *a, name: x}\n", 2, &[]);
    shared("spec:\n  containers:\n  - &a {image: web:1}\n  - {<<: *a, image: other}\n", 2, &[]);
    shared("x: &a {image: web:1}\nspec:\n  containers:\n  - {<<: *a, image: other}\n", 1, &[]);
    shared("spec:\n  containers:\n  - &a {image: web:1}\n  - &b {image: w:2}\n  - {<<: [*b, *a]}\n", 3, &[]);
}

#[test]
fn a_use_that_is_no_site_is_told() {
    shared("x: &i web:1\nspec:\n  containers:\n  - {image: *i}\n", 1, &["3:7"]);
    shared("spec:\n  containers:\n  - {image: &i web:1}\nx: *i\n", 1, &["6:4"]);
    shared("spec:\n  containers:\n  - {image: &i web:1, name: *i}\n", 1, &["5:29"]);
    shared("spec:\n  containers:\n  - {image: &i web}\nx: {*i : y}\n", 1, &["6:5"]);
    shared("spec:\n  containers: &c\n  - {image: web:1}\nx: *c\n", 1, &["6:4"]);
    shared("x: &a {image: web:1}\nspec:\n  containers:\n  - {<<: *a}\n", 1, &["3:15"]);
    shared("spec:\n  containers:\n  - {image: &i web:1, name: x}\n  - {image: b, name: x}\n", 2, &[]);
}
