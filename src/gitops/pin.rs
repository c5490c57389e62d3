//! [`plan`]: from the images of files and what the policies say of them to the files' new texts.
//!
//! The digests are those of the verdicts. What is here decides which scalar takes which of them, and refuses what cannot be.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::edit::{apply, sealed_scalar};
use super::judge::{Question, advice};
use super::place::{Place, Problem};
use super::scan::{Scan, SharedScalar};
use super::site::{Part, Site};
use super::source::SourceFile;
use super::tree::NodeId;
use crate::admission::judge::{Denial, Fault, ImageVerdict, Outcome};
use crate::foreign::{Foreign, plain};
use crate::policy::Reason;

/// The longest field that is shown whole, in characters.
const FIELD: usize = 300;

/// What is to be done, and what stands against it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The files that change, in their order.
    pub changes: Vec<Change>,
    /// The images that are denied or undecided, in the order of the sites.
    pub refusals: Vec<Refusal>,
    /// What cannot be read or edited: the scan's problems too.
    pub problems: Vec<Problem>,
    /// The images without a digest that keep none, in the order of the sites.
    pub left: Vec<Left>,
    /// What somebody should do soon about images that passed, and what Warn and Audit policies found.
    pub warnings: Vec<Warning>,
}

/// A file that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which of the files, by index.
    pub file: usize,
    /// Its new text.
    pub after: String,
    /// What is new in it, in its order.
    pub pins: Vec<Pin>,
}

/// A scalar that gets a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The first site that takes it, by index.
    pub site: usize,
    /// Where the scalar stands.
    pub place: Place,
    /// The image as it was.
    pub before: String,
    /// The image with its digest.
    pub after: String,
    /// The digest that it had.
    pub from: Option<String>,
    /// The digest that it gets.
    pub to: String,
}

/// A site whose image may not run, or of which that could not be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The site, by index.
    pub site: usize,
    /// The reason that decides.
    pub reason: Reason,
    /// Whether it is an answer.
    pub fault: Fault,
    /// Everything that stands against the image, and what to do.
    pub message: String,
}

/// A site whose image keeps no digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The site, by index.
    pub site: usize,
    /// Why.
    pub why: WhyLeft,
}

/// Why an image keeps no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WhyLeft {
    /// No policy matches it.
    Unmatched,
    /// Exemptions are in force for it.
    Exempt,
    /// It passed, and no policy says that its digest is written.
    NotWritten,
    /// The webhooks are not asked about its namespace.
    Excluded,
}

/// What there is to say about an image that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The site, by index.
    pub site: usize,
    /// What.
    pub message: String,
}

/// What the judge is asked, a question for each site, in their order. With `update`, an image with tag and digest is judged by its tag
/// alone, as if it had no digest.
pub fn questions(scan: &Scan, update: bool) -> Vec<Question> {
    let question = |site: &Site| Question { image: asked(site, update).to_owned(), ..Question::from(site) };
    scan.sites.iter().map(question).collect()
}

fn asked(site: &Site, update: bool) -> &str {
    match site.image.split_once('@') {
        Some((name, digest)) if update && !digest.is_empty() && has_tag(name) => name,
        _ => &site.image,
    }
}

/// Whether a reference without its digest has a tag. A colon before the last slash belongs to the registry's port.
fn has_tag(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|last| last.contains(':'))
}

/// A scalar of a file, by index.
type Scalar = (usize, NodeId);
/// The sites that read a scalar, by index, and what each wants it to say.
type Uses = Vec<(usize, Option<Wanted>)>;
/// The scalars of a file that change, and what they are to say.
type Edits = Vec<(NodeId, Pin, String)>;

