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
        for annotation in ["summary", "description"] {
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
