//! Lists that are refused when they are too long: an empty container takes three bytes of a request, and fifty in memory.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};

use super::Text;
use crate::limits;

/// How many more parts something may have.
#[derive(Debug)]
pub(super) struct Parts {
    left: Cell<usize>,
    most: usize,
    /// For the error: the owner of the parts, and what they are.
    words: (&'static str, &'static str),
}

impl Parts {
    /// Those of an object.
    pub(super) fn of_object() -> Self {
        Self::new(limits::OBJECT_PARTS, ("it", "containers, volumes and pull secrets"))
    }

    fn new(most: usize, words: (&'static str, &'static str)) -> Self {
        Self { left: Cell::new(most), most, words }
    }

    /// Counts one.
    pub(super) fn one_more<E: de::Error>(&self) -> Result<(), E> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| {
            let (who, what) = self.words;
            E::custom(format_args!("{who} has more than {} {what}", self.most))
        })?;
        self.left.set(left);
        Ok(())
    }

    /// Reads a list of them, or `null`.
    pub(super) fn list<T>(&self) -> ListSeed<'_, T> {
        ListSeed { parts: self, of: PhantomData }
    }
}

/// Reads a list of parts.
pub(super) struct ListSeed<'p, T> {
    parts: &'p Parts,
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for ListSeed<'_, T> {
    type Value = Option<Vec<T>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListSeed<'_, T> {
    type Value = Option<Vec<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut read = Vec::new();
        while let Some(part) = list.next_element()? {
            self.parts.one_more()?;
            read.push(part);
        }
        Ok(Some(read))
    }
}

/// The groups of a user.
#[derive(Debug, Default)]
pub struct Groups<'a>(Vec<Text<'a>>);

impl<'a> Groups<'a> {
    /// Their names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Text::as_str)
    }

    /// The same, of nobody's bytes.
    pub fn into_owned(self) -> Groups<'static> {
        Groups(self.0.into_iter().map(Text::into_owned).collect())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Groups<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let groups = Parts::new(limits::CALLER_GROUPS, ("the user", "groups"));
        let groups: Option<Vec<Text<'a>>> = groups.list().deserialize(deserializer)?;
        Ok(Self(groups.unwrap_or_default()))
    }
}
