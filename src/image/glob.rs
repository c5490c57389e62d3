//! [`Glob`]: `*` within one segment or tag.

use std::fmt;

/// A text in which every `*` stands for any number of characters, none included. Matched in linear time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Glob {
    prefix: String,
    /// What stands between the stars; one less than there are stars.
    middle: Vec<String>,
    /// `None` without a star: then `prefix` is the whole text.
    suffix: Option<String>,
}

impl Glob {
    /// Reads a glob. Every string is one.
    pub fn new(text: &str) -> Self {
        let mut parts = text.split('*').map(str::to_owned);
        let prefix = parts.next().unwrap_or_default();
        let suffix = parts.next_back();
        Self { prefix, middle: parts.filter(|part| !part.is_empty()).collect(), suffix }
    }

    /// The text, when there is no star in it.
    pub fn literal(&self) -> Option<&str> {
        self.suffix.is_none().then_some(self.prefix.as_str())
    }

    /// What every match begins and ends with.
    pub fn ends(&self) -> (&str, &str) {
        (&self.prefix, self.suffix.as_deref().unwrap_or_default())
    }

    /// Whether the glob matches all of `text`.
    pub fn matches(&self, text: &str) -> bool {
        let Some(suffix) = &self.suffix else { return text == self.prefix };
        let Some(rest) = text.strip_prefix(self.prefix.as_str()) else { return false };
        let Some(mut rest) = rest.strip_suffix(suffix.as_str()) else { return false };
        // The first occurrence of each part leaves the most for those that follow, so there is nothing to try again.
        for part in &self.middle {
            let Some(at) = rest.find(part.as_str()) else { return false };
            rest = &rest[at + part.len()..];
        }
        true
    }

    /// What the star took, where there is exactly one.
    pub fn capture<'t>(&self, text: &'t str) -> Option<&'t str> {
        if !self.middle.is_empty() {
            return None;
        }
        text.strip_prefix(self.prefix.as_str())?.strip_suffix(self.suffix.as_deref()?)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix)?;
        for part in &self.middle {
            write!(f, "*{part}")?;
        }
        self.suffix.as_ref().map_or(Ok(()), |suffix| write!(f, "*{suffix}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_number_of_characters() {
        for (glob, matching, other) in [
            ("web", vec!["web"], vec!["", "webs", "we", "aweb"]),
            ("*", vec!["", "web"], vec![]),
            ("**", vec!["", "web"], vec![]),
            ("web-*", vec!["web-", "web-1"], vec!["web", "aweb-1"]),
            ("*-web", vec!["-web", "a-web"], vec!["web", "a-web1"]),
            ("a*b", vec!["ab", "axb", "abb"], vec!["a", "b", "aba"]),
            ("a*a", vec!["aa", "aba"], vec!["a", "ab"]),
            ("a*b*c", vec!["abc", "axbxc", "abbc"], vec!["ac", "acb", "abcd"]),
            ("*ab*ab*", vec!["abab", "xabxabx"], vec!["ab", "aab"]),
        ] {
            let read = Glob::new(glob);
            for text in matching {
                assert!(read.matches(text), "{glob} {text}");
            }
            for text in other {
                assert!(!read.matches(text), "{glob} {text}");
            }
        }
    }
}
