//! [`FunctionConfig`]: what a function is told, as `PinImages`, `VerifyImages` or a `ConfigMap`.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::foreign::{Quoted, plain};
use crate::gitops::ImagePath;
use crate::policy::{Document, LoadedFile, load_within};

/// The group of tagseal's own function configurations, and their version.
const API_VERSION: &str = "fn.tagseal.dev/v1alpha1";

/// What a function is told.
#[derive(Debug, Default)]
pub struct FunctionConfig {
    /// What it does.
    pub mode: Mode,
    /// Files with policies, relative to the working directory.
    pub policy_files: Vec<String>,
    /// Policies that stand in it.
    pub policies: Vec<LoadedFile>,
    /// The namespace of items that name none.
    pub namespace: Option<String>,
    /// Where other kinds hold images.
    pub image_paths: Vec<ImagePath>,
    /// Whether pins whose tag is signed otherwise now are moved.
    pub update: bool,
    /// What it returns.
    pub output: Output,
}

/// What a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Writes digests.
    #[default]
    Pin,
    /// Changes nothing.
    Verify,
}

/// Which items a function returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// All of them.
    #[default]
    Items,
    /// None: as a validator of kustomize, which refuses items that are written otherwise.
    None,
}

/// What is wrong with a field of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct ConfigError {
    /// The field, from the list's root.
    pub field: String,
    /// What is wrong, and what to write.
    pub message: String,
}

const ROOT: &str = "functionConfig";
const SPEC: [&str; 6] = ["policyFiles", "policies", "namespace", "imagePaths", "update", "output"];
const DATA: [&str; 6] = ["mode", "policyFiles", "namespace", "imagePaths", "update", "output"];

impl FunctionConfig {
    /// Reads it from a document whose value it is; paths in the document begin with `functionConfig`.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn read(file: &str, document: &Arc<Document>) -> Result<Self, Vec<ConfigError>> {
        let mut reader = Reader { file, document, errors: Vec::new() };
        let config = reader.config();
        if reader.errors.is_empty() { Ok(config) } else { Err(reader.errors) }
    }
}

