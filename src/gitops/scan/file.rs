//! [`FileScan`]: one file's scan, and what the readings of its parts share.

use std::collections::HashSet;
use std::fmt;

use super::namespaces::Namespaces;
use super::objects::{self, Object};
use super::uses::{Cursor, Use, Walk};
use super::{Frozen, Scan, ScanOptions, SharedScalar, helm, image_path, kustomization, pods};
use crate::admission::Subject;
use crate::foreign::{Foreign, Quoted};
use crate::gitops::place::{Place, Problem};
use crate::gitops::scalar::is_string_in_yaml_1_1;
use crate::gitops::site::{ObjectId, Origin, Part, Site, Slot};
use crate::gitops::source::{FileRole, SourceFile};
use crate::gitops::tree::{NodeId, Style, Value};
use crate::policy::ImageSite;

/// The scan of one file.
pub(super) struct FileScan<'f, 'n> {
    pub index: usize,
    pub file: &'f SourceFile,
    pub options: &'f ScanOptions,
    pub walk: Walk<'f>,
    pub namespaces: &'n mut Namespaces,
    sites: Vec<Site>,
    uses: HashSet<Use>,
    problems: Vec<(Place, String)>,
    notices: Vec<(Place, String)>,
}

/// What holds images, and the namespace whose policies hold for them.
pub(super) struct Holder<'a> {
    pub object: &'a ObjectId,
    pub namespace: &'a str,
    pub origin: Option<&'a Origin>,
    /// What the webhooks are asked about, where they are.
    pub subject: Option<Subject>,
}

/// A scalar that takes a digest.
pub(super) struct Found {
    pub at: Cursor,
    pub field: String,
    pub image_site: ImageSite,
    pub image: String,
    pub part: Part,
}

/// Who reads a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Kubectl,
    Kustomize,
    Helm,
}

/// A problem that was told.
#[derive(Debug)]
pub(super) struct Refused;

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kubectl => "kubectl",
            Self::Kustomize => "kustomize",
            Self::Helm => "Helm",
        })
    }
}

impl fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.object.kind.as_str(), self.object.name.as_str()) {
            (helm::KIND, _) => f.write_str("the values"),
            (kind, "") => write!(f, "the {}", Foreign(kind)),
            (kind, name) => write!(f, "{} {}", Foreign(kind), Quoted(name)),
        }
    }
}

impl<'f, 'n> FileScan<'f, 'n> {
    pub(super) fn new(
        index: usize,
        file: &'f SourceFile,
        options: &'f ScanOptions,
        namespaces: &'n mut Namespaces,
    ) -> Self {
        Self {
            index,
            file,
            options,
            walk: Walk::new(&file.tree),
            namespaces,
            sites: Vec::new(),
            uses: HashSet::new(),
            problems: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// Scans the file and adds what it finds.
    pub(super) fn run(mut self, scan: &mut Scan) {
        match self.file.role {
            FileRole::HelmValues => helm::values(&mut self),
            FileRole::Manifest => {
                for object in objects::find(self.file, &self.walk, &mut self.problems) {
                    self.object(&object);
                }
            }
        }
        scan.frozen.extend(self.frozen());
        scan.shared.extend(self.shared());
        let name = &self.file.name;
        let by_place = |(place, _): &(Place, String)| *place;
        self.sites.sort_by_key(|site| site.place);
        self.problems.sort_by_key(by_place);
        self.problems.dedup();
        self.notices.sort_by_key(by_place);
        scan.sites.append(&mut self.sites);
        let problem = |(place, message)| Problem { file: name.clone(), place: Some(place), message };
        scan.problems.extend(self.problems.into_iter().map(problem));
        scan.notices.extend(self.notices.into_iter().map(|found| problem(found).to_string()));
    }

    fn object(&mut self, object: &Object) {
        if kustomization::is_kustomization(&self.file.name, object) {
            return kustomization::kustomization(self, object);
        }
        if kustomization::is_flux(object) {
            return kustomization::flux(self, object);
        }
        if object.group() == Some("") && object.id.kind == "Namespace" {
            return self.namespace(object);
        }
        let is_workload = pods::workload(self, object);
        let known = (self.uses.len(), self.problems.len());
        image_path::images(self, object);
        // A path of the options that leads nowhere names nothing.
        let is_named = known != (self.uses.len(), self.problems.len());
        if !is_workload && !is_named {
            pods::notice(self, object);
            helm::notice(self, object);
        }
    }

    /// The namespace whose policies hold for an object.
    pub(super) fn namespace_of<'a>(&mut self, object: &'a Object) -> &'a str
    where
        'f: 'a,
    {
        if let Some(at) = self.walk.at(object.cursor, &["metadata", "namespace"]) {
            let holder = Holder { object: &object.id, namespace: "", origin: None, subject: None };
            // What is refused here is told, and the namespace is shown as it stands.
            let _ = self.text(at, "metadata.namespace", &holder, Reader::Kubectl);
        }
        object.id.namespace.as_deref().unwrap_or(&self.options.namespace)
    }

    pub(super) fn problem(&mut self, at: Cursor, message: String) {
        self.problems.push((self.walk.place(at), message));
    }

    pub(super) fn notice(&mut self, at: Cursor, message: String) {
        self.notices.push((self.walk.place(at), message));
    }

    /// A site, unless it is one already.
    pub(super) fn add(&mut self, holder: &Holder<'_>, found: Found) {
        if !self.uses.insert(found.at.key()) {
            return;
        }
        self.sites.push(Site {
            file: self.index,
            place: self.walk.place(found.at),
            field: found.field,
            object: holder.object.clone(),
            namespace: holder.namespace.to_owned(),
            image_site: found.image_site,
            subject: holder.subject,
            image: found.image,
            slot: Slot { scalar: found.at.id, part: found.part },
            origin: holder.origin.cloned(),
        });
    }

    /// The text of a scalar that must be a string to its reader; `None` where it is null.
    pub(super) fn text(
        &mut self,
        at: Cursor,
        field: &str,
        holder: &Holder<'_>,
        reader: Reader,
    ) -> Result<Option<&'f str>, Refused> {
        let node = self.walk.tree.node(at.id);
        let is_what = match &node.value {
            Value::Mapping(_) => "is a mapping, and must be a string: write it as one".to_owned(),
            Value::Sequence(_) => "is a list, and must be a string: write it as one".to_owned(),
            Value::Scalar(_) if self.walk.tree.has_foreign_tag(at.id) => {
                let tag = node.tag.as_deref().unwrap_or_default();
                format!("has the tag {}, and must be a string: remove the tag", Quoted(tag))
            }
            Value::Scalar(_) if self.walk.is_null(at) => return Ok(None),
            Value::Scalar(scalar)
                if scalar.style == Style::Plain
                    && node.tag.is_none()
                    && !is_string_in_yaml_1_1(&scalar.text) =>
            {
                let text = Foreign(&scalar.text);
                format!("is {text} without quotes, which is no string to {reader}: write it between quotes")
            }
            Value::Scalar(scalar) => return Ok(Some(&scalar.text)),
            Value::Alias(_) => return Ok(None),
        };
        self.problem(at, format!("{field} of {holder} {is_what}"));
        Err(Refused)
    }

