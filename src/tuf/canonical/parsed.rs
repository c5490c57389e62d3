//! [`Parsed`] and [`Node`]: a decoded document in a few flat allocations, which is how strangers' files are read.
//!
//! A value takes [`ITEM`] bytes whatever it is, and strings stay where they are in the file: so a file never takes more
//! than ten times its size, and [`PARSED_BYTES`] in all.

use super::{CanonicalError, Value, encode_string, shortened, signed_integer};
use crate::tuf::work::{STRIDE, Work};

/// Bytes that a value or a key takes.
pub(super) const ITEM: usize = size_of::<Item>();

/// Bytes that a member of an object takes beside its key and its value: a place in the sorted order, and one in the order
/// while it is read.
pub(super) const MEMBER: usize = 2 * size_of::<u32>();

/// A decoded document. Its strings lie in the bytes that it was decoded from.
#[derive(Debug)]
pub(in crate::tuf) struct Parsed<'a> {
    pub(super) text: &'a str,
    /// The strings that have escapes, decoded, one after the other.
    pub(super) decoded: String,
    /// All values and keys in the order of the document; a key stands before its value.
    pub(super) items: Vec<Item>,
    /// For each object, where its keys are in `items`, sorted.
    pub(super) order: Vec<u32>,
}

/// A value or a key. Positions are in bytes, except `end`, which is where in `items` what follows the container is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item {
    Null,
    Bool(bool),
    /// As written.
    Number {
        start: u32,
        end: u32,
    },
    /// A string without escapes, in the text.
    Plain {
        start: u32,
        end: u32,
    },
    /// A string with escapes, in `decoded`; its opening quote is at `at` in the text.
    Decoded {
        start: u32,
        end: u32,
        at: u32,
    },
    Array {
        end: u32,
    },
    /// Its keys' places are `order[first..][..members]`.
    Object {
        first: u32,
        members: u32,
        end: u32,
    },
}

/// A value of a [`Parsed`].
#[derive(Debug, Clone, Copy)]
pub(in crate::tuf) struct Node<'a> {
    parsed: &'a Parsed<'a>,
    at: usize,
}

impl Parsed<'_> {
    /// The document's value.
    pub(in crate::tuf) fn root(&self) -> Node<'_> {
        Node { parsed: self, at: 0 }
    }

    /// The bytes of memory that it takes beside the text.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.items.capacity() * ITEM + self.order.capacity() * size_of::<u32>() + self.decoded.capacity()
    }

    /// The string that a key or a string value is.
    pub(super) fn string(&self, at: usize) -> Option<&str> {
        match *self.items.get(at)? {
            Item::Plain { start, end } => self.text.get(start as usize..end as usize),
            Item::Decoded { start, end, .. } => self.decoded.get(start as usize..end as usize),
            _ => None,
        }
    }

    /// Where in the text a key begins, its quote included.
    pub(super) fn offset(&self, at: usize) -> usize {
        match self.items.get(at) {
            Some(Item::Plain { start, .. }) => (*start as usize).saturating_sub(1),
            Some(Item::Decoded { at, .. }) => *at as usize,
            _ => 0,
        }
    }
}

impl<'a> Node<'a> {
    fn item(self) -> Item {
        self.parsed.items.get(self.at).copied().unwrap_or(Item::Null)
    }

