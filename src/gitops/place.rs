//! [`Place`]: where something stands in a file; [`Problem`]: what is wrong with a file.

use std::fmt;

use crate::policy::{self, LoadError};

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

impl Place {
    /// The first character of a text.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The place of a byte. Lines end at line feeds, carriage returns and both together, as YAML has them. A byte order
    /// mark has no column.
    pub fn of(text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let bytes = before.as_bytes();
        let is_break =
            |at: usize| bytes[at] == b'\n' || (bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        let breaks = (0..bytes.len()).filter(|at| is_break(*at));
        let (count, last) = breaks.fold((0, None), |(count, _), at| (count + 1, Some(at)));
        let line = &before[last.map_or(0, |at| at + 1)..];
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        Self { line: count + 1, column: line.chars().count() + 1 }
    }
}

impl From<policy::Place> for Place {
    fn from(place: policy::Place) -> Self {
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Self { line: number(place.line), column: number(place.column) }
    }
}

impl From<Place> for policy::Place {
    fn from(place: Place) -> Self {
        let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Self { line: number(place.line), column: number(place.column) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why a file cannot be read, edited or decided. Shown as `FILE:LINE:COLUMN: message`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The file, as it was given; `-` is standard input.
    pub file: String,
    /// Where in it; `None` where it is about the file as a whole.
    pub place: Option<Place>,
    /// What is wrong, and what to do. Text from outside in it is quoted.
    pub message: String,
}

impl From<LoadError> for Problem {
    fn from(LoadError { file, line, column, message }: LoadError) -> Self {
        Self { file, place: Some(policy::Place { line, column }.into()), message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = self.place {
            write!(f, ":{place}")?;
        }
        write!(f, ": {}", self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let text = "\u{feff}a: ü\r\nb: x\rc: y\n";
        let place = |needle: &str| Place::of(text, text.find(needle).unwrap()).to_string();
        assert_eq!(
            [place("a"), place("ü"), place("b"), place("x"), place("y")],
            ["1:1", "1:4", "2:1", "2:4", "3:4"]
        );
        assert_eq!(Place::of(text, text.len()).to_string(), "4:1");
    }
}
