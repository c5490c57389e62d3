//! The labels of the namespaces that files declare.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::Scan;
use super::file::{FileScan, Holder, Reader};
use super::objects::Object;
use crate::foreign::Quoted;
use crate::gitops::place::{Place, Problem};
use crate::gitops::source::SourceFile;
use crate::policy::Labels;

/// The API server sets it on every namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The namespaces that were found.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    known: BTreeMap<String, Declared>,
}

#[derive(Debug)]
struct Declared {
    labels: Labels,
    file: usize,
    place: Place,
    /// Where other labels are declared.
    other: Option<(usize, Place)>,
}

impl FileScan<'_, '_> {
    /// Takes the labels of a namespace.
    pub(super) fn namespace(&mut self, object: &Object) {
        let holder = Holder { object: &object.id, namespace: "", origin: None, subject: None };
        let mut labels = Labels::new();
        let fields = match self.walk.at(object.cursor, &["metadata", "labels"]) {
            Some(at) => self.walk.fields(at),
            None => Vec::new(),
        };
        for field in fields {
            let name = format!("metadata.labels['{}']", field.name);
            match self.text(field.value, &name, &holder, Reader::Kubectl) {
                Ok(value) => labels.insert(field.name.to_owned(), value.unwrap_or_default().to_owned()),
                Err(_) => return,
            };
        }
        let Some(name) = self.walk.string_at(object.cursor, &["metadata", "name"]) else { return };
        labels.insert(NAME_LABEL.to_owned(), name.to_owned());
        let (file, place) = (self.index, self.walk.place(object.cursor));
        match self.namespaces.known.entry(name.to_owned()) {
            Entry::Vacant(entry) => {
                entry.insert(Declared { labels, file, place, other: None });
            }
            Entry::Occupied(mut entry) if entry.get().labels != labels => {
                entry.get_mut().other.get_or_insert((file, place));
            }
            Entry::Occupied(_) => {}
        }
    }
}

impl Namespaces {
    /// Adds the labels to the scan. A namespace with two sets of labels is a problem where it holds images.
    pub(super) fn finish(self, files: &[SourceFile], scan: &mut Scan) {
        for (name, declared) in self.known {
            let Some((other, place)) = declared.other else {
                scan.namespaces.insert(name, Arc::new(declared.labels));
                continue;
            };
            if scan.sites.iter().any(|site| site.namespace == name) {
                let file = |index: usize| files[index].name.clone();
                let message = format!(
                    "the Namespace {} has other labels than at {}:{}, and labels decide which policies hold: give one of both \
                     alone",
                    Quoted(&name),
                    file(declared.file),
                    declared.place
                );
                scan.problems.push(Problem { file: file(other), place: Some(place), message });
            }
        }
    }
}
