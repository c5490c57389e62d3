//! Alerts and dashboard ask for metrics that exist.

use std::collections::BTreeSet;

use tagseal::policy::Reason;

use super::file;

/// The names of tagseal's metrics in a text; a histogram's series count as the histogram.
fn metrics(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let names = text.match_indices("tagseal_").filter_map(|(at, _)| {
        let name: String = text[at..].chars().take_while(|c| is_part(*c)).collect();
        let name =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        (name != "tagseal_").then(|| name.to_owned())
    });
    names.collect()
}

#[test]
fn alerts_and_dashboard_use_documented_metrics() {
    let documented = metrics(&file("docs/metrics.md"));
    assert!(documented.len() > 10, "{documented:?}");
    for path in ["charts/tagseal/files/alerts.yaml", "charts/tagseal/files/dashboard.json"] {
        let used = metrics(&file(path));
        assert!(used.len() > 5, "{path}: {used:?}");
        for metric in used {
            assert!(
                documented.contains(&metric),
                "{path} asks for {metric}, which docs/metrics.md does not know"
            );
        }
    }
}

#[test]
fn what_has_to_be_told_has_an_alert() {
    let alerts: Vec<serde_json::Value> =
        serde_saphyr::from_str(&file("charts/tagseal/files/alerts.yaml")).unwrap();
    for metric in [
        "tagseal_trust_data_earliest_expiry_timestamp_seconds",
        "tagseal_certificate_expiry_timestamp_seconds",
        "tagseal_rollbacks_refused_total",
        "TrustServerUnreachable",
    ] {
        let told = alerts.iter().any(|alert| alert["expr"].as_str().unwrap().contains(metric));
        assert!(told, "no alert asks for {metric}");
    }
    for alert in &alerts {
        assert!(
            matches!(alert["labels"]["severity"].as_str(), Some("info" | "warning" | "critical")),
            "{alert}"
        );
        for annotation in ["summary", "description", "runbook_url"] {
            assert!(alert["annotations"][annotation].is_string(), "{alert}");
        }
    }
}

/// The matchers on labels of tagseal's metrics in a text: metric, label, value.
fn matchers(text: &str) -> Vec<(String, String, String)> {
    let text = text.replace("\\\"", "\"");
    let selectors = text.match_indices("tagseal_").filter_map(|(at, _)| {
        let (name, rest) = text[at..].split_once('{')?;
        let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        is_name.then(|| (name.to_owned(), rest.split('}').next().unwrap_or_default().to_owned()))
    });
    let mut matchers = Vec::new();
    for (metric, selector) in selectors {
        for matcher in selector.split(',') {
            let (label, values) = matcher.split_once('=').unwrap();
            let values = values.trim_start_matches('~').trim_matches('"').split('|');
            matchers.extend(values.map(|value| (metric.clone(), label.to_owned(), value.to_owned())));
        }
    }
    matchers
}

#[test]
fn alerts_and_dashboard_ask_for_labels_and_values_that_there_are() {
    let docs = file("docs/metrics.md");
    for path in ["charts/tagseal/files/alerts.yaml", "charts/tagseal/files/dashboard.json"] {
        let matchers = matchers(&file(path));
        assert!(!matchers.is_empty(), "{path}");
        for (metric, label, value) in matchers {
            let family = metric.trim_end_matches("_bucket").trim_end_matches("_count");
            let row = docs.lines().find(|row| row.starts_with(&format!("| `{family}` |"))).unwrap();
            let is_word = row.contains(&format!("`{value}`"));
            let is_reason = label == "reason" && Reason::ALL.iter().any(|reason| reason.as_str() == value);
            let has_label = row.contains(&format!("`{label}`"));
            assert!(has_label && (is_word || is_reason), "{path}: {metric} never has {label}={value:?}");
        }
    }
}

/// As GitHub makes anchors of headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        format!("#{}", kept.collect::<String>().replace(' ', "-"))
    };
    headings.map(anchor).collect()
}

fn alerts() -> Vec<serde_json::Value> {
    serde_saphyr::from_str(&file("charts/tagseal/files/alerts.yaml")).unwrap()
}

#[test]
fn each_alert_leads_to_a_heading_that_is_there_and_is_named_in_the_runbook() {
    let runbook = file("docs/operations.md");
    let anchors = anchors(&runbook);
    for alert in alerts() {
        let url = alert["annotations"]["runbook_url"].as_str().unwrap();
        assert!(anchors.contains(url), "{}: docs/operations.md has no heading {url}", alert["alert"]);
        let name = alert["alert"].as_str().unwrap();
        assert!(runbook.contains(&format!("`{name}`")), "docs/operations.md does not name {name}");
    }
}

/// A counter that appears with its first event has no increase: the alert would not come before the second.
#[test]
fn an_alert_on_a_counter_fires_from_the_first_event() {
    let mut counters = 0;
    for alert in alerts() {
        let expression = alert["expr"].as_str().unwrap();
        let asked = expression.matches("increase(").count();
        counters += asked;
        let first = expression.matches("unless ").count();
        assert_eq!(asked, first, "{}: {expression}", alert["alert"]);
        // The same window in both halves, and the same selector.
        for part in expression.split("increase(").skip(1) {
            let (selected, window) = part.split_once(')').unwrap().0.rsplit_once('[').unwrap();
            let window = window.trim_end_matches(']');
            assert!(expression.contains(&format!("offset {window}")), "{expression}");
            let again = expression.split(" or ").nth(1).unwrap();
            assert!(again.contains(selected), "{}: {expression}", alert["alert"]);
        }
    }
    assert!(counters >= 8, "{counters}");
}

#[test]
fn what_takes_protection_away_or_denies_for_tagseals_own_sake_has_an_alert() {
    let alerts = alerts();
    for asked in [
        "tagseal_webhook_in_force",
        "tagseal_definition_in_force",
        "apiserver_admission_webhook_rejection_count{name=~\".+[.]tagseal[.]dev\",error_type=\"calling_webhook_error\"}",
        "apiserver_admission_webhook_fail_open_count{name=~\".+[.]tagseal[.]dev\"}",
        "tagseal_part_restarts_total",
        "reason=\"StateUnavailable\"",
        "reason=\"NotSynced\"",
    ] {
        let told = alerts.iter().any(|alert| alert["expr"].as_str().unwrap().contains(asked));
        assert!(told, "no alert asks for {asked}");
    }
}
