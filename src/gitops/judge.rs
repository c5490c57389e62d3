//! [`judge`]: the verdicts of many images, each distinct question asked once, a bounded number of them at a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;
use tokio::time::Instant;

use super::Site;
use crate::admission::Subject;
use crate::admission::judge::{Circumstances, ImageVerdict, Resolve, View};
use crate::policy::{ImageSite, Labels, Mutation, NamespaceView, PolicySet, Reason};
use crate::trust::PodIdentity;

/// How many images are asked about at once. Trust servers are asked over few connections each, whatever this is.
pub(super) const AT_ONCE: usize = 64;

/// What is asked: an image, in a namespace, at a place in a pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// The namespace whose policies hold.
    pub namespace: String,
    /// The image, as a pod spec would have it.
    pub image: String,
    /// Where in a pod it stands.
    pub image_site: ImageSite,
}

impl From<&Site> for Question {
    fn from(site: &Site) -> Self {
        Self { namespace: site.namespace.clone(), image: site.image.clone(), image_site: site.image_site }
    }
}

/// One place that names an image, and what the policies say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteVerdict {
    /// The place.
    pub site: Site,
    /// `None` where the webhooks are not asked about the namespace.
    pub verdict: Option<ImageVerdict>,
}

/// By what images are judged.
pub struct JudgeContext<'a> {
    /// The policies and exemptions.
    pub policies: Arc<PolicySet>,
    /// The labels of the namespaces that are known. Of others every selector of a policy counts as matching.
    pub namespaces: &'a BTreeMap<String, Arc<Labels>>,
    /// Where signed digests come from.
    pub resolver: &'a dyn Resolve,
    /// By when exemptions are judged.
    pub now: Timestamp,
    /// When an answer that is asked for now must be there.
    pub deadline: &'a (dyn Fn() -> Instant + Sync),
    /// Told after each distinct question: how many are answered, and of how many.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

/// The verdicts, in the order of the questions. Equal questions are asked once and have equal answers.
pub async fn judge(context: &JudgeContext<'_>, questions: &[Question]) -> Vec<ImageVerdict> {
    let mut positions = HashMap::new();
    let mut distinct = Vec::new();
    let indices: Vec<usize> = questions
        .iter()
        .map(|question| {
            *positions.entry(question).or_insert_with(|| {
                distinct.push(question);
                distinct.len() - 1
            })
        })
        .collect();
    let total = distinct.len();
    let mut answers: Vec<Option<ImageVerdict>> = vec![None; total];
    let mut asked = stream::iter(
        distinct
            .into_iter()
            .enumerate()
            .map(|(index, question)| async move { (index, context.ask(question).await) }),
    )
    .buffer_unordered(AT_ONCE);
    let mut done = 0;
    while let Some((index, verdict)) = asked.next().await {
        answers[index] = Some(verdict);
        done += 1;
        (context.progress)(done, total);
    }
    indices.into_iter().filter_map(|index| answers[index].clone()).collect()
}

impl JudgeContext<'_> {
    async fn ask(&self, question: &Question) -> ImageVerdict {
        let Question { namespace, image, image_site } = question;
        let namespace = NamespaceView::among(self.namespaces, namespace);
        let asked = Asked { image, site: *image_site, deadline: (self.deadline)(), now: self.now };
        asked.verdict(&self.policies, namespace, self.resolver).await
    }
}

/// One image, and when and by when it is judged.
pub(super) struct Asked<'a> {
    pub image: &'a str,
    pub site: ImageSite,
    pub deadline: Instant,
    pub now: Timestamp,
}

impl Asked<'_> {
    /// What the policies say of it in a namespace.
    pub(super) async fn verdict(
        &self,
        policies: &Arc<PolicySet>,
        namespace: NamespaceView,
        resolver: &dyn Resolve,
    ) -> ImageVerdict {
        let Self { image, site, deadline, now } = *self;
        let pod = PodIdentity { namespace: namespace.name.to_string(), ..PodIdentity::default() };
        let circumstances = Circumstances { pod: &pod, deadline, dry_run: false, site, now };
        View::new(Arc::clone(policies), namespace).judge_image(resolver, image, circumstances).await
    }
}

/// What moves a pin on the command line.
pub const PIN_UPDATE: &str = "`tagseal pin --update`";

/// What to do about an image against which nothing else stands than that its tag is signed with another digest: `mover` moves it. None
/// where there is no such.
pub fn advice(verdict: &ImageVerdict, mover: &str) -> Option<String> {
    let denials = verdict.denials();
    let is_moved =
        !denials.is_empty() && denials.iter().all(|denial| denial.reason() == Reason::DigestMismatch);
    (is_moved && !mover.is_empty()).then(|| format!("{mover} moves it to the digest that is signed now"))
}

/// The verdict on what would be stored in `subject`; in a pod, where that is not known. The mutating webhook writes the digest, or the
/// object may do without it; but for policies with mutation None, by which nobody writes it and the validating webhook demands it.
pub fn stored(mut verdict: ImageVerdict, subject: Option<Subject>) -> ImageVerdict {
    let stays_unsealed = |mutation| match subject {
        Some(subject) => subject.must_be_sealed(mutation) && !subject.is_written(mutation),
        None => mutation == Mutation::None,
    };
    if verdict.passed().is_some_and(|passed| stays_unsealed(passed.mutation)) {
        verdict.require_seal();
    }
    verdict
}
