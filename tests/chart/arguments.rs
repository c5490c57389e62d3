//! The arguments that the Deployment gives to `tagseal serve` are arguments that it takes, whatever the chart's values are.

use std::process::Command;

use proptest::prelude::*;
use proptest::string::string_regex;
use serde_json::Value;

use super::file;
use crate::support::random::heavy_cases;

/// The lines of the first list below `key:` that are deeper than it.
fn list_below(text: &str, key: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| line.trim() != key).skip(1);
    let items = lines.map_while(|line| line.trim().strip_prefix("- "));
    let items = items.map(|item| item.trim_matches('\'').to_owned());
    items.collect()
}

/// What `tagseal` says of arguments: whether they pass, and its message.
fn answers(arguments: &[String]) -> (bool, String) {
    // Arguments are read in their order; only when all before it are good does the last one count.
    let output = Command::new(env!("CARGO_BIN_EXE_tagseal")).args(arguments).arg("--help").output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn serve_takes(argument: &str) -> (bool, String) {
    let authority = argument.starts_with("--client-name").then_some("--client-ca=/x/ca.crt");
    let arguments = ["serve"].into_iter().chain(authority).chain([argument]);
    answers(&arguments.map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn serve_takes_what_the_deployment_says() {
    let arguments = list_below(&file("manifests/install.yaml"), "args:");
    assert_eq!(arguments.first().map(String::as_str), Some("serve"), "{arguments:?}");
    let (passed, errors) = answers(&arguments);
    assert!(passed, "{errors}");
    let mut more = arguments;
    more.extend(
        [
            "--cert-dir=/etc/tagseal/tls",
            "--client-ca=/x/ca.crt",
            "--client-name=x",
            "--trust-servers=https://a.test",
            "--exclude-namespace-prefix=openshift-",
            "--exclude-namespace-prefix=kube-",
        ]
        .map(str::to_owned),
    );
    let (passed, errors) = answers(&more);
    assert!(passed, "{errors}");
    more.push("--no-such-argument".to_owned());
    assert!(!answers(&more).0);
}

/// `charts/check.sh` holds the same lines against the chart.
#[test]
fn serve_takes_and_refuses_what_the_chart_does() {
    let table = file("charts/testdata/arguments.txt");
    let mut of = std::collections::BTreeMap::from([("passes", 0), ("refused", 0)]);
    for line in table.lines() {
        let columns: Vec<&str> = line.split(' ').collect();
        let [what, value, argument] = columns[..] else { panic!("{line:?} has other columns") };
        let (passed, message) = serve_takes(argument);
        assert_eq!(passed, what == "passes", "{value} becomes {argument}: {message}");
        *of.get_mut(what).unwrap_or_else(|| panic!("{line:?}")) += 1;
    }
    assert!(of.values().all(|count| *count > 5), "{of:?}");
}

/// The pattern of the value at this JSON pointer into `values.schema.json`.
fn pattern(pointer: &str) -> String {
    let schema: Value = serde_json::from_str(&file("charts/tagseal/values.schema.json")).unwrap();
    let value = schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
    let pattern = value["pattern"].as_str().unwrap_or_else(|| panic!("{pointer} has no pattern"));
    pattern.strip_prefix('^').and_then(|pattern| pattern.strip_suffix('$')).unwrap().to_owned()
}

fn listens(address: &str) -> String {
    match address.contains(':') && !address.starts_with('[') {
        true => format!("--listen=[{address}]:8443"),
        false => format!("--listen={address}:8443"),
    }
}

proptest! {
    #![proptest_config(heavy_cases(32))]

    #[test]
    fn serve_takes_whatever_the_patterns_of_the_schema_let_pass(
        skew in string_regex(&pattern("/properties/clockSkew")).unwrap().prop_filter("minLength", |text| !text.is_empty()),
        address in string_regex(&pattern("/properties/webhook/properties/address")).unwrap(),
        server in string_regex(&pattern("/properties/trustServers/items")).unwrap(),
        prefix in string_regex(&pattern("/properties/excludeNamespacePrefixes/items")).unwrap(),
    ) {
        let arguments = [
            "serve".to_owned(),
            format!("--clock-skew={skew}"),
            listens(&address),
            format!("--trust-servers={server}"),
            format!("--exclude-namespace-prefix={prefix}"),
        ];
        let (passed, message) = answers(&arguments);
        prop_assert!(passed, "{:?}: {}", arguments, message);
    }
}