    /// As [`FileScan::text`], of a field; `None` where it is missing, null or empty.
    pub(super) fn text_of(
        &mut self,
        at: Cursor,
        (prefix, name): (&str, &str),
        holder: &Holder<'_>,
        reader: Reader,
    ) -> Result<Option<&'f str>, Refused> {
        let Some(value) = self.walk.field(at, name) else { return Ok(None) };
        let text = self.text(value, &format!("{prefix}.{name}"), holder, reader)?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// Whether SOPS signed the values of the file.
    fn frozen(&self) -> Option<Frozen> {
        self.file.tree.documents().iter().find_map(|document| {
            let walk = &self.walk;
            let sops = walk.entry(walk.root(document.root), "sops")?;
            walk.string_at(sops.value, &["mac"])?;
            let is_true = |at| {
                let value = walk.value(at);
                matches!(value, Value::Scalar(scalar) if scalar.style == Style::Plain && scalar.text == "true")
            };
            if walk.at(sops.value, &["mac_only_encrypted"]).is_some_and(is_true) {
                return None;
            }
            let message = "SOPS keeps a MAC of every value of this file, and a digest would make it wrong: pin the file before \
                 it is encrypted, or encrypt it with --mac-only-encrypted";
            Some(Frozen { file: self.index, place: walk.place(sops.key), message: message.to_owned() })
        })
    }

    /// The scalars of sites that have other uses.
    fn shared(&self) -> Vec<SharedScalar> {
        let scalars: HashSet<NodeId> = self.sites.iter().map(|site| site.slot.scalar).collect();
        let mut told = HashSet::new();
        let mut shared = Vec::new();
        if scalars.is_empty() || !self.file.tree.has_aliases() {
            return shared;
        }
        for document in self.file.tree.documents() {
            self.walk.scalars(self.walk.root(document.root), &mut |at| {
                if scalars.contains(&at.id) && !self.uses.contains(&at.key()) && told.insert(at.id) {
                    let text = self.walk.tree.text(at.id).unwrap_or_default();
                    let message = format!(
                        "{} is used here too, by an anchor and its aliases, and this is no place that is looked at for \
                         images: a digest would change both; write the image out where it is used",
                        Quoted(text)
                    );
                    shared.push(SharedScalar {
                        file: self.index,
                        scalar: at.id,
                        place: self.walk.place(at),
                        message,
                    });
                }
            });
        }
        shared
    }
}
