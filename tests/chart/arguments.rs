//! The arguments that the Deployment gives to `tagseal serve` are arguments that it takes.

use std::process::Command;

use super::file;

/// The lines of the first list below `key:` that are deeper than it.
fn list_below(text: &str, key: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| line.trim() != key).skip(1);
    let items = lines.map_while(|line| line.trim().strip_prefix("- "));
    let items = items.map(|item| item.trim_matches('\'').to_owned());
    items.collect()
}

#[test]
fn serve_takes_what_the_deployment_says() {
    let arguments = list_below(&file("manifests/install.yaml"), "args:");
    assert_eq!(arguments.first().map(String::as_str), Some("serve"), "{arguments:?}");
    let answers = |arguments: &[String]| {
        // Arguments are read in their order; only when all before it are good does the last one count.
        let output =
            Command::new(env!("CARGO_BIN_EXE_tagseal")).args(arguments).arg("--help").output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (passed, errors) = answers(&arguments);
    assert!(passed, "{errors}");
    let mut more = arguments;
    more.extend(
        [
            "--cert-dir=/etc/tagseal/tls",
            "--client-ca=/x/ca.crt",
            "--client-name=x",
            "--trust-servers=https://a.test",
        ]
        .map(str::to_owned),
    );
    let (passed, errors) = answers(&more);
    assert!(passed, "{errors}");
    more.push("--no-such-argument".to_owned());
    assert!(!answers(&more).0);
}
