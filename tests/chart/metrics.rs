//! Alerts and dashboard ask for metrics that exist.

use std::collections::BTreeSet;

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
