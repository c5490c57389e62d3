//! JUnit's XML: a suite for each file, a test case for each site. `tests/data/schemas/junit-10.xsd` is what Jenkins accepts.

use std::collections::HashMap;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{ProblemReport, Report, SiteReport, Word};
use crate::foreign::one_line;
use crate::policy::Reason;

type Xml = Writer<Vec<u8>>;

struct Suite<'a> {
    name: &'a str,
    cases: Vec<Case<'a>>,
}

/// What is said of one site, or of a file that cannot be read.
struct Case<'a> {
    name: String,
    file: &'a str,
    line: usize,
    outcome: Outcome,
    /// What is said besides.
    remarks: Vec<String>,
}

enum Outcome {
    Passed,
    Skipped(String),
    Failed(Failure),
    Errored(Failure),
}

struct Failure {
    /// The reason's name.
    kind: &'static str,
    message: String,
}

/// The report as XML.
pub(super) fn report(report: &Report<'_>) -> io::Result<String> {
    let suites = suites(report);
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let cases = suites.iter().flat_map(|suite| &suite.cases);
    let root = writer.create_element("testsuites").with_attribute(("name", "tagseal"));
    let root = root.with_attributes(Counts::of(cases).attributes().iter().map(shown));
    root.write_inner_content(|writer| suites.iter().try_for_each(|suite| suite.write(writer)))?;
    String::from_utf8(writer.into_inner()).map_err(io::Error::other)
}

/// A suite for each file that has a site or a problem, in the files' order; then one for each that was not even found.
fn suites<'a>(report: &'a Report<'_>) -> Vec<Suite<'a>> {
    let mut by_file: HashMap<&str, Suite<'a>> = HashMap::new();
    let mut order: Vec<&str> = report.files.iter().map(String::as_str).collect();
    let problems = report.problems.iter();
    let problems = problems.map(|one| (one.problem.file.as_str(), one.path(), Case::of_problem(one)));
    let sites = report.sites.iter().map(|site| (site.file.as_str(), site.path.as_str(), Case::of(site)));
    for (file, name, case) in problems.chain(sites) {
        if !order.contains(&file) && !by_file.contains_key(file) {
            order.push(file);
        }
        by_file.entry(file).or_insert_with(|| Suite { name, cases: Vec::new() }).cases.push(case);
    }
    let mut suites: Vec<_> = order.into_iter().filter_map(|file| by_file.remove(file)).collect();
    suites.iter_mut().for_each(Suite::tell_apart);
    suites
}

impl Suite<'_> {
    /// Numbers cases of one name: an object may stand in a file twice.
    fn tell_apart(&mut self) {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for case in &mut self.cases {
            let count = seen.entry(case.name.clone()).or_default();
            *count += 1;
            if *count > 1 {
                case.name = format!("{} #{count}", case.name);
            }
        }
    }

    fn write(&self, writer: &mut Xml) -> io::Result<()> {
        let counts = Counts::of(&self.cases);
        let name = valid(self.name);
        let suite = writer.create_element("testsuite").with_attribute(("name", &*name));
        let skipped = counts.skipped.to_string();
        let suite = suite.with_attributes(counts.attributes().iter().map(shown));
        let suite = suite.with_attribute(("skipped", &*skipped));
        suite
            .write_inner_content(|writer| self.cases.iter().try_for_each(|case| case.write(&name, writer)))?;
        Ok(())
    }
}

