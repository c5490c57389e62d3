//! [`Row`]: one line of the inventory, and how bad it is.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Answers;
use super::answer::{Answer, Ends};
use super::collect::{Collected, Found, Place};
use crate::gitops::judge::Question;
use crate::gitops::report::{SignedBy, Word};
use crate::image::ImageReference;
use crate::policy::Reason;

/// What ends sooner than this is worth a look.
const SOON: SignedDuration = SignedDuration::from_hours(24 * 30);

/// How a row stands, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Standing {
    /// It runs, and would be refused as it runs.
    Refused,
    /// It would be refused if it were created anew: a pod that goes does not come back.
    RefusedAnew,
    /// It could not be decided.
    Undecided,
    /// It passes, and what it rests on ends within 30 days, or its digest was superseded.
    Ending,
    /// It passes, and anew it would get another digest than runs.
    Changing,
    /// Warn or Audit policies found something.
    Observed,
    /// No policy matches it.
    Unmatched,
    /// The webhooks are not asked about its namespace.
    Excluded,
    /// An exemption takes it out.
    Exempt,
    /// Nothing stands against it.
    Good,
}

impl Standing {
    /// Every one, the worst first.
    pub const ALL: [Self; 10] = [
        Self::Refused,
        Self::RefusedAnew,
        Self::Undecided,
        Self::Ending,
        Self::Changing,
        Self::Observed,
        Self::Unmatched,
        Self::Excluded,
        Self::Exempt,
        Self::Good,
    ];

    /// Whether something would be refused, or could not be decided.
    pub fn fails(self) -> bool {
        self <= Self::Undecided
    }

    /// Whether no policy that denies has judged it.
    pub fn is_uncovered(self) -> bool {
        matches!(self, Self::Observed | Self::Unmatched | Self::Excluded | Self::Exempt)
    }
}

/// The object that the image belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerShown {
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Where in a pod the image stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SiteShown {
    /// `containers`, `initContainers`, `ephemeralContainers` or `volumes`.
    pub list: &'static str,
    /// The container's or volume's name.
    pub name: String,
}

/// A digest that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// It, `sha256:…`.
    pub digest: String,
    /// In how many pods.
    pub pods: usize,
    /// Whether the reference names this digest; `None` where it names none. One image may have several: of a list for several
    /// platforms and of each of its images.
    pub is_referenced: Option<bool>,
    /// The verdict on the reference with this digest.
    pub verdict: Option<Word>,
    /// Why it would not be admitted.
    pub reason: Option<&'static str>,
}

/// One line of the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// How it stands.
    pub standing: Standing,
    /// The namespace.
    pub namespace: String,
    /// The topmost controller; a pod without one is its own.
    pub owner: OwnerShown,
    /// Where in the pod.
    pub site: SiteShown,
    /// The image, as the pods have it; without pods, as the template has it.
    pub image: String,
    /// How many pods have it.
    pub pods: usize,
    /// What their statuses say runs.
    pub running: Vec<Running>,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// The signed digest.
    pub digest: Option<String>,
    /// Who signed it.
    pub signed_by: Vec<SignedBy>,
    /// When what it rests on ends first.
    pub ends: Option<Ends>,
    /// The verdict on what runs, the worst where several digests do; `None` without pods.
    pub now: Option<Answer>,
    /// The verdict on what the owner declares; `None` where it declares nothing there any more, or is not known.
    pub anew: Option<Answer>,
}

impl Collected {
    /// The rows, the worst first. `now` is when.
    pub fn rows(&self, answers: &Answers, now: Timestamp) -> Vec<Row> {
        let mut rows: Vec<_> = self.0.iter().map(|(place, found)| row(place, found, answers, now)).collect();
        rows.sort_by(|a, b| a.order().cmp(&b.order()));
        rows
    }
}

impl Row {
    fn order(&self) -> impl Ord + '_ {
        let ends = self.ends.as_ref().filter(|_| self.standing == Standing::Ending).map(|ends| ends.at);
        let Self { standing, namespace, owner, site, image, .. } = self;
        (*standing, ends, namespace, &owner.kind, &owner.name, site.list, &site.name, image)
    }
}

