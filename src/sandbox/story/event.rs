//! [`Event`]: what the story tells, for somebody else to print.

use crate::sandbox::stage::StageError;

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A chapter begins.
    Chapter(&'static str),
    /// A step begins; it may take a moment.
    Begins {
        /// Its number, from 1.
        number: usize,
        /// What happens in it.
        title: &'static str,
    },
    /// A step is over.
    Step(Step),
}

/// A step, played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its number, from 1.
    pub number: usize,
    /// What happens in it.
    pub title: &'static str,
    /// What was done and what happened, in order.
    pub lines: Vec<Line>,
    /// Why it happened.
    pub why: String,
    /// Whether it went as it should. Never empty: a step that checks nothing did not go well.
    pub checks: Vec<Check>,
}

/// Something that was done or that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Somebody typed a command.
    Typed {
        /// Who.
        who: &'static str,
        /// The command line.
        command: String,
    },
    /// Somebody did something by other means.
    Did {
        /// Who.
        who: &'static str,
        /// What: `restores yesterday's files`.
        what: String,
    },
    /// Something was seen.
    Saw {
        /// What kind of thing.
        label: Label,
        /// What, with long hashes cut.
        text: String,
    },
}

/// What kind of thing was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// The image that the pod runs.
    Runs,
    /// Why the pod is refused.
    Refused,
    /// Anything else, by this word.
    Other(&'static str),
}

impl Label {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Refused => "refused",
            Self::Other(word) => word,
        }
    }
}

/// Something that had to come out in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What had to come out.
    pub expected: String,
    /// What came out instead, if something did.
    pub instead: Option<String>,
}

impl Step {
    pub(super) fn new(number: usize, title: &'static str) -> Self {
        Self { number, title, lines: Vec::new(), why: String::new(), checks: Vec::new() }
    }

    /// A step that could not even begin.
    pub(super) fn broken(number: usize, title: &'static str, error: &StageError) -> Self {
        let mut step = Self::new(number, title);
        step.fail(error);
        step
    }

    /// Whether everything came out as it had to.
    pub fn is_well(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.instead.is_none())
    }

    pub(super) fn types(&mut self, who: &'static str, command: impl Into<String>) {
        self.lines.push(Line::Typed { who, command: command.into() });
    }

    pub(super) fn does(&mut self, who: &'static str, what: impl AsRef<str>) {
        self.lines.push(Line::Did { who, what: shortened(what.as_ref()) });
    }

    pub(super) fn shows(&mut self, label: &'static str, text: impl AsRef<str>) {
        self.sees(Label::Other(label), text);
    }

    pub(super) fn sees(&mut self, label: Label, text: impl AsRef<str>) {
        self.lines.push(Line::Saw { label, text: shortened(text.as_ref()) });
    }

    pub(super) fn because(&mut self, why: &str) {
        self.why = why.to_owned();
    }

    /// Notes whether something came out as it had to.
    pub(super) fn check(&mut self, expected: impl Into<String>, is_so: bool, found: impl AsRef<str>) {
        let instead = (!is_so).then(|| shortened(found.as_ref()));
        self.checks.push(Check { expected: expected.into(), instead });
    }

    pub(super) fn fail(&mut self, error: &StageError) {
        self.check("the step can be played to its end", false, error.to_string());
    }
}

/// How much of a hash is shown: enough to tell those of one story apart.
const SHOWN: usize = 12;

/// The text, with the 64 digits of a sha256 cut to the first few.
pub(super) fn shortened(text: &str) -> String {
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).count();
        let (run, after) = rest.split_at(digits);
        match run.get(..SHOWN).filter(|_| digits == 64) {
            Some(shown) => {
                short.push_str(shown);
                short.push('…');
            }
            None => short.push_str(run),
        }
        let next = after.chars().next();
        short.extend(next);
        rest = after.get(next.map_or(0, char::len_utf8)..).unwrap_or_default();
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_cut_and_other_words_are_not() {
        let hash = "0123456789abcdef".repeat(4);
        assert_eq!(shortened(&format!("web@sha256:{hash} is mine")), "web@sha256:0123456789ab… is mine");
        for same in ["", "deadbeef", "a tale of facades", "“ümläut” …"] {
            assert_eq!(shortened(same), same);
        }
        assert_eq!(shortened(&hash), "0123456789ab…");
        let longer = format!("{hash}0");
        assert_eq!(shortened(&longer), longer);
    }

    #[test]
    fn a_step_that_checks_nothing_or_fails_a_check_did_not_go_well() {
        let mut step = Step::new(1, "a step");
        assert!(!step.is_well());
        step.check("it is so", true, "");
        assert!(step.is_well());
        step.check("that is so", false, "it was not");
        assert!(!step.is_well());
        assert_eq!(step.checks.last().unwrap().instead.as_deref(), Some("it was not"));
    }
}
