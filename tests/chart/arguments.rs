//! The arguments that the Deployment gives to `tagseal serve` are arguments that it takes, whatever the chart's values are.

use std::process::Command;

use proptest::prelude::*;
use proptest::string::string_regex;
use serde_json::Value;

use super::{default_values, file};
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

/// What the chart has as defaults are those of `serve`, under the same names.
#[test]
fn the_limits_of_the_chart_are_those_of_serve() {
    let output = Command::new(env!("CARGO_BIN_EXE_tagseal")).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let (_, help) = help.split_once("\nLimits:\n").unwrap();
    let mut of_serve = Vec::new();
    for line in help.lines().map(str::trim) {
        if line.starts_with("--") {
            of_serve.push(line.split(' ').next().unwrap().to_owned());
        }
        if let Some((_, default)) = line.split_once("[default: ") {
            *of_serve.last_mut().unwrap() += &format!("={}", default.trim_end_matches(']'));
        }
    }
    of_serve.sort();
    let kebab = |name: &str| {
        let one = |c: char| match c.is_ascii_uppercase() {
            true => format!("-{}", c.to_ascii_lowercase()),
            false => c.to_string(),
        };
        name.chars().map(one).collect::<String>()
    };
    let values = default_values();
    let of_chart = values["limits"].as_object().unwrap().iter();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut of_chart: Vec<_> =
        of_chart.map(|(name, value)| format!("--{}={}", kebab(name), text(value))).collect();
    of_chart.sort();
    assert_eq!(of_chart, of_serve);
    let arguments = list_below(&file("manifests/install.yaml"), "args:");
    for argument in of_chart {
        assert!(arguments.contains(&argument), "{argument} is not among {arguments:?}");
    }
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
        metadata in string_regex(&pattern("/properties/limits/properties/metadataMemory")).unwrap(),
        of_namespace in string_regex(&pattern("/properties/limits/properties/metadataMemoryPerNamespace")).unwrap(),
        reviews in string_regex(&pattern("/properties/limits/properties/reviewBytes")).unwrap(),
    ) {
        let arguments = [
            "serve".to_owned(),
            format!("--clock-skew={skew}"),
            listens(&address),
            format!("--trust-servers={server}"),
            format!("--exclude-namespace-prefix={prefix}"),
            format!("--metadata-memory={metadata}"),
            format!("--metadata-memory-per-namespace={of_namespace}"),
            format!("--review-bytes={reviews}"),
        ];
        let (passed, message) = answers(&arguments);
        prop_assert!(passed, "{:?}: {}", arguments, message);
    }
}
