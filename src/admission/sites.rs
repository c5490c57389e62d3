//! Image sites: where the kinds that tagseal knows hold images. To add a kind or a list, add a row.

use std::collections::HashMap;
use std::fmt::{self, Write as _};

use super::object::{Child, ImageField, Node};
use crate::policy::ImageSite;

/// A kind that holds images, and the way to its pod spec.
#[derive(Debug, PartialEq, Eq)]
pub struct WorkloadKind {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    path: &'static [Child],
}

use Child::{JobTemplate, Spec, Template};

const fn row(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    path: &'static [Child],
) -> WorkloadKind {
    WorkloadKind { group, version, kind, path }
}

/// Every kind (design §3). The webhook rules name the same ones, `matchPolicy: Equivalent` brings other versions here.
pub const KINDS: &[WorkloadKind] = &[
    row("", "v1", "Pod", &[Spec]),
    row("", "v1", "PodTemplate", &[Template, Spec]),
    row("", "v1", "ReplicationController", &[Spec, Template, Spec]),
    row("apps", "v1", "Deployment", &[Spec, Template, Spec]),
    row("apps", "v1", "ReplicaSet", &[Spec, Template, Spec]),
    row("apps", "v1", "StatefulSet", &[Spec, Template, Spec]),
    row("apps", "v1", "DaemonSet", &[Spec, Template, Spec]),
    row("batch", "v1", "Job", &[Spec, Template, Spec]),
    row("batch", "v1", "CronJob", &[Spec, JobTemplate, Spec, Template, Spec]),
];

impl WorkloadKind {
    /// The row of a kind; `None` for what tagseal does not know.
    pub fn find(group: &str, version: &str, kind: &str) -> Option<&'static Self> {
        KINDS.iter().find(|row| row.kind == kind && row.group == group && row.version == version)
    }

    /// The row of a kind in any version: the API server converts what is written in another one.
    pub fn in_any_version(group: &str, kind: &str) -> Option<&'static Self> {
        KINDS.iter().find(|row| row.kind == kind && row.group == group)
    }

    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Its group and version, as `apiVersion` has them.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Whether the object is itself a pod, not the template of one.
    pub fn is_pod(&self) -> bool {
        matches!(self.path, [Spec])
    }

    /// Whether its images may change after it was created. The API server lets nobody change a Job's.
    pub fn images_may_change(&self) -> bool {
        !(self.group == "batch" && self.kind == "Job")
    }

    /// The fields from the object to its template: its job template, where it has one; `None` for a pod.
    pub fn template(&self) -> Option<&'static [Child]> {
        let end = self.path.iter().position(|child| *child != Spec)?;
        self.path.get(..=end)
    }

    /// The fields from the object to its pod spec.
    pub fn path(&self) -> &'static [Child] {
        self.path
    }
}

/// A list of a pod spec whose entries hold images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SiteList {
    /// `initContainers`, sidecars among them.
    InitContainers,
    /// `containers`
    Containers,
    /// `ephemeralContainers`
    EphemeralContainers,
    /// `volumes`, those of type `image`.
    Volumes,
}

struct SiteRow {
    field: &'static str,
    singular: &'static str,
    image: &'static [&'static str],
}

impl SiteList {
    /// Every list (design §3).
    pub const ALL: [Self; 4] =
        [Self::InitContainers, Self::Containers, Self::EphemeralContainers, Self::Volumes];

    const fn row(self) -> SiteRow {
        let (field, singular, image): (_, _, &[&str]) = match self {
            Self::InitContainers => ("initContainers", "init container", &["image"]),
            Self::Containers => ("containers", "container", &["image"]),
            Self::EphemeralContainers => ("ephemeralContainers", "ephemeral container", &["image"]),
            Self::Volumes => ("volumes", "volume", &["image", "reference"]),
        };
        SiteRow { field, singular, image }
    }

