//! [`Finding`]: one thing that a tool shows beside a change.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::{Location, Report, SiteReport, Word};
use crate::foreign::{Foreign, one_line};
use crate::gitops::Origin;
use crate::image::ImageReference;
use crate::policy::Reason;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// The image is refused.
    Denied,
    /// It could not be decided, or a file could not be read.
    Undecided,
    /// A policy that does not deny found it.
    Warned,
    /// Something should be done soon.
    Soon,
}

/// One thing to show.
#[derive(Debug)]
pub(super) struct Finding<'a> {
    pub level: Level,
    /// `None` where no reason has a name: for files that cannot be read, and for what should be done soon.
    pub reason: Option<Reason>,
    /// One line.
    pub message: String,
    pub at: &'a Location,
    /// Of a finding about an image: 64 hexadecimal digits, the same as long as file, object, field, image and reason are, and unlike
    /// any other's in the report.
    pub fingerprint: String,
}

impl Report<'_> {
    /// Everything to show: the files that cannot be read, then the sites in their order.
    pub(super) fn findings(&self) -> Vec<Finding<'_>> {
        let mut prints = Fingerprints::default();
        let problems = self.problems.iter().map(|report| {
            let what = ["problem", &report.shown_at.path, &report.problem.message];
            Finding {
                level: Level::Undecided,
                reason: None,
                message: one_line(&report.problem.message, usize::MAX).into_owned(),
                at: &report.shown_at,
                fingerprint: prints.of(&what),
            }
        });
        let mut findings: Vec<_> = problems.collect();
        for site in &self.sites {
            findings.extend(site.findings(&mut prints));
        }
        findings
    }
}

impl SiteReport {
    fn findings<'a>(&'a self, prints: &mut Fingerprints) -> Vec<Finding<'a>> {
        let image = &self.image;
        let level = match image.verdict {
            Word::Denied => Some(Level::Denied),
            Word::Unavailable => Some(Level::Undecided),
            Word::Sealed | Word::Admitted | Word::Unmatched | Word::Exempt | Word::Excluded => None,
        };
        let stands = level.map(|level| (level, image.reason, image.message.as_deref().unwrap_or_default()));
        let warnings = image.warnings.iter().map(|warning| {
            let level = if warning.reason.is_some() { Level::Warned } else { Level::Soon };
            (level, warning.reason, warning.text.as_str())
        });
        let each = stands.into_iter().chain(warnings);
        each.map(|(level, reason, text)| Finding {
            level,
            reason,
            message: self.says(text),
            at: &self.shown_at,
            fingerprint: self.fingerprint(level, reason, prints),
        })
        .collect()
    }

    /// `image IMAGE (OBJECT, FIELD): text`, on one line. Where it is shown at its source, it says where it was read.
    pub(super) fn says(&self, text: &str) -> String {
        let stands_at = match self.shown_at.is_source {
            true => format!("{} (rendered, at {})", self.site_name(), self.place()),
            false => self.stands_at(),
        };
        let message = format!("image {} {stands_at}: {text}", Foreign(&self.image.image));
        one_line(&message, usize::MAX).into_owned()
    }

    /// `(Deployment shop/web, spec.containers[0].image)`, and what that was rendered from.
    pub(super) fn stands_at(&self) -> String {
        match &self.origin {
            Some(origin) => format!("{} (rendered from {})", self.site_name(), origin.shown()),
            None => self.site_name(),
        }
    }

    /// `(Deployment shop/web, spec.containers[0].image)`
    fn site_name(&self) -> String {
        let mut parts = vec![self.object_name(), self.field.clone()];
        parts.retain(|part| !part.is_empty());
        format!("({})", parts.join(", "))
    }

    /// `Deployment shop/web`
    pub(super) fn object_name(&self) -> String {
        let object = &self.object;
        match (object.kind.as_str(), object.name.as_str()) {
            ("", _) => String::new(),
            (kind, "") => Foreign(kind).to_string(),
            (kind, name) => format!("{} {}/{}", Foreign(kind), Foreign(&self.namespace), Foreign(name)),
        }
    }

    fn fingerprint(&self, level: Level, reason: Option<Reason>, prints: &mut Fingerprints) -> String {
        let object = &self.object;
        let reference = ImageReference::parse(&self.image.image);
        let image = reference.as_ref().map_or(self.image.image.as_str(), ImageReference::name);
        prints.of(&[
            match level {
                Level::Denied | Level::Undecided => "image",
                Level::Warned | Level::Soon => "warning",
            },
            &self.shown_at.path,
            &object.kind,
            &self.namespace,
            &object.name,
            &self.field,
            image,
            reason.map_or("", Reason::as_str),
        ])
    }
}

impl Origin {
    /// `chart/templates/web.yaml`, and the repository where it is another.
    fn shown(&self) -> String {
        match &self.repository {
            Some(repository) => format!("{} of {}", Foreign(&self.path), Foreign(repository)),
            None => Foreign(&self.path).to_string(),
        }
    }
}

/// Gives out fingerprints, each once.
#[derive(Debug, Default)]
struct Fingerprints {
    given: HashMap<[u8; 32], u32>,
}

impl Fingerprints {
    /// The first time it is that of `parts` alone; then it counts.
    fn of(&mut self, parts: &[&str]) -> String {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let nth = self.given.entry(hash.clone().finalize().into()).or_default();
        *nth += 1;
        if *nth > 1 {
            hash.update(nth.to_be_bytes());
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
