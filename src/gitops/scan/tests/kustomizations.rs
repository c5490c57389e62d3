//! Kustomizations, and Flux's.

use super::*;

fn kustomization(images: &str) -> Scan {
    let text = format!("images:\n{images}\n");
    scan(&[file("x/kustomization.yaml", FileRole::Manifest, &text)], &options(&[]))
}

#[test]
fn entries_name_an_image_and_what_takes_its_digest() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for (entry, expected) in [
        ("{name: web, newTag: '1.4'}", "images[0].newTag web:1.4 Tag"),
        ("{name: web, newTag: 1.4-rc}", "images[0].newTag web:1.4-rc Tag"),
        ("{name: web, newTag: 2024-01-01}", "images[0].newTag web:2024-01-01 Tag"),
        ("{name: web, newTag: '1.4@DIGEST'}", "images[0].newTag web:1.4@DIGEST Tag"),
        ("{name: web, newName: r.io/web, newTag: '1.4'}", "images[0].newTag r.io/web:1.4 Tag"),
        ("{name: web, newName: '', newTag: '1.4'}", "images[0].newTag web:1.4 Tag"),
        ("{name: web, digest: 'DIGEST'}", "images[0].digest web@DIGEST Digest"),
        ("{name: web, newTag: '1.4', digest: 'DIGEST'}", "images[0].digest web:1.4@DIGEST Digest"),
        ("{name: web, newTag: '1.4', digest: ''}", "images[0].digest web:1.4 Digest"),
        ("{name: web, newTag: '1.4', digest: }", "images[0].digest web:1.4 Digest"),
        ("{name: web, newName: 'r.io:5/web:1.4'}", "images[0].newName r.io:5/web:1.4 Reference"),
        ("{name: web, newName: 'web@DIGEST'}", "images[0].newName web@DIGEST Reference"),
        ("{name: web, newName: 'web:1', newTag: '2'}", "images[0].newTag web:1:2 Tag"),
        ("{name: web, newName: 'r.io:5/web'}", ""),
        ("{name: web}", ""),
        ("{name: 'web:1.4'}", ""),
        ("{name: web, newTag: '', digest: ''}", ""),
    ] {
        let scan = kustomization(&format!("- {}", entry.replace("DIGEST", &digest)));
        assert_eq!(problems(&scan), [""; 0], "{entry}");
        let found: Vec<_> = scan
            .sites
            .iter()
            .map(|site| format!("{} {} {:?}", site.field, site.image, site.slot.part))
            .collect();
        assert_eq!(found.concat(), expected.replace("DIGEST", &digest), "{entry}");
    }
}

#[test]
fn tags_that_are_no_strings_are_refused() {
    for tag in ["1.10", "1_000", "0x1F", "on", "010", "1e3", ".5", "0b1", "!!str 1.10 #", "'1.10' #"] {
        let scan = kustomization(&format!("- name: web\n  newTag: {tag}\n"));
        if tag.ends_with('#') {
            assert_eq!(scan.sites.len(), 1, "{tag}");
        } else {
            is_problem(&scan, "3:11", "no string to kustomize");
            assert!(scan.sites.is_empty());
        }
    }
    for (images, place, what) in [
        ("- {name: web, newTag: 'a@b', digest: c}", "2:3", "in newTag and in digest"),
        ("- {newTag: '1.4'}", "2:3", "neither name nor newName"),
        ("- {name: web, newTag: [a]}", "2:23", "is a list"),
        ("- web", "2:3", "no mapping"),
        ("- {name: web, newtag: '1.4'}", "2:15", "newtag of the Kustomization is newTag to kustomize"),
        ("- {name: web}\nNameSpace: shop", "3:1", "is namespace to kustomize"),
        ("  {}", "2:3", "no list"),
    ] {
        is_problem(&kustomization(images), place, what);
    }
}

#[test]
fn what_kustomize_alone_knows_is_left_alone_and_told() {
    for (images, what) in [
        ("- {name: web, newName: 'web:1', tagSuffix: -a}", "adds a suffix"),
        ("- {name: '.*/web', newTag: '1'}", "every image that matches"),
    ] {
        let scan = kustomization(images);
        assert_eq!(scan.sites.len(), 0);
        assert!(scan.notices[0].starts_with("x/kustomization.yaml:2:3: "), "{:?}", scan.notices);
        assert!(scan.notices[0].contains(what), "{:?}", scan.notices);
    }
    assert_eq!(kustomization("- {name: 'x*', newName: web, newTag: '1'}").sites.len(), 1);
}

#[test]
fn kustomizations_are_known_by_their_file_or_their_kind() {
    let images = "namespace: shop\nimages: [{name: web, newTag: '1'}]\n";
    let of = |kind: &str| format!("{kind}{images}");
    let component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n";
    let own = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    for (name, kind, count) in [
        ("kustomization.yaml", "", 1),
        ("x/kustomization.yml", "", 1),
        ("x/Kustomization", "kind: Kustomization\n", 1),
        ("x/Kustomization", "apiVersion: kustomize.config.k8s.io/v1beta1\n", 1),
        ("a.yaml", own, 1),
        ("a.yaml", component, 1),
        ("-", own, 1),
        ("a.yaml", "", 0),
        ("a.yaml", "kind: Kustomization\n", 0),
        ("xkustomization.yaml", "", 0),
        ("kustomization.yaml", "apiVersion: v1\nkind: ConfigMap\n", 0),
    ] {
        let scan = scan(&[file(name, FileRole::Manifest, &of(kind))], &options(&[]));
        assert_eq!(scan.sites.len(), count, "{name} {kind}");
        assert!(scan.sites.iter().all(|site| site.namespace == "shop"), "{name}");
        assert!(scan.sites.iter().all(|site| !site.object.kind.is_empty()), "{name}");
    }
}

#[test]
fn flux_has_the_same_entries() {
    let flux = |namespaces: &str| {
        let text = format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: web, namespace: flux-system}}\n\
             spec:\n  {namespaces}\n  images:\n  - name: web\n    newTag: '1.4'\n"
        );
        scanned(&text)
    };
    let scan = flux("targetNamespace: shop");
    assert_eq!(lines(&scan), ["8:13 spec.images[0].newTag web:1.4"]);
    assert_eq!(scan.sites[0].namespace, "shop");
    assert_eq!(flux("path: x").sites[0].namespace, "flux-system");
}
