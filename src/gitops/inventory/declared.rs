//! [`declared`]: the same of files: what they declare, where nothing runs.

use super::collect::{Collected, Found, Place};
use super::object::Owner;
use crate::admission::sites::SiteList;
use crate::gitops::{Site, SourceFile};

/// The images of files. Where an object has no kind, as values of a chart have none, the file stands for it.
pub fn declared(files: &[SourceFile], sites: &[Site]) -> Collected {
    let mut all = Collected::default();
    for site in sites {
        let Some(list) = SiteList::ALL.into_iter().find(|list| list.image_site() == site.image_site) else {
            continue;
        };
        let owner = match site.object.kind.is_empty() {
            true => {
                let file = files.get(site.file).map_or("", |file| &file.name);
                Owner { api_version: "".into(), kind: "File".into(), name: file.into() }
            }
            false => Owner {
                api_version: site.object.api_version.as_str().into(),
                kind: site.object.kind.as_str().into(),
                name: site.object.name.as_str().into(),
            },
        };
        let place = Place {
            namespace: site.namespace.as_str().into(),
            owner,
            list,
            name: site.field.as_str().into(),
            image: site.image.as_str().into(),
        };
        let template = Some(Box::from(site.image.as_str()));
        all.0.insert(place, Found { template, ..Found::default() });
    }
    all
}