    /// The list's field in a pod spec.
    pub const fn field(self) -> &'static str {
        self.row().field
    }

    /// As exemptions call it.
    pub const fn image_site(self) -> ImageSite {
        match self {
            Self::InitContainers => ImageSite::InitContainers,
            Self::Containers => ImageSite::Containers,
            Self::EphemeralContainers => ImageSite::EphemeralContainers,
            Self::Volumes => ImageSite::Volumes,
        }
    }

    /// What one entry is called.
    pub const fn singular(self) -> &'static str {
        self.row().singular
    }

    /// The fields from an entry to its image.
    pub const fn image_path(self) -> &'static [&'static str] {
        self.row().image
    }

    /// Whether an entry's image is to be filled in by a controller later, as OpenShift's image triggers do it. The API server
    /// takes these in templates and in no pod (Kubernetes, `pkg/apis/core/validation`: `validateContainerOnlyForPod`,
    /// `validateImageVolumeSource`): blanks around a container's image, and an image volume without a reference.
    pub fn is_to_be_filled_in(self, image: &str) -> bool {
        let written = image.trim();
        match self {
            Self::Volumes => written.is_empty(),
            Self::InitContainers | Self::Containers => written.len() < image.len(),
            Self::EphemeralContainers => false,
        }
    }

    fn has_image_to_be_filled_in(self, field: &ImageField<'_>) -> bool {
        match (self, field) {
            (Self::Volumes, ImageField::Plain(_)) => false,
            (Self::Volumes, ImageField::Reference(text)) | (_, ImageField::Plain(text)) => {
                self.is_to_be_filled_in(text.as_str())
            }
            _ => false,
        }
    }

    /// An entry's image. A container always has one: without the field it is the empty string, which cannot be
    /// read and is refused as such. A volume of another type has none.
    fn image_of<'n>(self, field: &'n ImageField<'_>) -> Option<&'n str> {
        match (self, field) {
            (Self::Volumes, ImageField::Reference(text)) => Some(text.as_str()),
            (Self::Volumes, ImageField::Absent) => None,
            (
                Self::InitContainers | Self::Containers | Self::EphemeralContainers,
                ImageField::Plain(text),
            ) => Some(text.as_str()),
            _ => Some(""),
        }
    }
}

/// One place that holds an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site<'n> {
    /// In which list.
    pub list: SiteList,
    /// At which index of it.
    pub index: usize,
    /// Name of the container or volume.
    pub name: &'n str,
    /// The image, as the object has it.
    pub image: &'n str,
}

impl fmt::Display for Site<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.list.singular(), self.name)
    }
}

impl Site<'_> {
    /// The JSON pointer to the image field, from the object's root. Its tokens are field names and an index: nothing in
    /// them needs escapes (RFC 6901).
    pub fn pointer(&self, kind: &WorkloadKind) -> String {
        let mut pointer = String::with_capacity(64);
        let to_spec = kind.path.iter().map(|child| child.field());
        for token in to_spec.chain([self.list.field()]) {
            pointer.push('/');
            pointer.push_str(token);
        }
        // Writing to a string cannot fail.
        let _ = write!(pointer, "/{}", self.index);
        for token in self.list.image_path() {
            pointer.push('/');
            pointer.push_str(token);
        }
        pointer
    }

    /// The field as `kubectl` writes it: `spec.containers[0].image`.
    pub fn field_path(&self, kind: &WorkloadKind) -> String {
        let mut path = String::new();
        for child in kind.path {
            path.push_str(child.field());
            path.push('.');
        }
        path.push_str(&format!("{}[{}].", self.list.field(), self.index));
        path + &self.list.image_path().join(".")
    }
}

/// Every site of a pod spec in an object of `kind`, list by list, without those of a template that have no image yet.
pub fn sites<'n>(kind: &WorkloadKind, pod: &'n Node<'_>) -> impl Iterator<Item = Site<'n>> {
    let is_pod = kind.is_pod();
    SiteList::ALL.into_iter().flat_map(move |list| {
        pod.entries(list).iter().enumerate().filter_map(move |(index, entry)| {
            if !is_pod && list.has_image_to_be_filled_in(entry.image()) {
                return None;
            }
            let image = list.image_of(entry.image())?;
            Some(Site { list, index, name: entry.name(), image })
        })
    })
}

/// The sites of `new`, each with the image that `old` has at the same (list, name). A name that stands twice, in either
/// object, is no identity (design §11).
pub fn compared<'n>(
    kind: &WorkloadKind,
    new: &'n Node<'_>,
    old: &'n Node<'_>,
) -> Vec<(Site<'n>, Option<&'n str>)> {
    let before = unique_names(kind, old);
    let now = unique_names(kind, new);
    sites(kind, new)
        .map(|site| {
            let key = (site.list, site.name);
            let is_unique = now.get(&key).is_some_and(Option::is_some);
            (site, before.get(&key).copied().flatten().filter(|_| is_unique))
        })
        .collect()
}

/// The image at each (list, name); `None` where the name stands twice.
fn unique_names<'n>(kind: &WorkloadKind, pod: &'n Node<'_>) -> HashMap<(SiteList, &'n str), Option<&'n str>> {
    let mut images = HashMap::new();
    for site in sites(kind, pod) {
        images.entry((site.list, site.name)).and_modify(|image| *image = None).or_insert(Some(site.image));
    }
    images
}

#[cfg(test)]
mod tests;
