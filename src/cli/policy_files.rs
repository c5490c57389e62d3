//! Policies from files: the documents of all files together, compiled as one set.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use crate::policy::{
    CompileContext, CompiledExemption, ExemptionDocument, FileObjects, LoadError, PolicyError, PolicySet,
    SetOptions, UnknownFields, load,
};

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
    let (mut documents, mut exemptions) = (Vec::new(), Vec::new());
    for (name, text) in files {
        match load(name, text) {
            Ok(file) => {
                objects.extend(file.objects);
                documents.extend(file.policies);
                exemptions.extend(file.exemptions);
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
    let exemptions = compile_exemptions(&exemptions, &mut errors);
    if !errors.is_empty() {
        return Err(FilesError(errors));
    }
    Ok(PolicySet::new(policies, options).with_exemptions(exemptions))
}

/// Compiles the exemptions of all files. Two of one name are an error: whoever changes one would believe that the other is
/// changed with it.
fn compile_exemptions(
    documents: &[ExemptionDocument],
    errors: &mut Vec<LoadError>,
) -> Vec<Arc<CompiledExemption>> {
    let mut names = BTreeSet::new();
    let mut exemptions = Vec::new();
    for document in documents {
        let (exemption, mut wrong) = document.compile();
        errors.append(&mut wrong);
        if !names.insert(exemption.name().to_owned()) {
            let message = "another TrustExemption has the same name: remove or rename one of the two";
            let error = PolicyError { field: "metadata.name".to_owned(), message: message.to_owned() };
            errors.extend(document.error(&error));
        }
        exemptions.push(Arc::new(exemption));
    }
    exemptions
}