struct Reader<'a> {
    file: &'a str,
    document: &'a Arc<Document>,
    errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    fn error(&mut self, field: &str, message: impl Into<String>) {
        let field = plain(field, 300).into_owned();
        self.errors.push(ConfigError { field, message: message.into() });
    }

    fn config(&mut self) -> FunctionConfig {
        let document: &'a Document = self.document;
        let Some(fields) = document.value.as_object() else {
            self.error(ROOT, "an object is expected");
            return FunctionConfig::default();
        };
        let text = |name: &str| fields.get(name).and_then(Json::as_str).unwrap_or_default();
        match (text("apiVersion"), text("kind")) {
            (API_VERSION, "PinImages") => self.spec(fields, Mode::Pin),
            (API_VERSION, "VerifyImages") => self.spec(fields, Mode::Verify),
            ("v1", "ConfigMap") => self.data(fields),
            (version, kind) => {
                let message = format!(
                    "{} of {} is not known; write PinImages or VerifyImages of {API_VERSION}, or a ConfigMap of v1",
                    Quoted(kind),
                    Quoted(version)
                );
                self.error(&format!("{ROOT}.kind"), message);
                FunctionConfig::default()
            }
        }
    }

    fn spec(&mut self, fields: &'a Map<String, Json>, mode: Mode) -> FunctionConfig {
        let mut config = FunctionConfig { mode, ..FunctionConfig::default() };
        self.known(fields, ROOT, &["apiVersion", "kind", "metadata", "spec"]);
        let path = format!("{ROOT}.spec");
        let Some(spec) = self.object(fields.get("spec"), &path) else { return config };
        self.known(spec, &path, &SPEC);
        let field = |name: &str| (spec.get(name).filter(|value| !value.is_null()), format!("{path}.{name}"));
        config.policy_files = self.strings(field("policyFiles"));
        config.policies = self.policies(field("policies"));
        config.namespace = self.string(field("namespace"));
        config.image_paths = self.image_paths(field("imagePaths"));
        config.update = match field("update") {
            (None, _) => false,
            (Some(Json::Bool(update)), _) => *update,
            (Some(_), path) => {
                self.error(&path, "true or false is expected");
                false
            }
        };
        config.output = self.output(field("output"));
        config
    }

    /// What `kpt fn eval -- key=value` makes: all values are strings.
    fn data(&mut self, fields: &'a Map<String, Json>) -> FunctionConfig {
        let mut config = FunctionConfig::default();
        let path = format!("{ROOT}.data");
        let Some(data) = self.object(fields.get("data"), &path) else { return config };
        self.known(data, &path, &DATA);
        let field = |name: &str| (data.get(name).filter(|value| !value.is_null()), format!("{path}.{name}"));
        let mode = self.string(field("mode"));
        config.mode = match mode.as_deref() {
            None | Some("pin") => Mode::Pin,
            Some("verify") => Mode::Verify,
            Some(_) => {
                self.error(&format!("{path}.mode"), "pin or verify is expected");
                Mode::Pin
            }
        };
        let listed = |text: Option<String>| -> Vec<String> {
            let parts = text.as_deref().unwrap_or_default().split(',').map(str::trim);
            parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        config.policy_files = listed(self.string(field("policyFiles")));
        config.namespace = self.string(field("namespace"));
        let paths = listed(self.string(field("imagePaths")));
        config.image_paths =
            paths.iter().filter_map(|text| self.image_path(text, &format!("{path}.imagePaths"))).collect();
        let update = self.string(field("update"));
        config.update = match update.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                self.error(&format!("{path}.update"), "\"true\" or \"false\" is expected");
                false
            }
        };
        config.output = self.output(field("output"));
        config
    }

    fn object(&mut self, value: Option<&'a Json>, path: &str) -> Option<&'a Map<String, Json>> {
        match value {
            None | Some(Json::Null) => None,
            Some(Json::Object(fields)) => Some(fields),
            Some(_) => {
                self.error(path, "an object is expected");
                None
            }
        }
    }

    fn known(&mut self, fields: &Map<String, Json>, path: &str, known: &[&str]) {
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            self.error(
                &format!("{path}.{name}"),
                format!("is not known; the fields here are {}", known.join(", ")),
            );
        }
    }

    fn string(&mut self, (value, path): (Option<&Json>, String)) -> Option<String> {
        match value {
            None => None,
            Some(Json::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Json::String(_)) => None,
            Some(_) => {
                self.error(&path, "a string is expected; write it between quotes");
                None
            }
        }
    }

    fn strings(&mut self, (value, path): (Option<&Json>, String)) -> Vec<String> {
        match value {
            None => Vec::new(),
            Some(Json::Array(elements)) => {
                let element = |(index, element): (usize, &Json)| {
                    self.string((Some(element), format!("{path}[{index}]")))
                };
                elements.iter().enumerate().filter_map(element).collect()
            }
            Some(_) => {
                self.error(&path, "a list of strings is expected");
                Vec::new()
            }
        }
    }

    fn policies(&mut self, (value, path): (Option<&Json>, String)) -> Vec<LoadedFile> {
        let Some(value) = value else { return Vec::new() };
        let Some(elements) = value.as_array() else {
            self.error(&path, "a list of policies is expected");
            return Vec::new();
        };
        let mut loaded = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            let path = format!("{path}[{index}]");
            match load_within(self.file, self.document, element, &path) {
                Ok(file) => loaded.push(file),
                Err(error) => {
                    // The message begins with the field, which the error has too.
                    let message = error.message.strip_prefix(&path).unwrap_or(&error.message);
                    let message = message.trim_start_matches(['.', ':', ' ']).to_owned();
                    self.error(&path, message);
                }
            }
        }
        loaded
    }

    fn image_paths(&mut self, field: (Option<&Json>, String)) -> Vec<ImagePath> {
        let path = field.1.clone();
        let texts = self.strings(field);
        let read = |(index, text): (usize, &String)| self.image_path(text, &format!("{path}[{index}]"));
        texts.iter().enumerate().filter_map(read).collect()
    }

    fn image_path(&mut self, text: &str, path: &str) -> Option<ImagePath> {
        match text.parse() {
            Ok(image_path) => Some(image_path),
            Err(error) => {
                let error: crate::gitops::ImagePathError = error;
                self.error(path, error.to_string());
                None
            }
        }
    }

    fn output(&mut self, field: (Option<&Json>, String)) -> Output {
        let path = field.1.clone();
        match self.string(field).as_deref() {
            None | Some("Items") => Output::Items,
            Some("None") => Output::None,
            Some(_) => {
                self.error(&path, "Items or None is expected");
                Output::Items
            }
        }
    }
}
