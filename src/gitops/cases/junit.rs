//! Judged cases as JUnit's XML: a suite for each file, a test case for each case.

use std::io;

use super::compare::Outcome;
use super::judge::Judged;
use super::show::{details, title};
use crate::foreign::{Foreign, lines, one_line};
use crate::gitops::junit::{self, Failure, Suite, document};
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
    let names: Vec<String> = files.iter().map(|file| Foreign(file).to_string()).collect();
    let suites = files.iter().zip(&names).map(|(file, name)| {
        let judged = judged.iter().filter(|judged| judged.file == *file).map(|judged| of_case(judged, name));
        let problems = problems.iter().filter(|problem| problem.file == *file).enumerate();
        let problems = problems.map(|(index, problem)| of_problem(index, problem, name));
        Suite { name, cases: judged.chain(problems).collect() }
    });
    document("tagseal test", &suites.collect::<Vec<_>>())
}

fn of_case<'a>(judged: &Judged, file: &'a str) -> junit::Case<'a> {
    let case = &judged.case;
    let shown = match &case.name {
        Some(name) => one_line(name, 300).into_owned(),
        None => format!("{} in {}", Foreign(&case.image), Foreign(&case.namespace)),
    };
    let name = format!("{shown} ({})", judged.place());
    let failure = || {
        let said = &judged.said;
        let kind = said.reason.map_or_else(|| said.verdict.to_string(), |reason| reason.to_string());
        Failure { kind, text: format!("{}\n{}", title(judged), details(judged).join("\n")) }
    };
    let outcome = match judged.compared.outcome {
        Outcome::Passed => junit::Outcome::Passed,
        Outcome::Failed => junit::Outcome::Failed(failure()),
        Outcome::Undecided => junit::Outcome::Errored(failure()),
    };
    junit::Case { name, file, line: None, outcome, remarks: Vec::new() }
}

fn of_problem<'a>(index: usize, problem: &Problem, file: &'a str) -> junit::Case<'a> {
    let failure = Failure { kind: "Problem".to_owned(), text: lines(&problem.to_string()).into_owned() };
    let outcome = junit::Outcome::Errored(failure);
    junit::Case { name: format!("problem {}", index + 1), file, line: None, outcome, remarks: Vec::new() }
}