/// Puts the verdicts together: one for each site, `None` where the webhooks are not asked about the namespace.
///
/// `mover` is what moves a pin whose tag is signed otherwise; empty where pins are moved.
pub fn plan(files: &[SourceFile], scan: &Scan, verdicts: &[Option<ImageVerdict>], mover: &str) -> Plan {
    let mut plan = Plan { problems: scan.problems.clone(), ..Plan::default() };
    let mut scalars: BTreeMap<Scalar, Uses> = BTreeMap::new();
    for (index, (site, verdict)) in scan.sites.iter().zip(verdicts).enumerate() {
        let Some(file) = files.get(site.file) else { continue };
        let wanted = plan.take(index, site, verdict.as_ref(), mover);
        if let Ok(wanted) = wanted {
            let text = file.tree.text(site.slot.scalar).unwrap_or_default();
            let wanted = wanted.and_then(|sealed| Wanted::of(site, text, sealed));
            scalars.entry((site.file, site.slot.scalar)).or_default().push((index, wanted));
        }
    }
    for (file, edits) in plan.settle(files, scan, scalars) {
        plan.change(files, file, edits);
    }
    plan
}

/// What a site wants its scalar to say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    text: String,
    sealed: String,
}

impl Wanted {
    /// `None` where the scalar says so already.
    fn of(site: &Site, text: &str, sealed: &str) -> Option<Self> {
        // Of an image that is null or empty nothing is kept.
        let text = if site.slot.part == Part::Digest { "" } else { text };
        let new = sealed_scalar(site.slot.part, text, &site.image, sealed)?;
        let is_there = site.image == sealed;
        (!is_there).then(|| Self { text: new, sealed: sealed.to_owned() })
    }

    fn pin(&self, site: usize, place: Place, before: &str) -> Pin {
        let digest = |image: &str| image.split_once('@').map(|(_, digest)| digest.to_owned());
        Pin {
            site,
            place,
            before: before.to_owned(),
            after: self.sealed.clone(),
            from: digest(before),
            to: digest(&self.sealed).unwrap_or_default(),
        }
    }
}

impl Plan {
    /// Whether nothing may be written.
    pub fn is_refused(&self) -> bool {
        !self.refusals.is_empty() || !self.problems.is_empty()
    }

