//! Policies from files: what does not parse says file, line, column and field.

use tagseal::policy::{CompileContext, FileObjects, PolicyKind, ReferencedObjects, UnknownFields, load};

const GOOD: &str = "\
# A comment.
apiVersion: tagseal.dev/v1alpha1
kind: ClusterTrustPolicy
metadata: {name: production}
spec:
  images:
    include: [\"registry.example.com/shop/**\"]
  notary:
    server: https://notary.example.com
  roots:
  - keyID: 5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f
";

/// Everything wrong with a file, as it is shown.
fn errors(text: &str) -> Vec<String> {
    let loaded = match load("p.yaml", text) {
        Ok(loaded) => loaded,
        Err(error) => return vec![error.to_string()],
    };
    let context = CompileContext {
        system_namespace: "tagseal",
        objects: &loaded.objects,
        unknown_fields: UnknownFields::Refuse,
    };
    let compile = |document: &tagseal::policy::PolicyDocument| document.compile(&context).1;
    loaded.policies.iter().flat_map(compile).map(|error| error.to_string()).collect()
}

#[test]
fn documents_and_lists_are_read_in_order() {
    let item = GOOD.trim_start_matches("# A comment.\n").replace('\n', "\n  ");
    let tenant =
        "apiVersion: tagseal.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: t, namespace: shop}\n";
    let text = format!(
        "---\n{GOOD}---\n# nothing\n---\napiVersion: v1\nkind: List\nitems:\n- {item}\n---\n{tenant}"
    );
    let loaded = load("p.yaml", &text).unwrap();
    let kinds: Vec<PolicyKind> = loaded.policies.iter().map(|policy| policy.kind()).collect();
    assert_eq!(kinds, [PolicyKind::Cluster, PolicyKind::Cluster, PolicyKind::Namespaced]);
    assert_eq!(loaded.policies[1].object()["metadata"]["name"], "production");
    assert!(load("empty.yaml", "# nothing\n").unwrap().policies.is_empty());
}

#[test]
fn config_maps_and_secrets_of_files_answer_policies() {
    let text = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: ca}
data: {ca.crt: pem}
---
apiVersion: v1
kind: Secret
metadata: {name: reader, namespace: tagseal}
";
    let objects: FileObjects = load("p.yaml", text).unwrap().objects;
    assert_eq!(objects.config_map_key("tagseal", "ca", "ca.crt").as_deref(), Ok("pem"));
    assert_eq!(
        objects.config_map_key("tagseal", "ca", "tls.crt").map_err(|error| error.to_string()),
        Err("ConfigMap tagseal/ca has no key \"tls.crt\"".to_owned())
    );
    assert_eq!(objects.secret("tagseal", "reader"), Ok(()));
    assert!(objects.secret("shop", "reader").is_err());
}

#[test]
fn what_is_wrong_says_file_line_column_and_field() {
    assert_eq!(errors(GOOD), Vec::<String>::new());
    let with = |from: &str, to: &str| {
        assert!(GOOD.contains(from));
        GOOD.replace(from, to)
    };
    for (text, expected) in [
        (with("keyID", "keyId"), "p.yaml:11:5: spec.roots[0].keyId: is not known; perhaps keyID was meant"),
        (with("keyID: 5f", "keyID: zz"), "p.yaml:11:5: spec.roots[0].keyID: "),
        (
            with("\"registry.example.com/shop/**\"", "nginx"),
            "p.yaml:7:15: spec.images.include[0]: a pattern names its registry: write docker.io/library/nginx",
        ),
        (with("    server: https", "    server: http"), "p.yaml:9:5: spec.notary.server: \"http://notary"),
        (
            with("    server: https://notary.example.com\n", "    {}\n"),
            "p.yaml:8:3: spec.notary.server: is missing",
        ),
        (with("metadata: {name: production}", "metadata: {}"), "p.yaml:4:1: metadata.name: is missing"),
        (with("spec:", "sepc:"), "p.yaml:5:1: sepc: is not known; the fields here are apiVersion"),
        (
            with("tagseal.dev/v1alpha1", "tagseal.dev/v1"),
            "p.yaml:2:1: apiVersion: is \"tagseal.dev/v1\"; this tagseal",
        ),
        (
            with("ClusterTrustPolicy", "Deployment"),
            "p.yaml:3:1: kind: \"Deployment\" of \"tagseal.dev/v1alpha1\" is neither",
        ),
        (with("kind: ClusterTrustPolicy\n", ""), "p.yaml:2:1: kind: is missing; policies are"),
        (with("apiVersion: tagseal.dev/v1alpha1\n", ""), "p.yaml:2:1: apiVersion: is missing; policies have"),
        (with("ClusterTrustPolicy", "TrustPolicy"), "p.yaml:4:1: metadata.namespace: is missing"),
        ("- a\n- b\n".to_owned(), "p.yaml:1:1: an object was expected, not a list"),
        ("a: [1\n".to_owned(), "p.yaml:"),
        (
            with("  notary:", "  notary:\n  notary:"),
            "p.yaml:9:3: not YAML: duplicate mapping key `notary` is not allowed here",
        ),
        ("a: b\n c: d\n".to_owned(), "p.yaml:2:"),
    ] {
        let found = errors(&text);
        assert_eq!(found.len(), 1, "{found:#?}\n{text}");
        assert!(found[0].starts_with(expected), "found    {}\nexpected {expected}", found[0]);
    }
}

