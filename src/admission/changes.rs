//! [`Changes`]: which images of a request are judged, and what the mutating hook does for the sake of what was there before.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::judge::{ImageVerdict, Outcome, Passed, View};
use super::object::Node;
use super::review::{Operation, Request};
use super::sites::{Site, SiteList, compared, sites};
use super::subject::Subject;
use super::verdict::{Hook, Judged};
use crate::image::ImageReference;
use crate::policy::Mutation;

/// What of an object is judged.
#[derive(Debug, Default)]
pub(super) struct Changes<'n> {
    /// What is verified: everything, or on UPDATE the sites whose image changed (design §3).
    changed: Vec<Site<'n>>,
    /// What is as it was, and has no digest. A template that changes in any way makes pods anew: then its digests are
    /// written too, where policies have templates sealed.
    bare: Vec<Site<'n>>,
    /// What changed in that it lost its digest, as when the manifest in Git is applied again.
    kept: Vec<Kept<'n>>,
}

/// A site, and its image with the digest that it had.
#[derive(Debug)]
struct Kept<'n> {
    site: Site<'n>,
    with_digest: String,
}

impl<'n> Changes<'n> {
    /// What `hook` judges of the pod spec `pod`.
    pub(super) fn of(hook: Hook, request: &'n Request<'_>, subject: &Subject, pod: &'n Node<'_>) -> Self {
        let kind = subject.kind;
        let old = request.old_object().filter(|_| request.operation() == Operation::Update);
        let Some(old) = old.and_then(|old| old.at(kind.path())) else {
            return Self { changed: sites(kind, pod).collect(), ..Self::default() };
        };
        let (same, changed): (Vec<_>, Vec<_>) =
            compared(kind, pod, old).into_iter().partition(|(site, before)| *before == Some(site.image));
        let only_sites = |sites: Vec<(Site<'n>, _)>| sites.into_iter().map(|(site, _)| site);
        if hook == Hook::Validate || subject.is_controlled {
            return Self { changed: only_sites(changed).collect(), ..Self::default() };
        }
        let kept = changed.iter().filter_map(|(site, before)| Kept::of(*site, (*before)?)).collect();
        // A pod runs already, and a Job with other images is refused.
        let may_be_sealed = !kind.is_pod() && kind.images_may_change();
        let bare = only_sites(same).filter(|site| may_be_sealed && lacks_digest(site.image)).collect();
        Self { changed: only_sites(changed).collect(), bare, kept }
    }

    /// Whether there is nothing to judge.
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.bare.is_empty()
    }

    /// Leaves the sites that are as they were alone, unless policies have them sealed and the template changed.
    pub(super) fn settle_bare(&mut self, view: &View, request: &Request<'_>) {
        self.bare.retain(|site| view.mutation(site.image) == Some(Mutation::Workloads));
        if !self.bare.is_empty() && !request.has_another_template() {
            self.bare.clear();
        }
    }

