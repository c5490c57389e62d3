//! [`Compiler`]: compiles each policy once for as long as neither it nor what it refers to changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::references::References;
use super::watched::Watched;
use crate::policy::{
    CompileContext, CompiledPolicy, ObjectRef, PolicyId, SetOptions, UnknownFields, beyond_bounds, compile,
    compile_beyond,
};

/// The policies compiled so far.
#[derive(Debug, Default)]
pub(super) struct Compiler {
    known: BTreeMap<PolicyId, (Arc<Watched>, Arc<CompiledPolicy>)>,
}

impl Compiler {
    /// Compiles these objects, and forgets all others.
    pub(super) fn compile<'a>(
        &mut self,
        objects: impl Iterator<Item = &'a Arc<Watched>>,
        system_namespace: &str,
        references: &References,
        options: &SetOptions,
    ) -> Vec<Arc<CompiledPolicy>> {
        let context =
            CompileContext { system_namespace, objects: references, unknown_fields: UnknownFields::Warn };
        let mut before = std::mem::take(&mut self.known);
        let objects: Vec<_> = objects.collect();
        // Before anything is compiled: what tenants may write is more than what fits in memory.
        let raw: Vec<_> = objects.iter().map(|watched| (watched.kind, &watched.object)).collect();
        for (watched, is_beyond) in objects.iter().copied().zip(beyond_bounds(&raw, options)) {
            let compiled = match before.remove(&watched.id) {
                Some((same, compiled))
                    if same.object == watched.object && compiled.is_beyond() == is_beyond =>
                {
                    compiled
                }
                _ if is_beyond => Arc::new(compile_beyond(watched.kind, &watched.object)),
                _ => Arc::new(compile(watched.kind, &watched.object, &context)),
            };
            self.known.insert(watched.id.clone(), (Arc::clone(watched), compiled));
        }
        self.known.values().map(|(_, compiled)| Arc::clone(compiled)).collect()
    }

    /// What refers to `object` is compiled anew the next time.
    pub(super) fn forget(&mut self, object: &ObjectRef) {
        self.known.retain(|_, (_, compiled)| !compiled.references().contains(object));
    }
}