/// Worse is smaller.
fn badness(answer: &Answer) -> u8 {
    match answer.word() {
        Word::Denied => 0,
        Word::Unavailable => 1,
        Word::Excluded => 2,
        Word::Unmatched => 3,
        Word::Exempt => 4,
        Word::Admitted => 5,
        Word::Sealed => 6,
    }
}

fn row(place: &Place, found: &Found, answers: &Answers, now: Timestamp) -> Row {
    let asked = place.now(found);
    let get = |question: &Question| answers.get(question);
    let worst = asked.iter().filter_map(|(_, question)| get(question)).min_by_key(|answer| badness(answer));
    let anew = place.anew(found).and_then(|question| answers.get(&question));
    let shown = worst.or(anew);
    let ends = [worst, anew].into_iter().flatten().filter_map(|answer| answer.ends.clone()).min();
    let running = running(place, found, &asked, answers);
    Row {
        standing: standing(worst, anew, ends.as_ref(), changes(place, found, anew), now),
        namespace: place.namespace.to_string(),
        owner: OwnerShown {
            api_version: place.owner.api_version.to_string(),
            kind: place.owner.kind.to_string(),
            name: place.owner.name.to_string(),
        },
        site: SiteShown { list: place.list.field(), name: place.name.to_string() },
        image: place.image.to_string(),
        pods: found.pods,
        running,
        policies: shown.map(|answer| answer.report.policies.clone()).unwrap_or_default(),
        digest: shown.and_then(|answer| answer.report.digest.clone()),
        signed_by: shown.map(|answer| answer.report.signed_by.clone()).unwrap_or_default(),
        ends,
        now: worst.cloned(),
        anew: anew.cloned(),
    }
}

fn running(
    place: &Place,
    found: &Found,
    asked: &[(Option<Box<str>>, Question)],
    answers: &Answers,
) -> Vec<Running> {
    let named = named(place);
    let each = found.running.iter().map(|(digest, pods)| {
        let of = asked.iter().find(|(with, _)| with.as_ref().is_none_or(|with| with == digest));
        let answer = of.and_then(|(_, question)| answers.get(question));
        Running {
            digest: digest.to_string(),
            pods: *pods,
            is_referenced: named.as_deref().map(|named| *named == **digest),
            verdict: answer.map(Answer::word),
            reason: answer.and_then(|answer| answer.report.reason).map(Reason::as_str),
        }
    });
    each.collect()
}

fn standing(
    runs: Option<&Answer>,
    anew: Option<&Answer>,
    ends: Option<&Ends>,
    changes: bool,
    now: Timestamp,
) -> Standing {
    let is = |answer: Option<&Answer>, word| answer.is_some_and(|answer| answer.word() == word);
    let either = |word| is(runs, word) || is(anew, word);
    let any = |says: fn(&Answer) -> bool| [runs, anew].into_iter().flatten().any(says);
    let soon = now.saturating_add(SOON).unwrap_or(Timestamp::MAX);
    match () {
        () if is(runs, Word::Denied) => Standing::Refused,
        () if is(anew, Word::Denied) => Standing::RefusedAnew,
        () if either(Word::Unavailable) => Standing::Undecided,
        () if any(|answer| answer.is_superseded) || ends.is_some_and(|ends| ends.at < soon) => {
            Standing::Ending
        }
        () if changes => Standing::Changing,
        () if any(Answer::is_observed) => Standing::Observed,
        () if either(Word::Excluded) => Standing::Excluded,
        () if either(Word::Unmatched) => Standing::Unmatched,
        () if either(Word::Exempt) => Standing::Exempt,
        () => Standing::Good,
    }
}

/// The digest that the reference names.
fn named(place: &Place) -> Option<String> {
    Some(ImageReference::parse(&place.image).ok()?.digest()?.to_string())
}

/// Whether another digest would run than does.
fn changes(place: &Place, found: &Found, anew: Option<&Answer>) -> bool {
    let Some(digest) = anew.and_then(|anew| anew.report.digest.as_ref()) else { return false };
    let named = named(place);
    let is_other = |runs: &str| runs != digest;
    match named {
        // What a reference names is pulled by it, whatever a runtime calls what it got.
        Some(named) => found.pods > 0 && is_other(&named),
        None => found.running.keys().any(|runs| is_other(runs)),
    }
}
