//! [`load`]: policies from YAML files, with errors that say file, line, column and field.

use serde_json::Value;

use super::compile::{CompileContext, CompiledPolicy, PolicyKind};
use super::objects::FileObjects;

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct LoadError {
    /// The file's name, as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// What is wrong; begins with the field's path where it is about a field.
    pub message: String,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct LoadedFile {
    /// Its policies, in the file's order.
    pub policies: Vec<PolicyDocument>,
    /// Its config maps and secrets, for the policies to refer to.
    pub objects: FileObjects,
}

/// A policy as a file has it, not yet compiled.
#[derive(Debug)]
pub struct PolicyDocument {
    kind: PolicyKind,
    object: Value,
}

/// Reads the documents of a YAML file: policies, lists of them, and the config maps and secrets that they refer to.
/// Anything else is an error: no document is ignored but an empty one.
///
/// # Errors
/// [`LoadError`] for what is not YAML, and for a document that is none of these.
pub fn load(file: &str, text: &str) -> Result<LoadedFile, LoadError> {
    let _ = (file, text);
    todo!()
}

impl PolicyDocument {
    /// Its kind.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// The object, as the API server would have it.
    pub fn object(&self) -> &Value {
        &self.object
    }

    /// Compiles it, and says where in the file each of its errors is.
    pub fn compile(&self, context: &CompileContext<'_>) -> (CompiledPolicy, Vec<LoadError>) {
        let _ = context;
        todo!()
    }
}