    /// All that is judged; a site with an earlier digest twice, as it is and with that.
    pub(super) fn sites(&self) -> Vec<Site<'_>> {
        let kept = self.kept.iter().map(|kept| Site { image: &kept.with_digest, ..kept.site });
        self.changed.iter().chain(&self.bare).copied().chain(kept).collect()
    }

    /// The verdicts on [`Self::sites`], one for each site: by its earlier digest where that is still good, and nothing of
    /// what is as it was and cannot be sealed.
    pub(super) fn settle<'j>(&'j self, subject: &Subject, judged: Vec<Judged<'j>>) -> Vec<Judged<'j>> {
        if self.bare.is_empty() && self.kept.is_empty() {
            return judged;
        }
        let kept = self.still_good(subject, &judged);
        let is_kept: HashSet<_> = kept.iter().flat_map(|image| &image.sites).map(place).collect();
        let bare: HashSet<_> = self.bare.iter().map(place).collect();
        let tried = self.tried();
        let others = judged.into_iter().filter_map(|Judged { mut sites, verdict }| {
            let passed = verdict.passed().filter(|passed| passed.sealed.is_some());
            let is_written = passed.is_some_and(|passed| subject.is_written(passed.mutation));
            sites.retain(|site| match place(site) {
                at if bare.contains(&at) => is_written,
                at => !is_kept.contains(&at) && tried.get(&at) != Some(&site.image),
            });
            (!sites.is_empty()).then_some(Judged { sites, verdict })
        });
        let others: Vec<_> = others.collect();
        others.into_iter().chain(kept).collect()
    }

    /// The images with an earlier digest, by their places.
    fn tried(&self) -> HashMap<Place, &str> {
        self.kept.iter().map(|kept| (place(&kept.site), &*kept.with_digest)).collect()
    }

    /// The sites whose earlier digest is still good, each image once.
    fn still_good<'j>(&'j self, subject: &Subject, judged: &[Judged<'j>]) -> Vec<Judged<'j>> {
        let tried = self.tried();
        let (mut as_it_is, mut with_digest) = (HashMap::new(), HashMap::new());
        for Judged { sites, verdict } in judged {
            for site in sites {
                let is_tried = tried.get(&place(site)) == Some(&site.image);
                let verdicts = if is_tried { &mut with_digest } else { &mut as_it_is };
                verdicts.insert(place(site), verdict);
            }
        }
        let mut images: BTreeMap<_, Judged<'_>> = BTreeMap::new();
        for Kept { site, with_digest: image } in &self.kept {
            let verdicts = as_it_is.get(&place(site)).zip(with_digest.get(&place(site)));
            let good = verdicts.and_then(|(now, before)| good_digest(subject, site.image, now, before));
            if let Some(verdict) = good {
                let image = images.entry((site.image, image.as_str()));
                image.or_insert_with(|| Judged { sites: Vec::new(), verdict }).sites.push(*site);
            }
        }
        images.into_values().collect()
    }
}

impl<'n> Kept<'n> {
    /// Where `before` is the site's image with a digest. The tag has to be the same; how the name is spelt does not.
    fn of(site: Site<'n>, before: &str) -> Option<Self> {
        if !before.contains('@') {
            return None;
        }
        let (now, before) = (ImageReference::parse(site.image).ok()?, ImageReference::parse(before).ok()?);
        let is_same = now.digest().is_none() && now.name() == before.name() && now.tag() == before.tag();
        let digest = before.digest().filter(|_| is_same)?;
        let latest = if now.has_written_tag() { "" } else { ":latest" };
        Some(Self { site, with_digest: format!("{}{latest}@{digest}", site.image) })
    }
}

/// A site, but for what is there.
type Place = (SiteList, usize);

fn place(site: &Site<'_>) -> Place {
    (site.list, site.index)
}

/// The verdict on `image` with its earlier digest, where policies have a say in it as it is, accept that digest, and have
/// it written.
fn good_digest(
    subject: &Subject,
    image: &str,
    now: &ImageVerdict,
    before: &ImageVerdict,
) -> Option<ImageVerdict> {
    if !matches!(now.outcome, Outcome::Passed(_) | Outcome::Denied(_)) {
        return None;
    }
    let passed = before.passed().filter(|passed| subject.is_written(passed.mutation))?;
    // Policies that only observe write where they say so, and only what all of them find.
    let would_be_sealed = now.passed().is_some_and(|passed| passed.sealed.is_some());
    let observers_agree = would_be_sealed && before.remarks.is_empty();
    if !passed.actions.deny && !observers_agree {
        return None;
    }
    let sealed = passed.signed()?.seal(&ImageReference::parse(image).ok()?);
    let outcome = Outcome::Passed(Passed { sealed: Some(sealed), ..passed.clone() });
    Some(ImageVerdict { image: image.to_owned(), outcome, ..before.clone() })
}

fn lacks_digest(image: &str) -> bool {
    ImageReference::parse(image).is_ok_and(|image| image.digest().is_none())
}
