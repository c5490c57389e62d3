//! The decoder: strict JSON, no duplicate keys, bounded depth and number of values.
//!
//! Where JSON leaves a choice it decodes as Go does, because canonical forms rest on it: a lone surrogate escape is
//! U+FFFD. Where Go is lenient (duplicate keys, raw invalid UTF-8) it refuses.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::{CanonicalError, MAX_DEPTH, MAX_VALUES, Value, shortened};

/// Decodes one JSON document, white space around it allowed. At most [`MAX_DEPTH`] deep and [`MAX_VALUES`] values; a
/// duplicate key is an error.
///
/// # Errors
/// [`CanonicalError::Syntax`].
pub fn parse(bytes: &[u8]) -> Result<Value, CanonicalError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| CanonicalError::Syntax { offset: e.valid_up_to(), what: "invalid UTF-8".to_owned() })?;
    let mut decoder = Decoder { text, offset: 0, values: 0 };
    let value = decoder.value(0)?;
    decoder.skip_space();
    match decoder.peek() {
        None => Ok(value),
        Some(_) => Err(decoder.error("more after the document")),
    }
}

struct Decoder<'a> {
    text: &'a str,
    /// Always on a character boundary: only ASCII is stepped over byte by byte.
    offset: usize,
    values: usize,
}

impl<'a> Decoder<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, CanonicalError> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self.error(format!("more than {MAX_VALUES} values")));
        }
        self.skip_space();
        match self.peek() {
            Some(b'{' | b'[') if depth == MAX_DEPTH => {
                Err(self.error(format!("nested deeper than {MAX_DEPTH}")))
            }
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.literal("null", Value::Null),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(_) => Err(self.error("a value was expected")),
            None => Err(self.error("the document ends early")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, CanonicalError> {
        self.offset += 1;
        let mut members = BTreeMap::new();
        self.skip_space();
        if self.eat(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_space();
            let at = self.offset;
            if self.peek() != Some(b'"') {
                return Err(self.error("a key was expected"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.eat(b':') {
                return Err(self.error("':' was expected"));
            }
            match members.entry(key) {
                Entry::Vacant(free) => free.insert(self.value(depth)?),
                Entry::Occupied(taken) => {
                    let what = format!("duplicate key {:?}", shortened(taken.key()));
                    return Err(CanonicalError::Syntax { offset: at, what });
                }
            };
            self.skip_space();
            if self.eat(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.eat(b',') {
                return Err(self.error("',' or '}' was expected"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, CanonicalError> {
        self.offset += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.eat(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            if self.eat(b']') {
                return Ok(Value::Array(items));
            }
            if !self.eat(b',') {
                return Err(self.error("',' or ']' was expected"));
            }
        }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, CanonicalError> {
        if !self.rest().starts_with(word) {
            return Err(self.error(format!("{word:?} was expected")));
        }
        self.offset += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, CanonicalError> {
        let start = self.offset;
        self.eat(b'-');
        // A leading zero stands alone; what follows it is then an error of the container.
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        Ok(Value::Number(self.text.get(start..self.offset).unwrap_or_default().to_owned()))
    }

    fn digits(&mut self) -> Result<(), CanonicalError> {
        let start = self.offset;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.offset += 1;
        }
        if self.offset == start { Err(self.error("a digit was expected")) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<String, CanonicalError> {
        self.offset += 1;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let plain = rest.bytes().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f));
            let end = plain.unwrap_or(rest.len());
            out.push_str(rest.get(..end).unwrap_or_default());
            self.offset += end;
            match self.peek() {
                Some(b'"') => {
                    self.offset += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return Err(self.error("a raw control character in a string")),
                None => return Err(self.error("the document ends early")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, CanonicalError> {
        let escaped = match self.rest().as_bytes().get(1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.error("an unknown escape")),
        };
        self.offset += 2;
        Ok(escaped)
    }

    /// `\uXXXX`, or a pair of them that is a surrogate pair. As Go has it, a surrogate without its partner is U+FFFD and the
    /// escape after it is read for itself.
    fn unicode_escape(&mut self) -> Result<char, CanonicalError> {
        let first =
            code_unit(self.rest()).ok_or_else(|| self.error("four hexadecimal digits were expected"))?;
        self.offset += 6;
        if let Some(second) = code_unit(self.rest())
            && let Some(Ok(pair)) = char::decode_utf16([first, second]).next()
            && pair.len_utf16() == 2
        {
            self.offset += 6;
            return Ok(pair);
        }
        Ok(char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.offset += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.offset += usize::from(there);
        there
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn error(&self, what: impl Into<String>) -> CanonicalError {
        CanonicalError::Syntax { offset: self.offset, what: what.into() }
    }
}

/// The UTF-16 code unit of a `\uXXXX` at the start.
fn code_unit(text: &str) -> Option<u16> {
    let hex = text.strip_prefix("\\u")?.get(..4)?;
    let all_hex = hex.bytes().all(|b| b.is_ascii_hexdigit()); // from_str_radix would take a sign
    all_hex.then(|| u16::from_str_radix(hex, 16).ok()).flatten()
}
