//! The Helm chart as files: what helm itself does not check. `make chart` renders it.

mod arguments;
mod documents;
mod metrics;
mod readme;
mod rights;
mod samples;
mod schema;
mod values;

fn file(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn default_values() -> serde_json::Value {
    serde_saphyr::from_str(&file("charts/tagseal/values.yaml")).unwrap()
}
