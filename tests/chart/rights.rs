//! What the chart lets tagseal do with secrets, as it is rendered.

use serde_json::Value;

use super::file;

/// Name of the role, verbs and resource names of each rule about secrets.
fn rules_about_secrets(manifest: &str) -> Vec<(String, Vec<String>, Vec<String>)> {
    let words = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let mut found = Vec::new();
    for document in file(manifest).split("\n---\n") {
        let Ok(object) = serde_saphyr::from_str::<Value>(document) else { continue };
        let name = format!("{} {}", object["kind"].as_str().unwrap_or_default(), object["metadata"]["name"]);
        for rule in object["rules"].as_array().into_iter().flatten() {
            if words(&rule["resources"]).contains(&"secrets".to_owned()) {
                found.push((name.clone(), words(&rule["verbs"]), words(&rule["resourceNames"])));
            }
        }
    }
    found
}

/// Who may list or watch secrets reads all of them.
#[test]
fn no_secret_but_tagseals_own_certificate_is_listed_or_watched() {
    let pull_secrets = rules_about_secrets("manifests/pull-secrets.yaml");
    let expected = ("ClusterRole \"tagseal-pull-secrets\"".to_owned(), vec!["get".to_owned()], Vec::new());
    assert_eq!(pull_secrets, [expected]);
    let own = rules_about_secrets("manifests/install.yaml");
    assert!(own.len() >= 3, "{own:?}");
    for (role, verbs, names) in own {
        let lists = verbs.iter().any(|verb| ["list", "watch", "*"].contains(&verb.as_str()));
        assert!(!lists || names == ["tagseal-tls"], "{role}: {verbs:?} {names:?}");
    }
}
