//! [`Printer`]: the story as people read it: aligned, wrapped, coloured on a terminal only.

use std::time::Duration;

use crate::cli::output::{print_styled, rewrite, tell};
use crate::sandbox::story::{Check, Event, Label, Line, Step};

/// The longest line, as far as words allow.
const WIDTH: usize = 110;
/// Where a step's lines begin.
const INDENT: &str = "    ";
/// The width of labels.
const LABEL: usize = 10;

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    is_terminal: bool,
}

impl Style {
    pub(super) const PLAIN: Self = Self { is_terminal: false };
}

impl Style {
    pub(super) fn bold(self, text: &str) -> String {
        self.coloured("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.coloured("2", text)
    }

    fn red(self, text: &str) -> String {
        self.coloured("31", text)
    }

    fn green(self, text: &str) -> String {
        self.coloured("32", text)
    }

    fn cyan(self, text: &str) -> String {
        self.coloured("36", text)
    }

    fn coloured(self, code: &str, text: &str) -> String {
        if self.is_terminal { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Prints events.
#[derive(Debug)]
pub(super) struct Printer {
    style: Style,
}

impl Printer {
    pub(super) fn new(is_terminal: bool) -> Self {
        Self { style: Style { is_terminal } }
    }

    pub(super) fn style(&self) -> Style {
        self.style
    }

    /// Prints an event of a story of so many steps.
    pub(super) fn tell(&self, event: &Event, steps: usize) {
        match event {
            Event::Begins { number, title } => self.progress(&format!("[{number}/{steps}] {title} …")),
            Event::Chapter(_) | Event::Step(_) => {
                self.progress("");
                print_styled(&format!("\n{}", text(event, steps, self.style)));
            }
        }
    }

    /// Says how it went.
    pub(super) fn ending(&self, is_well: bool, steps: usize, took: Duration) {
        let seconds = took.as_secs_f64();
        let line = match is_well {
            true => self.style.green(&format!("All {steps} steps went as they should ({seconds:.1} s).")),
            false => self.style.red("A step did not go as it should: see ✘ above."),
        };
        print_styled(&format!("\n{line}"));
    }

    /// Says that it was interrupted.
    pub(super) fn interrupted(&self) {
        self.progress("");
        tell("tagseal: interrupted; everything is stopped, and what was temporary is removed");
    }

    /// A line that the next one replaces, where that can be done.
    fn progress(&self, text: &str) {
        if self.style.is_terminal {
            rewrite(&self.style.dim(text));
        }
    }
}

/// An event of a story of so many steps, as it is printed. What is only progress is nothing.
pub(super) fn text(event: &Event, steps: usize, style: Style) -> String {
    match event {
        Event::Chapter(title) => style.bold(&format!("{title}\n{}", "-".repeat(title.chars().count()))),
        Event::Begins { .. } => String::new(),
        Event::Step(played) => step(played, steps, style),
    }
}

/// A step, as it is printed.
fn step(step: &Step, steps: usize, style: Style) -> String {
    let mut lines = vec![style.bold(&format!("[{}/{steps}] {}", step.number, step.title))];
    lines.extend(step.lines.iter().map(|one| line(one, style)));
    if !step.why.is_empty() {
        lines.push(style.dim(&labelled("why", &step.why)));
    }
    lines.extend(checks(&step.checks, style));
    lines.join("\n")
}

fn line(line: &Line, style: Style) -> String {
    match line {
        Line::Typed { who, command } => format!("{INDENT}{}", style.cyan(&format!("{who}$ {command}"))),
        Line::Did { who, what } => {
            format!("{INDENT}{}", style.cyan(&wrapped(&format!("{who} {what}"), INDENT.len())))
        }
        Line::Saw { label, text } => {
            let text = labelled(label.as_str(), text);
            match label {
                Label::Runs => style.green(&text),
                Label::Refused => style.red(&text),
                Label::Other(_) => text,
            }
        }
    }
}

/// What held in one paragraph, and what did not, each for itself.
fn checks(checks: &[Check], style: Style) -> Vec<String> {
    let paragraph =
        |mark: &str, text: &str| format!("{INDENT}{}", wrapped(&format!("{mark} {text}"), INDENT.len() + 2));
    let held: Vec<_> = checks.iter().filter(|check| check.instead.is_none()).collect();
    let held = held.iter().map(|check| check.expected.as_str()).collect::<Vec<_>>().join("; ");
    let failed = checks.iter().filter_map(|check| {
        let text = format!("expected: {}; but {}", check.expected, check.instead.as_ref()?);
        Some(style.red(&paragraph("✘", &text)))
    });
    (!held.is_empty()).then(|| style.green(&paragraph("✔", &held))).into_iter().chain(failed).collect()
}

/// A label, and a text that stands beside it however long it is.
fn labelled(label: &str, text: &str) -> String {
    format!("{INDENT}{label:<LABEL$} {}", wrapped(text, INDENT.len() + LABEL + 1))
}

/// The text in lines of [`WIDTH`], those after the first indented.
fn wrapped(text: &str, indent: usize) -> String {
    let room = WIDTH - indent;
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let wider = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && wider > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_wrapped_beside_their_label() {
        let text = labelled("why", &"word ".repeat(40));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].starts_with("    why        word word"), "{text}");
        assert!(lines[1].starts_with("               word word"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{text}");
    }

    #[test]
    fn colours_are_for_terminals_alone() {
        assert_eq!(Style::PLAIN.red("refused"), "refused");
        assert_eq!(Style { is_terminal: true }.red("refused"), "\u{1b}[31mrefused\u{1b}[0m");
    }

    #[test]
    fn a_check_that_failed_says_what_came_out_instead() {
        let held = Check { expected: "the pod is refused".into(), instead: None };
        let failed = Check { instead: Some("it runs web@sha256:1".into()), ..held.clone() };
        assert_eq!(
            checks(&[held.clone(), failed, held], Style::PLAIN),
            [
                "    ✔ the pod is refused; the pod is refused",
                "    ✘ expected: the pod is refused; but it runs web@sha256:1"
            ]
        );
    }
}
