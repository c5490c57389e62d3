//! Policies from files: the documents of all files together, compiled as one set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use crate::policy::{CompileContext, FileObjects, LoadError, PolicySet, SetOptions, UnknownFields, load};

/// Why files do not make a set. Every error of every file is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct FilesError(Vec<LoadError>);

fn lines(errors: &[LoadError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads the files; `-` is standard input.
///
/// # Errors
/// When one cannot be read, naming it.
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    let read = |path: &PathBuf| {
        let name = path.display().to_string();
        let text = if path == Path::new("-") {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(path)
        };
        text.with_context(|| format!("cannot read the policy file {name}")).map(|text| (name, text))
    };
    paths.iter().map(read).collect()
}

/// Compiles the files, given as (name, text), into one set.
///
/// # Errors
/// [`FilesError`]: a file with an error decides nothing, so that a mistake is mended and not worked around.
pub fn compile(
    files: &[(String, String)],
    system_namespace: &str,
    options: SetOptions,
) -> Result<PolicySet, FilesError> {
    let mut errors = Vec::new();
    let mut objects = FileObjects::default();
    let mut documents = Vec::new();
    for (name, text) in files {
        match load(name, text) {
            Ok(file) => {
                objects.extend(file.objects);
                documents.extend(file.policies);
            }
            Err(error) => errors.push(error),
        }
    }
    let context =
        CompileContext { system_namespace, objects: &objects, unknown_fields: UnknownFields::Refuse };
    let mut policies = Vec::new();
    for document in &documents {
        let (policy, mut wrong) = document.compile(&context);
        errors.append(&mut wrong);
        policies.push(Arc::new(policy));
    }
    if errors.is_empty() { Ok(PolicySet::new(policies, options)) } else { Err(FilesError(errors)) }
}
