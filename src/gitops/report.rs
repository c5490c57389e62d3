//! [`Report`]: what is said of the images in files, for people, for programs, and in the forms that forges and pipelines show beside
//! a change. Each format is a function from the report to a text.

mod finding;
mod github;
mod gitlab;
mod image;
mod json;
mod junit;
mod paths;
mod sarif;
#[cfg(test)]
mod tests;
mod text;

use std::io;

use serde::Serialize;

pub use self::image::{ExemptBy, ImageReport, RoleEnd, SignedBy, Warning, Word};
pub use self::paths::{Paths, STANDARD_INPUT};
pub use self::text::image as image_text;
use super::judge::{PIN_UPDATE, SiteVerdict, advice};
use super::{ObjectId, Origin, Place, Problem};

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// The array of `verify IMAGE`, with the places.
    Json,
    /// JUnit's XML.
    Junit,
    /// SARIF 2.1.0.
    Sarif,
    /// Workflow commands that GitHub shows as annotations.
    Github,
    /// GitLab's code quality report.
    Gitlab,
}

/// What is said of the images in files.
#[derive(Debug)]
pub struct Report<'a> {
    files: &'a [String],
    sites: Vec<SiteReport>,
    problems: Vec<ProblemReport<'a>>,
}

/// One place that names an image, and what is said of it. Serialized, it is an element of what `-o json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SiteReport {
    #[serde(flatten)]
    image: ImageReport,
    file: String,
    line: usize,
    column: usize,
    field: String,
    object: ObjectId,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    /// The file from the working directory.
    #[serde(skip)]
    path: String,
    /// The namespace whose policies hold.
    #[serde(skip)]
    namespace: String,
    #[serde(skip)]
    shown_at: Location,
}

/// Where tools show a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Location {
    /// From the working directory.
    path: String,
    place: Place,
    /// Whether it is the source of what was rendered, and not the file that was read.
    is_source: bool,
}

/// What could not be read, and where tools show that.
#[derive(Debug)]
struct ProblemReport<'a> {
    problem: &'a Problem,
    shown_at: Location,
}

/// How a run ends. The worst of several is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing stands against any image.
    Passed,
    /// Something could not be read or decided.
    Undecided,
    /// An image is denied.
    Denied,
}

impl<'a> Report<'a> {
    /// The report on `sites` and `problems` in `files`, which the sites name by their index.
    pub fn new(files: &'a [String], sites: &[SiteVerdict], problems: &'a [Problem], paths: &Paths) -> Self {
        let sites = sites.iter().map(|site| SiteReport::of(site, files, paths)).collect();
        let problems = problems.iter().map(|problem| ProblemReport::of(problem, paths)).collect();
        Self { files, sites, problems }
    }

    /// How the run ends: what is denied comes before what could not be decided.
    pub fn standing(&self) -> Standing {
        let sites = self.sites.iter().map(|site| standing(site.image.verdict));
        let problems = self.problems.iter().map(|_| Standing::Undecided);
        sites.chain(problems).max().unwrap_or(Standing::Passed)
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty() && self.problems.is_empty()
    }

    /// The report as a text, without the line feed at its end.
    ///
    /// # Errors
    /// When it has no such form.
    pub fn write(&self, form: Form) -> io::Result<String> {
        match form {
            Form::Text => Ok(text::report(self)),
            Form::Json => json::report(self),
            Form::Junit => junit::report(self),
            Form::Sarif => sarif::report(self),
            Form::Github => Ok(github::report(self)),
            Form::Gitlab => gitlab::report(self),
        }
    }
}

fn standing(verdict: Word) -> Standing {
    match verdict {
        Word::Denied => Standing::Denied,
        Word::Unavailable => Standing::Undecided,
        Word::Sealed | Word::Admitted | Word::Unmatched | Word::Exempt | Word::Excluded => Standing::Passed,
    }
}

impl SiteReport {
    fn of(SiteVerdict { site, verdict }: &SiteVerdict, files: &[String], paths: &Paths) -> Self {
        let file = files.get(site.file).cloned().unwrap_or_default();
        let mut image = match verdict {
            Some(verdict) => ImageReport::of(verdict),
            None => ImageReport::excluded(&site.image, &site.namespace),
        };
        if let Some(message) = &mut image.message
            && let Some(advice) = verdict.as_ref().and_then(|verdict| advice(verdict, PIN_UPDATE))
        {
            message.push_str(&format!("; {advice}"));
        }
        Self {
            image,
            line: site.place.line,
            column: site.place.column,
            field: site.field.clone(),
            object: site.object.clone(),
            namespace: site.namespace.clone(),
            origin: site.origin.clone(),
            shown_at: Location::of(&file, site.place, site.origin.as_ref(), paths),
            path: paths.relative(&file),
            file,
        }
    }

    /// `FILE:LINE:COLUMN`, as the file was given.
    fn place(&self) -> String {
        format!("{}:{}:{}", self.file, self.line, self.column)
    }
}

impl ProblemReport<'_> {
    /// The file from the working directory.
    fn path(&self) -> &str {
        &self.shown_at.path
    }

    fn of<'a>(problem: &'a Problem, paths: &Paths) -> ProblemReport<'a> {
        let place = problem.place.unwrap_or(Place::START);
        ProblemReport { problem, shown_at: Location::of(&problem.file, place, None, paths) }
    }
}

impl Location {
    /// Who reviews a change sees the source of what was rendered, of which no more than the file is known.
    fn of(file: &str, place: Place, origin: Option<&Origin>, paths: &Paths) -> Self {
        match origin.and_then(|origin| paths.source(origin)) {
            Some(path) => Self { path, place: Place::START, is_source: true },
            None => Self { path: paths.relative(file), place, is_source: false },
        }
    }
}
