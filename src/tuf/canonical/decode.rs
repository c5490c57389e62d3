//! The decoder: strict JSON, no duplicate keys, bounded depth, number of values and memory.
//!
//! Where JSON leaves a choice it decodes as Go does, because canonical forms rest on it: a lone surrogate escape is
//! U+FFFD. Where Go is lenient (duplicate keys, raw invalid UTF-8) it refuses.

use super::parsed::{ITEM, Item, MEMBER, Parsed};
use super::{CanonicalError, Value, shortened};
use crate::limits::{FILE_LEVELS, FILE_VALUES, PARSED_BYTES};
use crate::tuf::work::{STRIDE, Work};

/// Decodes one JSON document, white space around it allowed, to be edited. At most [`FILE_LEVELS`] deep and
/// [`FILE_VALUES`] values; a duplicate key is an error.
///
/// # Errors
/// [`CanonicalError`].
pub fn parse(bytes: &[u8]) -> Result<Value, CanonicalError> {
    read(bytes, &Work::unstopped()).map(|parsed| parsed.root().to_value())
}

/// As [`parse`], to be read: in a few flat allocations, which take no more than [`PARSED_BYTES`].
///
/// # Errors
/// [`CanonicalError`].
pub(in crate::tuf) fn read<'a>(bytes: &'a [u8], work: &Work) -> Result<Parsed<'a>, CanonicalError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| CanonicalError::Syntax { offset: e.valid_up_to(), what: "invalid UTF-8".to_owned() })?;
    if u32::try_from(text.len()).is_err() {
        return Err(CanonicalError::Memory { max: PARSED_BYTES });
    }
    let mut decoder = Decoder::new(text, work);
    decoder.value(0)?;
    decoder.skip_space();
    match decoder.peek() {
        None => {
            work.take((decoder.parsed.items.len() as u64) % STRIDE)?;
            Ok(decoder.parsed)
        }
        Some(_) => Err(decoder.error("more after the document")),
    }
}

struct Decoder<'a, 'w> {
    text: &'a str,
    /// Always on a character boundary: only ASCII is stepped over byte by byte.
    offset: usize,
    values: usize,
    parsed: Parsed<'a>,
    /// Where in the items the keys of the objects are that are not read to their end, the innermost object's last.
    open: Vec<u32>,
    work: &'w Work,
}

impl<'a, 'w> Decoder<'a, 'w> {
    fn new(text: &'a str, work: &'w Work) -> Self {
        // Exactly as much as it takes is reserved, because growing takes twice that for a moment.
        let (items, members) = shape(text.as_bytes());
        let fits = |count: usize, size: usize| count.min(PARSED_BYTES / size);
        Self {
            text,
            offset: 0,
            values: 0,
            parsed: Parsed {
                text,
                decoded: String::new(),
                items: Vec::with_capacity(fits(items, ITEM)),
                order: Vec::with_capacity(fits(members, MEMBER)),
            },
            open: Vec::with_capacity(fits(members, MEMBER)),
            work,
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), CanonicalError> {
        self.values += 1;
        if self.values > FILE_VALUES {
            return Err(self.error(format!("more than {FILE_VALUES} values")));
        }
        self.skip_space();
        let item = match self.peek() {
            Some(b'{' | b'[') if depth == FILE_LEVELS => {
                return Err(self.error(format!("nested deeper than {FILE_LEVELS}")));
            }
            Some(b'{') => return self.object(depth + 1),
            Some(b'[') => return self.array(depth + 1),
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'n') => self.literal("null", Item::Null)?,
            Some(b't') => self.literal("true", Item::Bool(true))?,
            Some(b'f') => self.literal("false", Item::Bool(false))?,
            Some(_) => return Err(self.error("a value was expected")),
            None => return Err(self.error("the document ends early")),
        };
        self.push(item)
    }

    /// Adds a value or a key, if there is room.
    fn push(&mut self, item: Item) -> Result<(), CanonicalError> {
        let Parsed { items, order, decoded, .. } = &self.parsed;
        let members = order.len() + self.open.len();
        if (items.len() + 1) * ITEM + members * MEMBER + decoded.len() > PARSED_BYTES {
            return Err(CanonicalError::Memory { max: PARSED_BYTES });
        }
        self.parsed.items.push(item);
        if (self.parsed.items.len() as u64).is_multiple_of(STRIDE) {
            self.work.take(STRIDE)?;
        }
        Ok(())
    }

    /// Where the next item will be.
    fn here(&self) -> u32 {
        // There are fewer items than bytes, and fewer bytes than 2^32.
        u32::try_from(self.parsed.items.len()).unwrap_or(u32::MAX)
    }

