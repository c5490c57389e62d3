//! Files that are larger or odder than anybody's.

use super::*;

#[test]
fn many_containers_and_documents_are_soon_read() {
    let containers: String = (0..10_000).map(|n| format!("  - {{name: c{n}, image: web:{n}}}\n")).collect();
    assert_eq!(
        sites(&format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n{containers}")).len(),
        10_000
    );
    let pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: web}]}\n---\n";
    assert_eq!(sites(&pod.repeat(10_000)).len(), 10_000);
}

#[test]
fn many_keys_and_aliases_are_soon_read() {
    let keys: String = (0..30_000).map(|n| format!("  k{n}: v\n")).collect();
    let text =
        format!("apiVersion: v1\nkind: Pod\nmetadata:\n{keys}spec:\n{keys}  containers: [{{image: web}}]\n");
    assert_eq!(sites(&text).len(), 1);
    let aliases = "  - *c\n".repeat(20_000);
    let text = format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - &c {{image: web}}\n{aliases}");
    assert_eq!(sites(&text).len(), 20_001);
}

#[test]
fn deep_lists_are_read_or_refused() {
    let deep = |levels: usize| {
        let pod = "{apiVersion: v1, kind: Pod, spec: {containers: [{image: web}]}}";
        let open = "{apiVersion: v1, kind: List, items: [".repeat(levels);
        format!("{open}{pod}{}\n", "]}".repeat(levels))
    };
    assert_eq!(sites(&deep(60)).len(), 1);
    assert!(Tree::parse(&deep(2000)).is_err());
}