    /// The string, decoded.
    pub(in crate::tuf) fn as_str(self) -> Option<&'a str> {
        self.parsed.string(self.at)
    }

    /// The number, as written.
    pub(in crate::tuf) fn as_number(self) -> Option<&'a str> {
        match self.item() {
            Item::Number { start, end } => self.parsed.text.get(start as usize..end as usize),
            _ => None,
        }
    }

    /// Whether this is `true` or `false`.
    pub(in crate::tuf) fn is_bool(self) -> bool {
        matches!(self.item(), Item::Bool(_))
    }

    /// Whether this is `null`.
    pub(in crate::tuf) fn is_null(self) -> bool {
        matches!(self.item(), Item::Null)
    }

    /// Whether this is an object.
    pub(in crate::tuf) fn is_object(self) -> bool {
        matches!(self.item(), Item::Object { .. })
    }

    /// The items of an array.
    pub(in crate::tuf) fn items(self) -> Option<impl Iterator<Item = Self>> {
        let Item::Array { end } = self.item() else { return None };
        let (parsed, mut at) = (self.parsed, self.at + 1);
        Some(std::iter::from_fn(move || {
            (at < end as usize).then(|| {
                let item = Self { parsed, at };
                at = item.next();
                item
            })
        }))
    }

    /// The members of an object, sorted by their names' UTF-8 bytes.
    pub(in crate::tuf) fn members(self) -> Option<impl ExactSizeIterator<Item = (&'a str, Self)>> {
        let parsed = self.parsed;
        let keys = self.keys()?.iter();
        Some(keys.map(move |key| {
            let key = *key as usize;
            (parsed.string(key).unwrap_or_default(), Self { parsed, at: key + 1 })
        }))
    }

    /// The member `name` of an object.
    pub(in crate::tuf) fn get(self, name: &str) -> Option<Self> {
        let keys = self.keys()?;
        let found =
            keys.binary_search_by(|key| self.parsed.string(*key as usize).unwrap_or_default().cmp(name));
        found.ok().and_then(|found| keys.get(found)).map(|key| Self { at: *key as usize + 1, ..self })
    }

    fn keys(self) -> Option<&'a [u32]> {
        let Item::Object { first, members, .. } = self.item() else { return None };
        self.parsed.order.get(first as usize..)?.get(..members as usize)
    }

    /// Where in `items` what follows this value is.
    fn next(self) -> usize {
        match self.item() {
            Item::Array { end } | Item::Object { end, .. } => end as usize,
            _ => self.at + 1,
        }
    }

    /// The canonical encoding, the bytes that signatures cover, as [`Value::canonical`].
    ///
    /// # Errors
    /// As [`Value::canonical`]; [`CanonicalError::Ended`].
    pub(in crate::tuf) fn canonical(self, work: &Work) -> Result<Vec<u8>, CanonicalError> {
        // Only escapes and numbers such as 1e18 make it of another length.
        let mut out = Vec::with_capacity(self.parsed.text.len());
        let mut written = 0;
        self.encode(&mut out, &mut written, work)?;
        work.take(written % STRIDE)?;
        Ok(out)
    }

    fn encode(self, out: &mut Vec<u8>, written: &mut u64, work: &Work) -> Result<(), CanonicalError> {
        *written += 1;
        if written.is_multiple_of(STRIDE) {
            work.take(STRIDE)?;
        }
        match self.item() {
            Item::Null => out.extend_from_slice(b"null"),
            Item::Bool(true) => out.extend_from_slice(b"true"),
            Item::Bool(false) => out.extend_from_slice(b"false"),
            Item::Number { .. } => {
                let text = self.as_number().unwrap_or_default();
                let integer = signed_integer(text).ok_or_else(|| CanonicalError::Number(shortened(text)))?;
                out.extend_from_slice(integer.to_string().as_bytes());
            }
            Item::Plain { .. } | Item::Decoded { .. } => {
                encode_string(self.as_str().unwrap_or_default(), out)
            }
            Item::Array { .. } => {
                out.push(b'[');
                for (i, item) in self.items().into_iter().flatten().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    item.encode(out, written, work)?;
                }
                out.push(b']');
            }
            Item::Object { .. } => {
                out.push(b'{');
                for (i, (key, member)) in self.members().into_iter().flatten().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    encode_string(key, out);
                    out.push(b':');
                    member.encode(out, written, work)?;
                }
                out.push(b'}');
            }
        }
        Ok(())
    }

    /// The same as a value that can be edited.
    pub(super) fn to_value(self) -> Value {
        match self.item() {
            Item::Null => Value::Null,
            Item::Bool(truth) => Value::Bool(truth),
            Item::Number { .. } => Value::Number(self.as_number().unwrap_or_default().to_owned()),
            Item::Plain { .. } | Item::Decoded { .. } => {
                Value::String(self.as_str().unwrap_or_default().to_owned())
            }
            Item::Array { .. } => {
                Value::Array(self.items().into_iter().flatten().map(Self::to_value).collect())
            }
            Item::Object { .. } => Value::Object(
                self.members()
                    .into_iter()
                    .flatten()
                    .map(|(key, member)| (key.to_owned(), member.to_value()))
                    .collect(),
            ),
        }
    }
}
