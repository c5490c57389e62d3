//! A small reader of the text that Prometheus scrapes.

use std::collections::BTreeMap;

use tagseal::telemetry::Metrics;

/// The series of one page and their values.
#[derive(Debug)]
pub struct Page(BTreeMap<String, String>);

impl Page {
    /// What `metrics` shows now.
    pub fn of(metrics: &Metrics) -> Self {
        Self::read(&metrics.render())
    }

    pub fn read(text: &str) -> Self {
        assert!(text.ends_with("# EOF\n"), "a page that is cut off: {text}");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut series = BTreeMap::new();
        for line in lines {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert_eq!(series.insert(name.to_owned(), value.to_owned()), None, "{name} twice");
        }
        Self(series)
    }

    /// The value of a series; empty where it is not there.
    pub fn value(&self, series: &str) -> &str {
        self.0.get(series).map_or("", String::as_str)
    }

    /// All series of a metric whose value is not zero, `{labels} value` each.
    pub fn counted(&self, metric: &str) -> Vec<String> {
        let of = self.0.iter().filter_map(|(series, value)| Some((series.strip_prefix(metric)?, value)));
        let of = of.filter(|(rest, value)| (rest.is_empty() || rest.starts_with('{')) && *value != "0");
        of.map(|(labels, value)| format!("{labels} {value}")).collect()
    }
}
