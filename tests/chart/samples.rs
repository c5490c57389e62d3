//! The samples that users start from, and the policy of docs/kind.md, compile.

use tagseal::policy::{CompileContext, FileObjects, UnknownFields, load};

use super::file;

#[test]
fn every_sample_is_a_policy_or_exemptions_that_work() {
    let mut objects = FileObjects::default();
    let pem = "-----BEGIN CERTIFICATE-----";
    objects.add_config_map(None, "notary-ca", [("ca.crt".to_owned(), pem.into())].into());
    let context = CompileContext {
        system_namespace: "tagseal-system",
        objects: &objects,
        unknown_fields: UnknownFields::Refuse,
    };
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/samples");
    let samples = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut paths: Vec<_> =
        samples.map(|name| format!("manifests/samples/{}", name.to_str().unwrap())).collect();
    assert!(paths.len() >= 6, "{paths:?}");
    paths.push("manifests/kind/policy.yaml".to_owned());
    for path in paths {
        let text = file(&path).replace("ROOT_KEY_ID", &"5f".repeat(32));
        let loaded = load(&path, &text).unwrap();
        assert_eq!(loaded.policies.len(), usize::from(loaded.exemptions.is_empty()), "{path}");
        for policy in &loaded.policies {
            assert_eq!(policy.compile(&context).1, [], "{path}");
        }
        for exemption in &loaded.exemptions {
            assert_eq!(exemption.compile().1, [], "{path}");
        }
    }
}

/// Docker's own trust server is no more: whoever starts from a policy that names it gets nothing but
/// `TrustServerUnreachable`.
#[test]
fn no_policy_that_users_start_from_names_a_server_that_is_gone() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/samples");
    let samples = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let samples = samples.map(|name| format!("manifests/samples/{}", name.to_str().unwrap()));
    let documents = ["docs/policies.md", "docs/pilot.md", "README.md"].map(str::to_owned);
    for path in samples.chain(documents) {
        assert!(!file(&path).contains("notary.docker.io"), "{path}");
    }
}