    /// The image with the digest that is to be written, if one is; `Err` where the image is refused.
    fn take<'v>(
        &mut self,
        index: usize,
        site: &Site,
        verdict: Option<&'v ImageVerdict>,
        mover: &str,
    ) -> Result<Option<&'v str>, ()> {
        let is_bare = !site.image.contains('@');
        let mut leave = |why| {
            if is_bare {
                self.left.push(Left { site: index, why });
            }
            Ok(None)
        };
        let Some(verdict) = verdict else { return leave(WhyLeft::Excluded) };
        let remarks = verdict.remarks.iter().map(|remark| remark.denial.finding.to_string());
        let warnings = verdict.warnings.iter().cloned().chain(remarks);
        self.warnings.extend(warnings.map(|message| Warning { site: index, message }));
        match &verdict.outcome {
            Outcome::Unmatched => leave(WhyLeft::Unmatched),
            Outcome::Exempt => leave(WhyLeft::Exempt),
            Outcome::Passed(passed) => match passed.sealed.as_deref() {
                Some(sealed) => Ok(Some(sealed)),
                None => leave(WhyLeft::NotWritten),
            },
            Outcome::Denied(_) => {
                if let Some(headline) = verdict.headline() {
                    let message = refusal(verdict, headline, mover);
                    let Denial { fault, .. } = headline;
                    self.refusals.push(Refusal {
                        site: index,
                        reason: headline.reason(),
                        fault: *fault,
                        message,
                    });
                }
                Err(())
            }
        }
    }

    /// The edits of each file, but for what stands against them.
    fn settle(
        &mut self,
        files: &[SourceFile],
        scan: &Scan,
        scalars: BTreeMap<Scalar, Uses>,
    ) -> BTreeMap<usize, Edits> {
        let frozen: BTreeMap<usize, _> = scan.frozen.iter().map(|frozen| (frozen.file, frozen)).collect();
        let mut shared: BTreeMap<Scalar, Vec<&SharedScalar>> = BTreeMap::new();
        scan.shared
            .iter()
            .for_each(|other| shared.entry((other.file, other.scalar)).or_default().push(other));
        let mut told = BTreeSet::new();
        let mut changed: BTreeMap<usize, Edits> = BTreeMap::new();
        for ((file, scalar), uses) in scalars {
            let Some(wanted) = uses.iter().find_map(|(_, wanted)| wanted.as_ref()) else { continue };
            let shared = shared.get(&(file, scalar)).into_iter().flatten();
            let mut problems: Vec<Problem> =
                shared.map(|shared| problem(files, file, shared.place, shared.message.clone())).collect();
            problems.extend(disagreement(files, scan, (file, scalar), &uses, wanted));
            let is_free = problems.is_empty();
            self.problems.extend(problems);
            if let Some(frozen) = frozen.get(&file) {
                if told.insert(file) {
                    self.problems.push(problem(files, file, frozen.place, frozen.message.clone()));
                }
            } else if is_free && let Some((site, _)) = uses.first() {
                let pin = wanted.pin(*site, files[file].tree.node(scalar).place, &scan.sites[*site].image);
                changed.entry(file).or_default().push((scalar, pin, wanted.text.clone()));
            }
        }
        changed
    }

    /// Makes the changes of one file.
    fn change(&mut self, files: &[SourceFile], file: usize, edits: Edits) {
        let Some(SourceFile { text, tree, .. }) = files.get(file) else { return };
        let values = edits.iter().map(|(scalar, _, value)| (*scalar, value.clone())).collect();
        match apply(text, tree, &values) {
            Ok(after) => {
                let pins = edits.into_iter().map(|(_, pin, _)| pin).collect();
                self.changes.push(Change { file, after, pins });
            }
            Err(errors) => {
                let of_file =
                    |error: super::edit::EditError| problem(files, file, error.place, error.message);
                self.problems.extend(errors.into_iter().map(of_file));
            }
        }
    }
}

/// What stands against a scalar's change where several images are read from it that want it otherwise.
fn disagreement(
    files: &[SourceFile],
    scan: &Scan,
    (file, scalar): Scalar,
    uses: &Uses,
    wanted: &Wanted,
) -> Option<Problem> {
    let differs = |other: &Option<Wanted>| other.as_ref().map(|other| &other.text) != Some(&wanted.text);
    let (index, other) = uses.iter().find(|(_, other)| differs(other))?;
    let (site, source) = (scan.sites.get(*index)?, files.get(file)?);
    let other = other.as_ref().map_or("none", |other| digest_of(&other.sealed));
    let message = format!(
        "{} is used several times, and needs different digests: {}, and {other} at {}:{} ({} in namespace {}); \
         write the image out where it is used",
        Foreign(&site.image),
        digest_of(&wanted.sealed),
        source.name,
        site.place,
        plain(&site.field, FIELD),
        Foreign(&site.namespace),
    );
    Some(problem(files, file, source.tree.node(scalar).place, message))
}

fn digest_of(sealed: &str) -> &str {
    sealed.split_once('@').map_or(sealed, |(_, digest)| digest)
}

/// Everything that stands against an image, what decides first.
fn refusal(verdict: &ImageVerdict, headline: &Denial, mover: &str) -> String {
    let others = verdict.denials().iter().filter(|denial| *denial != headline);
    let findings = std::iter::once(headline).chain(others).map(|denial| denial.finding.to_string());
    findings.chain(advice(verdict, mover)).collect::<Vec<_>>().join("; ")
}

fn problem(files: &[SourceFile], file: usize, place: Place, message: String) -> Problem {
    let file = files.get(file).map(|file| file.name.clone()).unwrap_or_default();
    Problem { file, place: Some(place), message }
}
