//! Judged cases as JUnit XML, which CI systems show: a suite for each file, a test case for each case.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::compare::Outcome;
use super::judge::Judged;
use super::show::{details, title};
use crate::foreign::{Foreign, lines, one_line};
use crate::gitops::place::Problem;

/// The document. A case that could not be decided is an `error`, and so is a problem of a file.
///
/// # Errors
/// None that is known: it is written into memory.
pub fn junit(judged: &[Judged], problems: &[Problem]) -> io::Result<String> {
    let mut files: Vec<&str> = Vec::new();
    let of_cases = judged.iter().map(|judged| judged.file.as_str());
    for file in of_cases.chain(problems.iter().map(|problem| problem.file.as_str())) {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let counts = Counts::of(judged, problems).attributes();
    let suites = writer.create_element("testsuites").with_attribute(("name", "tagseal test"));
    let suites = suites.with_attributes(counts.iter().map(|(name, count)| (*name, count.as_str())));
    suites.write_inner_content(|writer| {
        files.iter().try_for_each(|file| write_suite(writer, file, judged, problems))
    })?;
    let mut text = String::from_utf8(writer.into_inner()).map_err(io::Error::other)?;
    text.push('\n');
    Ok(text)
}

fn write_suite(
    writer: &mut Writer<Vec<u8>>,
    file: &str,
    judged: &[Judged],
    problems: &[Problem],
) -> io::Result<()> {
    let judged: Vec<_> = judged.iter().filter(|judged| judged.file == file).collect();
    let problems: Vec<_> = problems.iter().filter(|problem| problem.file == file).collect();
    let counts = Counts::of(judged.iter().copied(), problems.iter().copied()).attributes();
    let name = Foreign(file).to_string();
    let suite = writer.create_element("testsuite").with_attribute(("name", name.as_str()));
    let suite = suite.with_attributes(counts.iter().map(|(name, count)| (*name, count.as_str())));
    suite.write_inner_content(|writer| {
        judged.iter().try_for_each(|judged| write_case(writer, &name, judged))?;
        problems.iter().enumerate().try_for_each(|(number, problem)| {
            let title = format!("problem {}", number + 1);
            let text = lines(&problem.to_string()).into_owned();
            write_element(writer, &name, &title, Some(("error", "Problem".to_owned(), text)))
        })
    })?;
    Ok(())
}

fn write_case(writer: &mut Writer<Vec<u8>>, file: &str, judged: &Judged) -> io::Result<()> {
    let case = &judged.case;
    let shown = match &case.name {
        Some(name) => one_line(name, 300).into_owned(),
        None => format!("{} in {}", Foreign(&case.image), Foreign(&case.namespace)),
    };
    let name = format!("{shown} ({})", judged.place());
    let kind = match judged.compared.outcome {
        Outcome::Passed => None,
        Outcome::Failed => Some("failure"),
        Outcome::Undecided => Some("error"),
    };
    let element = kind.map(|kind| {
        let said = &judged.said;
        let reason = said.reason.map_or_else(|| said.verdict.to_string(), |reason| reason.to_string());
        (kind, reason, format!("{}\n{}", title(judged), details(judged).join("\n")))
    });
    write_element(writer, file, &name, element)
}

/// A test case; `told` is what is wrong: the element, its type, and the text, whose first line is the message too.
fn write_element(
    writer: &mut Writer<Vec<u8>>,
    file: &str,
    name: &str,
    told: Option<(&str, String, String)>,
) -> io::Result<()> {
    let case = writer.create_element("testcase");
    let case = case.with_attributes([("classname", file), ("name", name), ("file", file)]);
    match told {
        None => case.write_empty()?,
        Some((kind, of, text)) => case.write_inner_content(|writer| {
            let message = text.lines().next().unwrap_or_default();
            let element =
                writer.create_element(kind).with_attributes([("message", message), ("type", of.as_str())]);
            element.write_text_content(BytesText::new(&text)).map(drop)
        })?,
    };
    Ok(())
}

/// The totals of a suite.
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
}

impl Counts {
    fn of<'a>(
        judged: impl IntoIterator<Item = &'a Judged>,
        problems: impl IntoIterator<Item = &'a Problem>,
    ) -> Self {
        let problems = problems.into_iter().count();
        let mut counts = Self { tests: problems, failures: 0, errors: problems };
        for judged in judged {
            counts.tests += 1;
            match judged.compared.outcome {
                Outcome::Passed => {}
                Outcome::Failed => counts.failures += 1,
                Outcome::Undecided => counts.errors += 1,
            }
        }
        counts
    }

    fn attributes(&self) -> [(&'static str, String); 3] {
        let Self { tests, failures, errors } = self;
        [("tests", tests.to_string()), ("failures", failures.to_string()), ("errors", errors.to_string())]
    }
}
