//! [`Verdict`]: what one request is answered, put together from the verdicts on its images.

use super::judge::{Denial, ImageVerdict, Outcome};
use super::response::Cause;
use super::sites::{Site, WorkloadKind};
use super::subject::Subject;
use super::text;
use crate::policy::{Actions, Reason};

/// Which of the two webhooks is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// `mutate.tagseal.dev`: writes digests, and refuses nothing.
    Mutate,
    /// `validate.tagseal.dev`: verifies the final state.
    Validate,
}

impl Hook {
    /// As the log has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Validate => "validate",
        }
    }
}

/// An answer in one word, for the log and the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Refused.
    Denied,
    /// Passed on by the mutating hook with an image that it could not seal: the validating hook decides.
    Deferred,
    /// A mirror pod that would have been refused: it runs already, and is only reported.
    Reported,
    /// Digests are written.
    Sealed,
    /// Passes as it is.
    Admitted,
    /// Passes: no policy matches any image.
    Unmatched,
    /// Passes: an exemption is in force for every image that any policy matches.
    Exempt,
    /// Passes: an UPDATE that changes no image, or an object without images.
    Unchanged,
}

impl Decision {
    /// What becomes of an object against which something stands. Only the validating hook denies: a mutator after ours may
    /// put another image there.
    pub const fn refusal(hook: Hook) -> Self {
        match hook {
            Hook::Mutate => Self::Deferred,
            Hook::Validate => Self::Denied,
        }
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "Denied",
            Self::Deferred => "Deferred",
            Self::Reported => "Reported",
            Self::Sealed => "Sealed",
            Self::Admitted => "Admitted",
            Self::Unmatched => "Unmatched",
            Self::Exempt => "Exempt",
            Self::Unchanged => "Unchanged",
        }
    }
}

/// One image of a request, and every site that names it.
#[derive(Debug)]
pub struct Judged<'n> {
    /// The sites, in the object's order. Never empty.
    pub sites: Vec<Site<'n>>,
    /// What the policies say.
    pub verdict: ImageVerdict,
}

/// All images of a request, judged.
#[derive(Debug)]
pub struct Verdict<'n> {
    hook: Hook,
    subject: Subject,
    judged: Vec<Judged<'n>>,
}

impl<'n> Verdict<'n> {
    /// Sums up for one hook. The validating hook sees the final state, and adds what is not sealed in it.
    pub fn new(hook: Hook, subject: Subject, mut judged: Vec<Judged<'n>>) -> Self {
        if hook == Hook::Validate {
            judged.iter_mut().for_each(|image| require_seal(&subject, &mut image.verdict));
        }
        Self { hook, subject, judged }
    }