#[test]
fn an_error_in_a_list_is_at_its_item() {
    let text = "\
apiVersion: tagseal.dev/v1alpha1
kind: ClusterTrustPolicyList
items:
- apiVersion: tagseal.dev/v1alpha1
  kind: ClusterTrustPolicy
  metadata: {name: a}
  spec:
    images: {include: [\"r.io/**\"]}
    notary: {server: https://n.io}
    roots:
    - keyID: 12
";
    assert_eq!(
        errors(text),
        ["p.yaml:11:7: spec.roots[0].keyID: must be a string (in quotes), not a number"]
    );
    let wrong = text.replace("  kind: ClusterTrustPolicy\n", "  kind: Pod\n");
    assert_eq!(
        errors(&wrong),
        [
            "p.yaml:5:3: items[0].kind: \"Pod\" of \"tagseal.dev/v1alpha1\" is neither a policy nor a ConfigMap or \
          Secret that policies refer to"
        ]
    );
}

#[test]
fn hostile_yaml_is_bounded() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n".to_owned()
        + &(0..9).map(|i| {
            let (this, last) = (char::from(b'c' + i), char::from(b'b' + i));
            format!("{this}: &{this} [*{last},*{last},*{last},*{last},*{last},*{last},*{last},*{last},*{last}]\n")
        }).collect::<String>();
    let found = errors(&bomb);
    assert!(found.len() == 1 && found[0].contains("not YAML"), "{found:?}");
    let deep = "[".repeat(100_000);
    let found = errors(&deep);
    assert!(found.len() == 1 && found[0].contains("not YAML"), "{found:?}");
}

#[test]
fn every_example_of_the_manual_is_a_policy_or_exemptions_that_work() {
    let manual = include_str!("../../docs/policies.md");
    let mut objects = FileObjects::default();
    let pem = "-----BEGIN CERTIFICATE-----";
    objects.add_config_map(None, "notary-ca", [("ca.crt".to_owned(), pem.into())].into());
    let context = CompileContext {
        system_namespace: "tagseal",
        objects: &objects,
        unknown_fields: UnknownFields::Refuse,
    };
    let examples: Vec<&str> =
        manual.split("```yaml\n").skip(1).filter_map(|s| s.split("```").next()).collect();
    assert!(examples.len() > 5);
    for example in examples {
        let loaded = load("docs/policies.md", example).unwrap();
        assert_eq!(loaded.policies.len(), usize::from(loaded.exemptions.is_empty()), "{example}");
        for document in &loaded.policies {
            assert_eq!(document.compile(&context).1, [], "{example}");
        }
        for document in &loaded.exemptions {
            assert_eq!(document.compile().1, [], "{example}");
        }
    }
}

#[test]
fn exemptions_stand_beside_policies() {
    let exemption = "apiVersion: tagseal.dev/v1alpha1\nkind: TrustExemption\nmetadata: {name: registry}\nspec:\n  images: \
                     {include: [\"registry.k8s.io/**\"]}\n  until: 2026-12-04T17:00:00Z\n  reason: of the cluster itself\n";
    let list = format!(
        "apiVersion: tagseal.dev/v1alpha1\nkind: TrustExemptionList\nitems:\n- {}\n",
        exemption.replace('\n', "\n  ").replace("registry}", "listed}")
    );
    let loaded = load("p.yaml", &format!("{GOOD}---\n{exemption}---\n{list}")).unwrap();
    assert_eq!((loaded.policies.len(), loaded.exemptions.len()), (1, 2));
    let names: Vec<_> =
        loaded.exemptions.iter().map(|document| document.compile().0.name().to_owned()).collect();
    assert_eq!(names, ["registry", "listed"]);
    assert!(loaded.exemptions.iter().all(|document| document.compile().1.is_empty()));

    let broken = exemption.replace("2026-12-04T17:00:00Z", "soon");
    let loaded = load("p.yaml", &broken).unwrap();
    let errors = loaded.exemptions[0].compile().1;
    let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["p.yaml:6:3: spec.until: \"soon\" is no time: write it as RFC 3339 has it, 2026-12-04T17:00:00Z"]
    );
    let error = load("p.yaml", &exemption.replace("spec:", "sepc:")).unwrap_err();
    assert!(error.to_string().starts_with("p.yaml:4:1: sepc: is not known"), "{error}");
}
