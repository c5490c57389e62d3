//! [`ImageReport`]: what is said of one image, as `-o json` has it. The names are an interface: see `docs/cli.md`.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::admission::judge::{Fault, ImageVerdict, Outcome, Passed};
use crate::foreign::Foreign;
use crate::policy::{Exemption, Mutation, Reason};
use crate::trust::{SignedDigest, Signer};

/// What is said of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageReport {
    /// As it was given.
    pub image: String,
    /// The verdict in a word.
    pub verdict: Word,
    /// What a pod would name.
    pub sealed: Option<String>,
    /// The signed digest.
    pub digest: Option<String>,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// Who signed the digest.
    pub signed_by: Vec<SignedBy>,
    /// When the roles end that the digest rests on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ends: Vec<RoleEnd>,
    /// Why not.
    #[serde(serialize_with = "as_word")]
    pub reason: Option<Reason>,
    /// Everything that stands against it, the headline's policy first.
    pub message: Option<String>,
    /// What should be done soon, and what policies found that do not deny.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// The exemptions in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exemptions: Vec<ExemptBy>,
}

/// A verdict in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Word {
    /// It runs with its signed digest.
    Sealed,
    /// Nothing denies it, and nobody vouches for a digest or no policy writes it.
    Admitted,
    /// It is refused.
    Denied,
    /// It could not be decided.
    Unavailable,
    /// No policy matches it, and that is allowed.
    Unmatched,
    /// An exemption takes it out.
    Exempt,
    /// The webhooks are not asked about its namespace.
    Excluded,
}

impl Word {
    /// The word, as JSON has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sealed => "Sealed",
            Self::Admitted => "Admitted",
            Self::Denied => "Denied",
            Self::Unavailable => "Unavailable",
            Self::Unmatched => "Unmatched",
            Self::Exempt => "Exempt",
            Self::Excluded => "Excluded",
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something to say that does not stand against the image. In JSON it is its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Why a policy would have denied the image, did it deny; `None` for what should be done soon.
    pub reason: Option<Reason>,
    /// The text, the reason included.
    pub text: String,
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// An exemption in force for an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExemptBy {
    /// Its name.
    pub name: String,
    /// When it ends, RFC 3339.
    pub until: Option<String>,
    /// Why there is one.
    pub reason: String,
}

/// A role that signed a digest, and by which keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedBy {
    /// The role.
    pub role: String,
    /// Canonical key IDs.
    #[serde(rename = "keyIDs")]
    pub key_ids: Vec<String>,
}

/// When a role ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleEnd {
    /// The role.
    pub role: String,
    /// RFC 3339.
    pub expires: String,
}

fn as_word<S: Serializer>(reason: &Option<Reason>, serializer: S) -> Result<S::Ok, S::Error> {
    reason.map(Reason::as_str).serialize(serializer)
}

impl ImageReport {
    /// Of an image that was judged.
    pub fn of(verdict: &ImageVerdict) -> Self {
        let passed = verdict.passed();
        let signed = passed.and_then(|passed| passed.signed());
        let headline = verdict.headline();
        let sealed = passed.and_then(|passed| sealed(&verdict.image, passed));
        Self {
            image: verdict.image.clone(),
            verdict: word(verdict),
            sealed,
            digest: signed.map(|signed| signed.digest().to_string()),
            policies: verdict.policies.iter().map(ToString::to_string).collect(),
            signed_by: signed.map(signed_by).unwrap_or_default(),
            ends: signed.map(ends).unwrap_or_default(),
            reason: headline.map(|denial| denial.reason()),
            message: headline.map(|_| message(verdict)),
            warnings: warnings(verdict),
            exemptions: verdict.exemptions.iter().map(|exemption| exempt_by(exemption)).collect(),
        }
    }

    /// Of an image in a namespace that the webhooks are not asked about.
    pub fn excluded(image: &str, namespace: &str) -> Self {
        let message = format!(
            "the webhooks are not asked about the namespace {}: it would run unverified",
            Foreign(namespace)
        );
        Self {
            image: image.to_owned(),
            verdict: Word::Excluded,
            sealed: None,
            digest: None,
            policies: Vec::new(),
            signed_by: Vec::new(),
            ends: Vec::new(),
            reason: None,
            message: Some(message),
            warnings: Vec::new(),
            exemptions: Vec::new(),
        }
    }
}

fn exempt_by(exemption: &Exemption) -> ExemptBy {
    let Exemption { name, until, reason, .. } = exemption;
    ExemptBy { name: name.clone(), until: until.map(|until| until.to_string()), reason: reason.clone() }
}

fn signed_by(signed: &SignedDigest) -> Vec<SignedBy> {
    let of = |signer: &Signer| SignedBy {
        role: signer.role.to_string(),
        key_ids: signer.key_ids.iter().map(ToString::to_string).collect(),
    };
    signed.signers().iter().map(of).collect()
}

fn ends(signed: &SignedDigest) -> Vec<RoleEnd> {
    let ends = signed.provenance().expiries();
    ends.map(|(role, expires)| RoleEnd { role: role.to_string(), expires: expires.to_string() }).collect()
}

/// What a pod would name: with the digest that is written there, or as it is where its digest was found signed. `None`:
/// nobody vouches for a digest, or no policy writes it.
fn sealed(image: &str, passed: &Passed) -> Option<String> {
    match &passed.sealed {
        Some(sealed) => (passed.mutation != Mutation::None).then(|| sealed.clone()),
        None => (passed.signed().is_some() && image.contains('@')).then(|| image.to_owned()),
    }
}

fn word(verdict: &ImageVerdict) -> Word {
    match (&verdict.outcome, verdict.headline().map(|denial| denial.fault)) {
        (Outcome::Passed(passed), _) if sealed(&verdict.image, passed).is_none() => Word::Admitted,
        (Outcome::Passed(_), _) => Word::Sealed,
        (Outcome::Denied(_), Some(Fault::Unavailable)) => Word::Unavailable,
        (Outcome::Denied(_), _) => Word::Denied,
        (Outcome::Unmatched, _) => Word::Unmatched,
        (Outcome::Exempt, _) => Word::Exempt,
    }
}

fn message(verdict: &ImageVerdict) -> String {
    verdict.denials().iter().map(|denial| denial.finding.to_string()).collect::<Vec<_>>().join("; ")
}

fn warnings(verdict: &ImageVerdict) -> Vec<Warning> {
    let soon = verdict.warnings.iter().map(|text| Warning { reason: None, text: text.clone() });
    let remarks = verdict.remarks.iter().map(|remark| {
        let finding = &remark.denial.finding;
        Warning { reason: Some(finding.reason), text: finding.to_string() }
    });
    soon.chain(remarks).collect()
}
