//! [`Reader`]: values of a document, and every problem with them at its place.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::foreign::{Quoted, one_line};
use crate::gitops::place::{Place, Problem};
use crate::policy::Document;

static NOTHING: Vec<Value> = Vec::new();

/// A document, and what is wrong with it.
pub(super) struct Reader<'a> {
    file: &'a str,
    document: Arc<Document>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, document: Arc<Document>) -> Self {
        Self { file, document, problems: Vec::new() }
    }

    pub(super) fn file(&self) -> &'a str {
        self.file
    }

    pub(super) fn document(&self) -> Arc<Document> {
        Arc::clone(&self.document)
    }

    /// Every problem, in the order of the document.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.place);
        self.problems
    }

    /// The place of a field, or of the nearest thing above it.
    pub(super) fn place(&self, field: &str) -> Place {
        self.document.place(field).into()
    }

    pub(super) fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Something is wrong with a field. A message about the document, or about a case as a whole, names what it is about itself.
    pub(super) fn problem(&mut self, field: &str, message: &str) {
        let names_itself = field.is_empty() || message.starts_with(field);
        let message = match names_itself {
            true => message.to_owned(),
            false => format!("{}: {message}", one_line(field, 300)),
        };
        let place = Some(self.place(field));
        self.problems.push(Problem { file: self.file.to_owned(), place, message });
    }

    /// A mapping with these fields alone.
    pub(super) fn object<'v>(
        &mut self,
        field: &str,
        value: &'v Value,
        known: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        let Some(fields) = value.as_object() else {
            self.problem(field, &format!("a mapping was expected, with {}", known.join(", ")));
            return None;
        };
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            let separator = if field.is_empty() { "" } else { "." };
            let path = format!("{field}{separator}{name}");
            self.problem(&path, &format!("is not known; the fields here are {}", known.join(", ")));
        }
        Some(fields)
    }

    /// A list with something in it.
    pub(super) fn list<'v>(&mut self, field: &str, value: Option<&'v Value>) -> &'v [Value] {
        match value {
            None | Some(Value::Null) => self.problem("", &format!("{field} is missing: it must be a list")),
            Some(Value::Array(list)) if list.is_empty() => self.problem(field, "must not be empty"),
            Some(Value::Array(list)) => return list,
            Some(_) => self.problem(field, "must be a list"),
        }
        &NOTHING
    }

    /// A string that is not empty. `None`: it is absent or null, or no such string.
    pub(super) fn text(&mut self, field: &str, value: Option<&Value>) -> Option<String> {
        match value? {
            Value::Null => return None,
            Value::String(text) if !text.is_empty() => return Some(text.clone()),
            Value::String(_) => self.problem(field, "must not be empty"),
            Value::Object(_) | Value::Array(_) => self.problem(field, "must be a string"),
            Value::Bool(_) | Value::Number(_) => self.problem(field, "must be a string: put it in quotes"),
        }
        None
    }

    /// Which of the words it is.
    pub(super) fn word(&mut self, field: &str, word: &str, words: &[&str]) -> Option<usize> {
        let found = words.iter().position(|known| *known == word);
        if found.is_none() {
            self.problem(field, &format!("{} is none of {}", Quoted(word), words.join(", ")));
        }
        found
    }
}
