//! The last stage of the `Dockerfile`, as far as it can be followed without a container engine.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::run::source_path;

/// What the last stage says.
#[derive(Debug, Default)]
pub struct FinalStage {
    /// Files by where they come from in the build stage, and where they go.
    pub copies: Vec<(String, String)>,
    user: String,
    entrypoint: Vec<String>,
    ports: Vec<String>,
    labels: BTreeMap<String, String>,
}

impl FinalStage {
    /// Reads it. What it does not understand fails the test: the image would not be what is said.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(source_path("Dockerfile")).expect("the Dockerfile");
        let (_, stage) = text.rsplit_once("\nFROM scratch\n").expect("a last stage from scratch");
        let mut read = Self::default();
        for line in stage.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            let (instruction, rest) = line.split_once(' ').unwrap_or((line, ""));
            match instruction {
                "COPY" => {
                    let paths = rest.strip_prefix("--from=build ").expect("a file of the build stage");
                    let (from, to) = paths.split_once(' ').expect("from and to");
                    read.copies.push((from.to_owned(), to.to_owned()));
                }
                "USER" => read.user = rest.to_owned(),
                "ENTRYPOINT" => read.entrypoint = serde_json::from_str(rest).expect("a list"),
                "EXPOSE" => read.ports = rest.split(' ').map(|port| format!("{port}/tcp")).collect(),
                "LABEL" => read.labels = labels(rest),
                _ => panic!("Dockerfile: the suite does not know {instruction}"),
            }
        }
        read
    }

    /// The configuration that the image gets.
    pub fn config(&self) -> Value {
        let ports: BTreeMap<_, _> = self.ports.iter().map(|port| (port, json!({}))).collect();
        json!({
            "User": self.user, "Entrypoint": self.entrypoint, "ExposedPorts": ports, "Labels": self.labels,
        })
    }
}

fn labels(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split(' ').map(|pair| pair.split_once('=').expect("name=value"));
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).collect()
}