impl<'a> Case<'a> {
    fn of(site: &'a SiteReport) -> Self {
        let image = &site.image;
        let name = [site.object_name(), site.field.clone()];
        let name: Vec<_> = name.into_iter().filter(|part| !part.is_empty()).collect();
        let message = |text: &str| format!("{}: {}", site.place(), site.says(text));
        let failure = || Failure {
            kind: image.reason.map_or("", Reason::as_str),
            message: message(image.message.as_deref().unwrap_or_default()),
        };
        let outcome = match image.verdict {
            Word::Denied => Outcome::Failed(failure()),
            Word::Unavailable => Outcome::Errored(failure()),
            Word::Unmatched => Outcome::Skipped("no policy matches this image".to_owned()),
            Word::Excluded => Outcome::Skipped(image.message.clone().unwrap_or_default()),
            Word::Sealed | Word::Admitted | Word::Exempt => Outcome::Passed,
        };
        let warnings = image.warnings.iter().map(|warning| format!("warning: {}", warning.text));
        let exemptions = image.exemptions.iter().map(super::text::exemption);
        let location = &site.shown_at;
        Self {
            name: name.join(" "),
            file: &location.path,
            line: location.place.line,
            outcome,
            remarks: warnings.chain(exemptions).collect(),
        }
    }

    fn of_problem(problem: &'a ProblemReport<'_>) -> Self {
        let location = &problem.shown_at;
        let failure = Failure { kind: "UnreadableFile", message: problem.problem.to_string() };
        Self {
            name: match problem.problem.place {
                Some(place) => format!("can be read at {place}"),
                None => "can be read".to_owned(),
            },
            file: &location.path,
            line: location.place.line,
            outcome: Outcome::Errored(failure),
            remarks: Vec::new(),
        }
    }

    fn write(&self, suite: &str, writer: &mut Xml) -> io::Result<()> {
        let (name, file, line) = (valid(&self.name), valid(self.file), self.line.to_string());
        let attributes = [("classname", suite), ("name", &*name), ("file", &*file), ("line", &*line)];
        let element = writer.create_element("testcase").with_attributes(attributes);
        if matches!(self.outcome, Outcome::Passed) && self.remarks.is_empty() {
            element.write_empty()?;
            return Ok(());
        }
        element.write_inner_content(|writer| {
            match &self.outcome {
                Outcome::Passed => {}
                Outcome::Skipped(message) => {
                    let message = valid(message);
                    writer.create_element("skipped").with_attribute(("message", &*message)).write_empty()?;
                }
                Outcome::Failed(failure) => failure.write("failure", writer)?,
                Outcome::Errored(failure) => failure.write("error", writer)?,
            }
            if !self.remarks.is_empty() {
                let remarks: Vec<_> = self.remarks.iter().map(|remark| valid(remark)).collect();
                let text = remarks.join("\n");
                writer.create_element("system-out").write_text_content(BytesText::new(&text))?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Failure {
    /// The message is the text too: GitLab shows no more than the text.
    fn write(&self, element: &str, writer: &mut Xml) -> io::Result<()> {
        let message = valid(&self.message);
        let element = writer.create_element(element);
        let element = element.with_attributes([("type", self.kind), ("message", &*message)]);
        element.write_text_content(BytesText::new(&message))?;
        Ok(())
    }
}

#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn of<'c>(cases: impl IntoIterator<Item = &'c Case<'c>>) -> Self {
        let mut counts = Self::default();
        for case in cases {
            counts.tests += 1;
            match case.outcome {
                Outcome::Passed => {}
                Outcome::Skipped(_) => counts.skipped += 1,
                Outcome::Failed(_) => counts.failures += 1,
                Outcome::Errored(_) => counts.errors += 1,
            }
        }
        counts
    }

    /// What the schema has for suites and for all of them together.
    fn attributes(&self) -> [(&'static str, String); 3] {
        let Self { tests, failures, errors, .. } = self;
        [("tests", tests), ("failures", failures), ("errors", errors)].map(|(name, n)| (name, n.to_string()))
    }
}

fn shown<'s>((name, count): &'s (&'static str, String)) -> (&'s str, &'s str) {
    (name, count)
}

/// On one line, and with what XML 1.0 has no character for replaced.
fn valid(text: &str) -> String {
    let is_valid = |c| matches!(c, ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let shown = one_line(text, usize::MAX);
    shown.chars().map(|c| if is_valid(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}
