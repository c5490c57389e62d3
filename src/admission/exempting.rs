//! Tells the sites of one image apart where an exemption holds at some of them only.

use jiff::Timestamp;

use super::judge::View;
use super::sites::Site;
use crate::policy::Exemptions;

/// The sites of each image.
pub type Groups<'n> = Vec<(&'n str, Vec<Site<'n>>)>;

/// Splits the sites of each image by the exemptions that are in force at them, so that the image is judged where it is not
/// exempt, whatever holds at its other sites.
pub fn by_exemption<'n>(view: &View, groups: Groups<'n>, now: Timestamp) -> Groups<'n> {
    if !view.tells_sites_apart() {
        return groups;
    }
    groups.into_iter().flat_map(|(image, sites)| split(view, image, sites, now)).collect()
}

fn split<'n>(view: &View, image: &'n str, sites: Vec<Site<'n>>, now: Timestamp) -> Groups<'n> {
    let mut parts: Vec<(Exemptions, Vec<Site<'_>>)> = Vec::new();
    for site in sites {
        let exemptions = view.exemptions(image, site.list.image_site(), now);
        match parts.iter_mut().find(|(others, _)| *others == exemptions) {
            Some((_, same)) => same.push(site),
            None => parts.push((exemptions, vec![site])),
        }
    }
    parts.into_iter().map(|(_, sites)| (image, sites)).collect()
}
