//! [`Answer`]: what the inventory keeps of an image's verdict.

use jiff::Timestamp;
use serde::Serialize;

use super::Answers;
use crate::admission::judge::ImageVerdict;
use crate::gitops::judge::{Question, stored};
use crate::gitops::report::{ImageReport, Word};

/// When what a verdict rests on ends first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Ends {
    /// When.
    pub at: Timestamp,
    /// What ends then.
    pub what: String,
}

/// What is kept of a verdict: what `tagseal verify` says of the image, and when it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// What was asked about, and what the policies say.
    #[serde(flatten)]
    pub report: ImageReport,
    /// When what it rests on ends.
    pub ends: Option<Ends>,
    /// Whether the digest was superseded: it passes until [`Self::ends`].
    #[serde(skip)]
    pub is_superseded: bool,
}

impl Answer {
    /// What `verdict` says.
    pub fn of(verdict: ImageVerdict) -> Self {
        let verdict = stored(verdict, None);
        let answers = verdict.passed().map(|passed| &passed.answers[..]).unwrap_or_default();
        let mut signed = answers.iter().filter_map(|answer| answer.signed.as_ref());
        let is_superseded = signed.any(|signed| signed.good_until().is_some());
        Self { report: ImageReport::of(&verdict), ends: ends(&verdict), is_superseded }
    }

    /// Of an image in a namespace that the webhooks are not asked about.
    pub fn excluded(image: &str, namespace: &str) -> Self {
        Self { report: ImageReport::excluded(image, namespace), ends: None, is_superseded: false }
    }

    /// In one word.
    pub fn word(&self) -> Word {
        self.report.verdict
    }

    /// Whether Warn or Audit policies found anything.
    pub fn is_observed(&self) -> bool {
        self.report.warnings.iter().any(|warning| warning.reason.is_some())
    }
}

/// The answers to questions, of which each has its verdict; `None` where the webhooks are not asked about the namespace.
pub fn answers(questions: Vec<Question>, verdicts: Vec<Option<ImageVerdict>>) -> Answers {
    let answer = |(question, verdict): (Question, Option<_>)| {
        let answer = match verdict {
            Some(verdict) => Answer::of(verdict),
            None => Answer::excluded(&question.image, &question.namespace),
        };
        (question, answer)
    };
    questions.into_iter().zip(verdicts).map(answer).collect()
}

/// What ends first: a signed role, the time for which a superseded digest is accepted, an exemption.
fn ends(verdict: &ImageVerdict) -> Option<Ends> {
    let answers = verdict.passed().map(|passed| &passed.answers[..]).unwrap_or_default();
    let signed = answers.iter().filter_map(|answer| answer.signed.as_ref());
    let superseded = signed.clone().filter_map(|signed| {
        let at = signed.good_until()?;
        Some(Ends { at, what: "the superseded digest is accepted until then".to_owned() })
    });
    let roles = signed.filter_map(|signed| {
        let (role, at) = signed.provenance().expires()?;
        Some(Ends { at, what: format!("{role} expires") })
    });
    let exemptions = verdict.exemptions.iter().filter_map(|exemption| {
        Some(Ends { at: exemption.until?, what: format!("TrustExemption {} ends", exemption.name) })
    });
    superseded.chain(roles).chain(exemptions).min()
}
