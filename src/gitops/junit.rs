//! JUnit's XML, which CI systems show: suites of test cases. `tests/data/schemas/junit-10.xsd` is what Jenkins accepts.

use std::collections::HashMap;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::foreign::one_line;

type Xml = Writer<Vec<u8>>;

/// The cases of one file.
pub(super) struct Suite<'a> {
    pub name: &'a str,
    pub cases: Vec<Case<'a>>,
}

/// One case.
pub(super) struct Case<'a> {
    pub name: String,
    pub file: &'a str,
    /// From 1, where tools are to look.
    pub line: Option<usize>,
    pub outcome: Outcome,
    /// What is said besides, each a line.
    pub remarks: Vec<String>,
}

/// How a case ended.
pub(super) enum Outcome {
    Passed,
    Skipped(String),
    Failed(Failure),
    Errored(Failure),
}

/// Why a test case failed.
pub(super) struct Failure {
    /// The reason's name.
    pub kind: String,
    /// In lines, of which the first is the headline. GitLab shows no more than these.
    pub text: String,
}

/// The document, without the line feed at its end.
///
/// # Errors
/// None that is known: it is written into memory.
pub(super) fn document(name: &str, suites: &[Suite<'_>]) -> io::Result<String> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let cases = suites.iter().flat_map(|suite| &suite.cases);
    let root = writer.create_element("testsuites").with_attribute(("name", name));
    let root = root.with_attributes(Counts::of(cases).attributes().iter().map(shown));
    root.write_inner_content(|writer| suites.iter().try_for_each(|suite| suite.write(writer)))?;
    String::from_utf8(writer.into_inner()).map_err(io::Error::other)
}

impl Suite<'_> {
    /// Numbers cases of one name: an object may stand in a file twice.
    pub(super) fn tell_apart(&mut self) {
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
        suite
            .with_attributes(counts.attributes().iter().map(shown))
            .with_attribute(("skipped", &*counts.skipped.to_string()))
            .write_inner_content(|writer| self.cases.iter().try_for_each(|case| case.write(&name, writer)))?;
        Ok(())
    }
}

impl Case<'_> {
    fn write(&self, suite: &str, writer: &mut Xml) -> io::Result<()> {
        let (name, file) = (valid(&self.name), valid(self.file));
        let attributes = [("classname", suite), ("name", &*name), ("file", &*file)];
        let mut element = writer.create_element("testcase").with_attributes(attributes);
        if let Some(line) = self.line {
            element = element.with_attribute(("line", &*line.to_string()));
        }
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
    fn write(&self, element: &str, writer: &mut Xml) -> io::Result<()> {
        let lines: Vec<_> = self.text.split('\n').map(valid).collect();
        let message = lines.first().map(String::as_str).unwrap_or_default();
        let element = writer.create_element(element);
        let element = element.with_attributes([("message", message), ("type", self.kind.as_str())]);
        element.write_text_content(BytesText::new(&lines.join("\n")))?;
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
