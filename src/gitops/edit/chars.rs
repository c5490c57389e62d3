//! [`Chars`]: which bytes of a scalar's source say which part of its text.

use crate::gitops::tree::Style;

/// A scalar's text, and where the source of each of its bytes ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chars {
    /// What the source says.
    pub(super) text: String,
    /// Where the text begins in the source.
    start: usize,
    /// Of each byte of the text, the offset at which the source of its character ends.
    ends: Vec<usize>,
}

impl Chars {
    /// Reads a scalar. `None` for what no image is written like: a line break or a blank in it that is not escaped away.
    pub(super) fn read(source: &str, style: Style) -> Option<Self> {
        match style {
            Style::Plain => Self::word(source, 0, source),
            Style::SingleQuoted => Self::single_quoted(source),
            Style::DoubleQuoted => Self::double_quoted(source),
            Style::Literal | Style::Folded => {
                let word = source.trim_matches([' ', '\t', '\r', '\n']);
                let start = source.find(word)?;
                (!word.is_empty()).then(|| Self::word(source, start, word)).flatten()
            }
        }
    }

    /// The offset in the source at which the first `len` bytes of the text end.
    pub(super) fn end_of(&self, len: usize) -> usize {
        match len {
            0 => self.start,
            len => self.ends.get(len - 1).copied().unwrap_or(self.start),
        }
    }

    fn starting(start: usize) -> Self {
        Self { text: String::new(), start, ends: Vec::new() }
    }

    fn push(&mut self, c: char, end: usize) {
        self.text.push(c);
        self.ends.resize(self.text.len(), end);
    }

    /// A part of the source that says itself.
    fn word(source: &str, start: usize, word: &str) -> Option<Self> {
        let mut chars = Self::starting(start);
        for (offset, c) in word.char_indices() {
            if c.is_whitespace() {
                return None;
            }
            chars.push(c, start + offset + c.len_utf8());
        }
        (chars.end_of(chars.text.len()) <= source.len()).then_some(chars)
    }

    fn single_quoted(source: &str) -> Option<Self> {
        let inner = source.strip_prefix('\'')?.strip_suffix('\'')?;
        let mut chars = Self::starting(1);
        let mut rest = inner.char_indices();
        while let Some((offset, c)) = rest.next() {
            let mut end = 1 + offset + c.len_utf8();
            if c == '\'' {
                rest.next().filter(|(_, second)| *second == '\'')?;
                end += 1;
            }
            if matches!(c, '\n' | '\r') {
                return None;
            }
            chars.push(c, end);
        }
        Some(chars)
    }

    fn double_quoted(source: &str) -> Option<Self> {
        let inner = source.strip_prefix('"')?.strip_suffix('"')?;
        let mut chars = Self::starting(1);
        let mut at = 0;
        while let Some(c) = inner[at..].chars().next() {
            at += c.len_utf8();
            match c {
                '\n' | '\r' | '"' => return None,
                '\\' => match escape(&inner[at..])? {
                    Escape::Char(c, len) => {
                        at += len;
                        chars.push(c, 1 + at);
                    }
                    Escape::Nothing(len) => at += len,
                },
                c => chars.push(c, 1 + at),
            }
        }
        Some(chars)
    }
}

/// What follows a backslash, and how many bytes of the source it takes.
enum Escape {
    Char(char, usize),
    /// A line break and what the next line begins with.
    Nothing(usize),
}

fn escape(rest: &str) -> Option<Escape> {
    let hex = |digits: usize| {
        let code = rest.get(1..=digits).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let c = char::from_u32(u32::from_str_radix(code, 16).ok()?)?;
        Some(Escape::Char(c, 1 + digits))
    };
    let simple = |c| Some(Escape::Char(c, 1));
    match rest.chars().next()? {
        '0' => simple('\0'),
        'a' => simple('\u{7}'),
        'b' => simple('\u{8}'),
        't' | '\t' => simple('\t'),
        'n' => simple('\n'),
        'v' => simple('\u{b}'),
        'f' => simple('\u{c}'),
        'r' => simple('\r'),
        'e' => simple('\u{1b}'),
        c @ (' ' | '"' | '/' | '\\') => simple(c),
        'N' => simple('\u{85}'),
        '_' => simple('\u{a0}'),
        'L' => simple('\u{2028}'),
        'P' => simple('\u{2029}'),
        'x' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        '\n' | '\r' => {
            let line_break = if rest.starts_with("\r\n") { 2 } else { 1 };
            let indent = rest[line_break..].bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            Some(Escape::Nothing(line_break + indent))
        }
        _ => None,
    }
}
