//! Policies from files: the documents of all files together, compiled as one set.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use crate::policy::{
    CompileContext, CompiledExemption, CompiledPolicy, Either, ExemptionDocument, FileObjects, LoadError,
    LoadedFile, LookupError, NoObjects, ObjectKind, ObjectRef, PolicyDocument, PolicyError, PolicySet,
    ReferencedObjects, SetOptions, UnknownFields, beyond_bounds, compile_beyond, load,
};

/// Why files do not make a set. Every error of every file is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct FilesError(Vec<LoadError>);

impl FilesError {
    /// Every error of every file.
    pub fn into_errors(self) -> Vec<LoadError> {
        self.0
    }
}

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
    Documents::load(files).policy_set(system_namespace, options)
}

/// What files hold, not yet compiled.
#[derive(Debug, Default)]
pub struct Documents {
    policies: Vec<PolicyDocument>,
    exemptions: Vec<ExemptionDocument>,
    objects: FileObjects,
    /// Why some files hold nothing.
    errors: Vec<LoadError>,
}

/// What files hold, compiled.
#[derive(Debug)]
pub struct Compiled {
    pub policies: Vec<Arc<CompiledPolicy>>,
    pub exemptions: Vec<Arc<CompiledExemption>>,
}

impl Documents {
    /// The documents of all files together. What is wrong with them [`Self::compile`] says.
    pub fn load(files: &[(String, String)]) -> Self {
        let mut all = Self::default();
        files.iter().for_each(|(name, text)| all.add(load(name, text)));
        all
    }

    /// Adds what a file holds, or why it holds nothing.
    pub fn add(&mut self, loaded: Result<LoadedFile, LoadError>) {
        match loaded {
            Ok(file) => {
                self.objects.extend(file.objects);
                self.policies.extend(file.policies);
                self.exemptions.extend(file.exemptions);
            }
            Err(error) => self.errors.push(error),
        }
    }

    /// Whether there is a policy, or a file that cannot be read as one.
    pub fn has_policies(&self) -> bool {
        !(self.policies.is_empty() && self.errors.is_empty())
    }

    /// Which objects the policies name, there or not.
    pub fn references(&self, system_namespace: &str) -> BTreeSet<ObjectRef> {
        let context = self.context(system_namespace, &self.objects);
        let compiled = self.policies.iter().map(|document| document.compile(&context).0);
        compiled.flat_map(|policy| policy.references().to_vec()).collect()
    }

    /// Whether the files hold this config map or secret.
    pub fn holds(&self, object: &ObjectRef) -> bool {
        let ObjectRef { kind, namespace, name } = object;
        let is_missing = |error| matches!(error, LookupError::NoObject(_));
        match kind {
            ObjectKind::ConfigMap => !self.objects.config_map_key(namespace, name, "").is_err_and(is_missing),
            ObjectKind::Secret => !self.objects.secret(namespace, name).is_err_and(is_missing),
        }
    }

    /// Compiles all of them. What the files do not hold, `others` is asked for.
    ///
    /// # Errors
    /// [`FilesError`] with everything that is wrong, in every file.
    pub fn compile(
        &self,
        system_namespace: &str,
        others: &dyn ReferencedObjects,
        options: &SetOptions,
    ) -> Result<Compiled, FilesError> {
        let objects = Either(&self.objects, others);
        let context = self.context(system_namespace, &objects);
        let (mut policies, mut errors) = (Vec::new(), self.errors.clone());
        let raw: Vec<_> = self.policies.iter().map(|document| (document.kind(), document.object())).collect();
        for (document, is_beyond) in self.policies.iter().zip(beyond_bounds(&raw, options)) {
            if is_beyond {
                // The set says which bound, and goes on with the rest.
                policies.push(Arc::new(compile_beyond(document.kind(), document.object())));
                continue;
            }
            let (policy, mut wrong) = document.compile(&context);
            errors.append(&mut wrong);
            policies.push(Arc::new(policy));
        }
        let exemptions = compile_exemptions(&self.exemptions, &mut errors);
        if errors.is_empty() { Ok(Compiled { policies, exemptions }) } else { Err(FilesError(errors)) }
    }

    /// Compiles all of them into one set. What the policies name stands in the files.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub fn policy_set(&self, system_namespace: &str, options: SetOptions) -> Result<PolicySet, FilesError> {
        let Compiled { policies, exemptions } = self.compile(system_namespace, &NoObjects, &options)?;
        Ok(PolicySet::new(policies, options).with_exemptions(exemptions))
    }

    fn context<'a>(
        &self,
        system_namespace: &'a str,
        objects: &'a dyn ReferencedObjects,
    ) -> CompileContext<'a> {
        CompileContext { system_namespace, objects, unknown_fields: UnknownFields::Refuse }
    }
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