    fn object(&mut self, depth: usize) -> Result<(), CanonicalError> {
        let (at, first_open) = (self.parsed.items.len(), self.open.len());
        self.push(Item::Null)?;
        self.offset += 1;
        self.skip_space();
        let mut is_over = self.eat(b'}');
        while !is_over {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.error("a key was expected"));
            }
            self.open.push(self.here());
            let key = self.string()?;
            self.push(key)?;
            self.skip_space();
            if !self.eat(b':') {
                return Err(self.error("':' was expected"));
            }
            self.value(depth)?;
            self.skip_space();
            is_over = self.eat(b'}');
            if !is_over && !self.eat(b',') {
                return Err(self.error("',' or '}' was expected"));
            }
        }
        self.close_object(at, first_open)
    }

    /// Sorts the keys of an object that was read.
    fn close_object(&mut self, at: usize, first_open: usize) -> Result<(), CanonicalError> {
        let parsed = &self.parsed;
        let keys = self.open.get_mut(first_open..).unwrap_or_default();
        let key = |at: &u32| parsed.string(*at as usize).unwrap_or_default();
        if !keys.is_sorted_by(|a, b| key(a) < key(b)) {
            let comparisons = keys.len() as u64 * u64::from(keys.len().ilog2());
            self.work.take(comparisons)?;
            keys.sort_unstable_by(|a, b| key(a).cmp(key(b)).then(a.cmp(b)));
            let pairs = keys.windows(2).filter_map(|pair| Some((pair.first()?, pair.last()?)));
            let twice = pairs.filter(|(a, b)| key(a) == key(b)).map(|(_, again)| again).min();
            if let Some(again) = twice {
                let what = format!("duplicate key {:?}", shortened(key(again)));
                return Err(CanonicalError::Syntax { offset: parsed.offset(*again as usize), what });
            }
        }
        let first = u32::try_from(self.parsed.order.len()).unwrap_or(u32::MAX);
        let end = self.here();
        let members = u32::try_from(self.open.len() - first_open).unwrap_or(u32::MAX);
        self.parsed.order.extend(self.open.drain(first_open..));
        if let Some(item) = self.parsed.items.get_mut(at) {
            *item = Item::Object { first, members, end };
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), CanonicalError> {
        let at = self.parsed.items.len();
        self.push(Item::Null)?;
        self.offset += 1;
        self.skip_space();
        let mut is_over = self.eat(b']');
        while !is_over {
            self.value(depth)?;
            self.skip_space();
            is_over = self.eat(b']');
            if !is_over && !self.eat(b',') {
                return Err(self.error("',' or ']' was expected"));
            }
        }
        let end = self.here();
        if let Some(item) = self.parsed.items.get_mut(at) {
            *item = Item::Array { end };
        }
        Ok(())
    }

    fn literal(&mut self, word: &str, item: Item) -> Result<Item, CanonicalError> {
        if !self.rest().starts_with(word) {
            return Err(self.error(format!("{word:?} was expected")));
        }
        self.offset += word.len();
        Ok(item)
    }

    fn number(&mut self) -> Result<Item, CanonicalError> {
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
        Ok(Item::Number { start: position(start), end: position(self.offset) })
    }

    fn digits(&mut self) -> Result<(), CanonicalError> {
        let start = self.offset;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.offset += 1;
        }
        if self.offset == start { Err(self.error("a digit was expected")) } else { Ok(()) }
    }

    /// Steps over characters that stand for themselves, to a quote or a backslash.
    fn plain(&mut self) -> Result<(), CanonicalError> {
        let rest = self.rest();
        let end = rest.bytes().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len());
        self.offset += end;
        match self.peek() {
            Some(b'"' | b'\\') => Ok(()),
            Some(_) => Err(self.error("a raw control character in a string")),
            None => Err(self.error("the document ends early")),
        }
    }

    fn string(&mut self) -> Result<Item, CanonicalError> {
        let at = position(self.offset);
        self.offset += 1;
        let start = self.offset;
        self.plain()?;
        if self.eat(b'"') {
            return Ok(Item::Plain { start: position(start), end: position(self.offset - 1) });
        }
        let start_decoded = self.parsed.decoded.len();
        let mut from = start;
        loop {
            let text = self.text.get(from..self.offset).unwrap_or_default();
            self.parsed.decoded.push_str(text);
            if self.eat(b'"') {
                let (start, end) = (position(start_decoded), position(self.parsed.decoded.len()));
                return Ok(Item::Decoded { start, end, at });
            }
            let escaped = self.escape()?;
            self.parsed.decoded.push(escaped);
            from = self.offset;
            self.plain()?;
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

/// A place in a text of fewer than 2^32 bytes.
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// At most how many values and keys a document holds, and how many members. Exactly so where it is JSON.
fn shape(bytes: &[u8]) -> (usize, usize) {
    let (mut items, mut members, mut at) = (1, 0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'[' | b'{' if matches!(bytes.get(at + 1), Some(b']' | b'}')) => {}
            b'[' | b'{' | b',' => items += 1,
            b':' => (items, members) = (items + 1, members + 1),
            _ => {}
        }
        at += 1;
    }
    (items, members)
}

/// Where the closing quote of the string is that begins at `at`.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    loop {
        at += 1;
        match bytes.get(at) {
            Some(b'\\') => at += 1,
            Some(b'"') | None => return at,
            Some(_) => {}
        }
    }
}

/// The UTF-16 code unit of a `\uXXXX` at the start.
fn code_unit(text: &str) -> Option<u16> {
    let hex = text.strip_prefix("\\u")?.get(..4)?;
    let all_hex = hex.bytes().all(|b| b.is_ascii_hexdigit()); // from_str_radix would take a sign
    all_hex.then(|| u16::from_str_radix(hex, 16).ok()).flatten()
}
