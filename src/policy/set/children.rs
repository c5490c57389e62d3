//! [`Children`]: values under literals and globs, found without looking at each glob.

use std::collections::BTreeMap;

use crate::image::Glob;

/// Values under texts and globs. Globs are found by what they begin and end with, so that a thousand of `team-N-*` under one
/// node cost as many look-ups as there are lengths of `team-N-`. The maps are trees: most nodes have a handful of children, and
/// comparing a segment with those costs less than hashing it.
#[derive(Debug)]
pub struct Children<T> {
    literals: BTreeMap<Box<str>, T>,
    globs: Vec<Shape<T>>,
}

/// The globs with a prefix and a suffix of the same lengths.
#[derive(Debug)]
struct Shape<T> {
    prefix_len: usize,
    suffix_len: usize,
    by_ends: BTreeMap<Box<str>, BySuffix<T>>,
}

/// The globs with one prefix, by their suffix.
type BySuffix<T> = BTreeMap<Box<str>, Vec<(Glob, T)>>;

impl<T> Default for Children<T> {
    fn default() -> Self {
        Self { literals: BTreeMap::new(), globs: Vec::new() }
    }
}

impl<T> Children<T> {
    /// The value under exactly this glob or literal, made by `make` where there is none.
    pub fn entry(&mut self, glob: &Glob, make: impl FnOnce() -> T) -> &mut T {
        if let Some(literal) = glob.literal() {
            return self.literal_entry(literal, make);
        }
        let (prefix, suffix) = glob.ends();
        let fits = |shape: &Shape<T>| shape.prefix_len == prefix.len() && shape.suffix_len == suffix.len();
        let at = self.globs.iter().position(fits).unwrap_or_else(|| {
            self.globs.push(Shape {
                prefix_len: prefix.len(),
                suffix_len: suffix.len(),
                by_ends: BTreeMap::new(),
            });
            self.globs.len() - 1
        });
        let by_suffix = self.globs[at].by_ends.entry(prefix.into()).or_default();
        let same_ends = by_suffix.entry(suffix.into()).or_default();
        let at = same_ends.iter().position(|(other, _)| other == glob).unwrap_or_else(|| {
            same_ends.push((glob.clone(), make()));
            same_ends.len() - 1
        });
        &mut same_ends[at].1
    }

    /// The value under exactly this text, made by `make` where there is none.
    pub fn literal_entry(&mut self, literal: &str, make: impl FnOnce() -> T) -> &mut T {
        self.literals.entry(literal.into()).or_insert_with(make)
    }

    /// Shows `each` the value under the text itself, and that under every glob that matches it.
    pub fn matching<'a>(&'a self, text: &str, mut each: impl FnMut(&'a T)) {
        if let Some(value) = self.literals.get(text) {
            each(value);
        }
        for shape in &self.globs {
            let prefix = text.get(..shape.prefix_len);
            let suffix = text.len().checked_sub(shape.suffix_len).and_then(|start| text.get(start..));
            let same_ends = prefix
                .and_then(|prefix| shape.by_ends.get(prefix))
                .zip(suffix)
                .and_then(|(by_suffix, suffix)| by_suffix.get(suffix));
            #[cfg(test)]
            tests::count(1 + same_ends.map_or(0, Vec::len));
            for (_, value) in same_ends.into_iter().flatten().filter(|(glob, _)| glob.matches(text)) {
                each(value);
            }
        }
    }

    /// Every value.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        let globs = self.globs.iter().flat_map(|shape| shape.by_ends.values()).flat_map(BTreeMap::values);
        self.literals.values().chain(globs.flatten().map(|(_, value)| value))
    }
}

#[cfg(test)]
pub mod tests {
    //! Counts what is looked at, so that tests can hold it against the number of policies.

    use std::cell::Cell;

    thread_local! {
        static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count(more: usize) {
        LOOKED_AT.set(LOOKED_AT.get() + more);
    }

    /// How many groups of globs, and globs in them, `f` looks at.
    pub fn looked_at(f: impl FnOnce()) -> usize {
        LOOKED_AT.set(0);
        f();
        LOOKED_AT.get()
    }
}