    /// The object's kind.
    pub fn kind(&self) -> &'static WorkloadKind {
        self.subject.kind
    }

    /// The images.
    pub fn images(&self) -> &[Judged<'n>] {
        &self.judged
    }

    /// The answer, given whether the mutating hook writes anything.
    pub fn decision(&self, sealed: bool) -> Decision {
        let mut verdicts = self.judged.iter().map(|image| &image.verdict.outcome);
        if verdicts.clone().any(|outcome| matches!(outcome, Outcome::Denied(_))) {
            return if self.subject.is_mirror { Decision::Reported } else { Decision::refusal(self.hook) };
        }
        match () {
            () if sealed => Decision::Sealed,
            () if self.judged.is_empty() => Decision::Unchanged,
            () if verdicts.clone().all(|outcome| *outcome == Outcome::Unmatched) => Decision::Unmatched,
            () if verdicts.all(|outcome| matches!(outcome, Outcome::Unmatched | Outcome::Exempt)) => {
                Decision::Exempt
            }
            () => Decision::Admitted,
        }
    }

    /// The sites into which the mutating hook writes, and what.
    pub fn seals(&self) -> impl Iterator<Item = (Site<'n>, &str)> {
        let subject = self.subject;
        let images = self.judged.iter();
        images
            .filter_map(move |image| {
                let passed = image.verdict.passed()?;
                let sealed = passed.sealed.as_deref()?;
                subject.is_written(passed.mutation).then_some((image, sealed))
            })
            .flat_map(|(image, sealed)| image.sites.iter().map(move |site| (*site, sealed)))
    }

    /// What decides: the first denied image's own headline.
    pub fn headline(&self) -> Option<&Denial> {
        self.judged.iter().find_map(|image| image.verdict.headline())
    }

    /// One text for each denied image: its sites, the image, every reason and what would fix it.
    pub fn failures(&self) -> Vec<String> {
        let denied = self.judged.iter().filter(|image| !image.verdict.denials().is_empty());
        denied
            .map(|image| {
                let reasons: Vec<_> = image.verdict.denials().iter().map(text::denial).collect();
                format!("{}: {}", image.title(), reasons.join("; also "))
            })
            .collect()
    }

    /// The same for machines, one for each site and reason.
    pub fn causes(&self) -> Vec<Cause> {
        const MOST: usize = 64;
        let each = self.judged.iter().flat_map(|image| {
            let denials = image.verdict.denials().iter();
            denials.flat_map(|denial| image.sites.iter().map(move |site| (site, denial)))
        });
        each.take(MOST)
            .map(|(site, denial)| Cause {
                reason: denial.reason().as_str(),
                message: text::denial(denial),
                field: site.field_path(self.kind()),
            })
            .collect()
    }

    /// What the caller is told besides. By the validating hook: what Warn policies found, and what should be done soon. By
    /// the mutating one only what it could not seal, in short: the other says why.
    pub fn warnings(&self) -> Vec<String> {
        match self.hook {
            Hook::Mutate => text::bounded_warnings(self.deferrals()),
            Hook::Validate => self.findings_to_tell(),
        }
    }

    fn deferrals(&self) -> Vec<String> {
        let judged = self.judged.iter().filter(|_| !self.subject.is_mirror);
        let deferred = judged.filter_map(|image| Some((image, image.verdict.headline()?.reason())));
        deferred.map(|(image, reason)| text::deferral(&image.title(), reason)).collect()
    }

    fn findings_to_tell(&self) -> Vec<String> {
        let texts = self.judged.iter().flat_map(|image| {
            let remarks = image.remarks(|actions| actions.warn);
            remarks
                .into_iter()
                .chain(image.verdict.warnings.iter().map(|w| format!("{}: {w}", image.title())))
        });
        text::bounded_warnings(texts.map(|warning| format!("tagseal: {warning}")).collect())
    }

    /// What was found and does not deny: what Warn and Audit policies say of each image, and what a mirror pod would have
    /// been refused for.
    pub fn findings(&self) -> impl Iterator<Item = (Reason, String)> {
        self.judged.iter().flat_map(|image| {
            let reported = if self.subject.is_mirror { image.verdict.denials() } else { &[] };
            let remarks = image.verdict.remarks.iter().map(|remark| &remark.denial);
            let found = remarks.chain(reported);
            found.map(|denial| (denial.reason(), format!("{}: {}", image.title(), text::denial(denial))))
        })
    }

    /// What Audit policies found.
    pub fn audit_findings(&self) -> Vec<String> {
        self.judged.iter().flat_map(|image| image.remarks(|actions| actions.audit)).collect()
    }
}

impl Judged<'_> {
    /// `container "web", init container "setup": image "registry.example.com/shop/web:1.4"`
    fn title(&self) -> String {
        const MOST: usize = 8;
        let mut sites: Vec<_> = self.sites.iter().take(MOST).map(ToString::to_string).collect();
        if self.sites.len() > MOST {
            sites.push(format!("{} more", self.sites.len() - MOST));
        }
        format!("{}: image {}", sites.join(", "), text::quoted(&self.verdict.image))
    }

    fn remarks(&self, to: impl Fn(Actions) -> bool) -> Vec<String> {
        let remarks = self.verdict.remarks.iter().filter(|remark| to(remark.actions));
        remarks.map(|remark| format!("{}: {}", self.title(), text::denial(&remark.denial))).collect()
    }
}

/// Refuses an image that must be sealed in this object and is not (design §3): no mutator after the mutating hook, and
/// none that is missing, can so undo the seal.
fn require_seal(subject: &Subject, verdict: &mut ImageVerdict) {
    if verdict.passed().is_some_and(|passed| subject.must_be_sealed(passed.mutation)) {
        verdict.require_seal();
    }
}
