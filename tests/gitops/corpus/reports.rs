//! What a case expects of a command's output.

use std::collections::BTreeSet;
use std::process::Output;

use serde_json::Value;

/// Whether `output` holds what the expectation says.
pub fn holds(kind: &str, text: &str, output: &Output) -> Result<(), String> {
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let is_told = |texts: &[&str]| texts.iter().flat_map(|told| told.lines()).any(|line| matches(line, text));
    let wanted =
        |texts: &[&str]| if is_told(texts) { Ok(()) } else { Err(format!("nothing like {kind} {text:?}")) };
    match kind {
        "tell" => wanted(&[&out, &err]),
        "out" => wanted(&[&out]),
        "err" => wanted(&[&err]),
        "not" => match is_told(&[&out, &err]) {
            true => Err(format!("something like {text:?}")),
            false => Ok(()),
        },
        "json" => json(&out, text),
        "sarif" => sarif(&out),
        "junit" => junit(&out, text),
        _ => Err(format!("what is {kind}?")),
    }
}

/// Whether the parts of `pattern` between its stars stand in `line`, in their order, whatever the case of letters.
fn matches(line: &str, pattern: &str) -> bool {
    let (line, pattern) = (line.to_lowercase(), pattern.to_lowercase());
    let (mut rest, pattern) = match pattern.strip_prefix('^') {
        None => (line.as_str(), pattern.as_str()),
        Some(anchored) => {
            let (first, more) = anchored.split_once('*').unwrap_or((anchored, ""));
            match line.strip_prefix(first) {
                Some(rest) => (rest, more),
                None => return false,
            }
        }
    };
    pattern.split('*').all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

fn parsed(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("standard output is not JSON: {error}"))
}

/// `POINTER VALUE`; a number is an array's length. `/` is everything.
fn json(text: &str, expected: &str) -> Result<(), String> {
    let (pointer, expected) = expected.split_once(' ').ok_or("a pointer and a value")?;
    let expected: Value = serde_json::from_str(expected).map_err(|error| error.to_string())?;
    let value = parsed(text)?;
    let is = value.pointer(pointer.trim_end_matches('/')).cloned().unwrap_or_default();
    let is_so = match (&is, &expected) {
        (Value::Array(elements), Value::Number(count)) => count.as_u64() == Some(elements.len() as u64),
        _ => is == expected,
    };
    if is_so { Ok(()) } else { Err(format!("{pointer} is {is}, expected {expected}")) }
}

/// What holds of every SARIF report.
fn sarif(text: &str) -> Result<(), String> {
    let value = parsed(text)?;
    let ensure = |is: bool, what: &str| if is { Ok(()) } else { Err(format!("SARIF: {what}")) };
    ensure(value["version"] == "2.1.0", "version")?;
    let run = &value["runs"][0];
    ensure(run["tool"]["driver"]["name"] == "tagseal", "driver")?;
    ensure(run["columnKind"] == "unicodeCodePoints", "columnKind")?;
    let mut ids = BTreeSet::new();
    for rule in run["tool"]["driver"]["rules"].as_array().ok_or("SARIF: rules")? {
        ensure(ids.insert(rule["id"].to_string()), "a rule twice")?;
        ensure(
            rule["shortDescription"]["text"].as_str().is_some_and(|text| !text.is_empty()),
            "a rule's text",
        )?;
    }
    for result in run["results"].as_array().ok_or("SARIF: results")? {
        ensure(ids.contains(&result["ruleId"].to_string()), "a result without a rule")?;
        ensure(["error", "warning"].map(Value::from).contains(&result["level"]), "a level")?;
        ensure(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()), "a message")?;
        ensure(
            result["partialFingerprints"].as_object().is_some_and(|prints| !prints.is_empty()),
            "fingerprints",
        )?;
        let places = result["locations"].as_array().ok_or("SARIF: locations")?;
        ensure(places.len() == 1, "one location")?;
        let place = &places[0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap_or_default();
        ensure(!uri.is_empty() && !uri.starts_with(['/', '.']) && uri.is_ascii(), "a relative, encoded URI")?;
        ensure(place["region"]["startLine"].as_u64() > Some(0), "a line")?;
        ensure(place["region"]["startColumn"].as_u64() > Some(0), "a column")?;
    }
    Ok(())
}

/// `TESTS FAILURES ERRORS SKIPPED`
fn junit(text: &str, expected: &str) -> Result<(), String> {
    let counted =
        ["<testcase ", "<failure", "<error", "<skipped"].map(|tag| text.matches(tag).count().to_string());
    if counted.join(" ") != expected {
        return Err(format!("JUnit: {} testcases, failures, errors, skipped", counted.join(" ")));
    }
    let tags = |name: &str| -> Vec<String> {
        let opening = format!("<{name} ");
        let parts = text.split(&opening).skip(1);
        parts.map(|part| part.split('>').next().unwrap_or_default().to_owned()).collect()
    };
    let attribute = |tag: &str, name: &str| -> Option<String> {
        let value = format!(" {tag}").split_once(&format!(" {name}=\""))?.1.split_once('"')?.0.to_owned();
        Some(value)
    };
    let sum = |name: &str| -> usize {
        tags("testsuite").iter().filter_map(|tag| attribute(tag, name)?.parse::<usize>().ok()).sum()
    };
    let sums = ["tests", "failures", "errors"].map(|name| sum(name).to_string());
    if sums[..] != counted[..3] {
        return Err(format!("JUnit: the suites add up to {sums:?}, and there are {counted:?}"));
    }
    for failure in text.split("<failure ").skip(1) {
        let (tag, shown) = failure.split_once('>').unwrap_or_default();
        let message = attribute(tag, "message").unwrap_or_default();
        if message.is_empty() || tag.ends_with('/') || shown.trim_start().starts_with('<') {
            return Err(format!("JUnit: a failure without its message as text: {failure}"));
        }
    }
    let mut names = BTreeSet::new();
    for tag in tags("testcase") {
        let name = (attribute(&tag, "classname"), attribute(&tag, "name"));
        if name.0.is_none() || name.1.is_none() || attribute(&tag, "file").is_none() {
            return Err(format!("JUnit: <testcase {tag}>"));
        }
        if !names.insert(name.clone()) {
            return Err(format!("JUnit: {name:?} twice"));
        }
    }
    Ok(())
}
