//! [`Rewrite`]: from an image's name to the name that its publisher signed it under, for mirrors.

#[cfg(test)]
mod tests;

use super::glob::Glob;
use super::pattern::{ImagePattern, PatternError, Segment};
use super::reference::{ImageReference, ReferenceError, check_repository};
use super::registry::{self, DOCKER_HUB};

/// A rule that turns names that match `from` into `to`, each star of `to` taking what its twin in `from` took.
///
/// `to` is not normalised: a publisher who signed under `registry.example.com:443/…` is reached by it (design §2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rewrite {
    from: ImagePattern,
    to: String,
}

/// Why two strings are not a [`Rewrite`], or why a rewrite of one name is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// `from` is no pattern.
    #[error("from: {0}")]
    From(#[from] PatternError),
    /// `from` has a tag.
    #[error("from: a rewrite is about names, leave out the tag")]
    Tag,
    /// What the stars of `from` take would not be certain.
    #[error("from: only one ** and one * in a segment can be followed, so that what they take is certain")]
    Ambiguous,
    /// The stars of the two differ.
    #[error("to: has the stars {to:?} where from has {from:?}: write the same ones in the same order")]
    Stars {
        /// Those of `from`.
        from: Vec<&'static str>,
        /// Those of `to`.
        to: Vec<&'static str>,
    },
    /// `to` has a registry that is none.
    #[error("to: {0:?} does not begin with a registry host, nor is it **")]
    To(String),
    /// `to` has something that names do not have.
    #[error("to: {0:?} has characters that image names do not have")]
    ToCharacter(String),
    /// The name that came out is no name of a repository.
    #[error("{name:?} becomes {rewritten:?}, which is no repository: {error}")]
    Result {
        /// The name that went in.
        name: String,
        /// What came out.
        rewritten: String,
        /// What is wrong with it.
        error: ReferenceError,
    },
}

impl Rewrite {
    /// Parses a rule.
    ///
    /// # Errors
    /// [`RewriteError`] that begins with the field, `from` or `to`.
    pub fn parse(from: &str, to: &str) -> Result<Self, RewriteError> {
        let from = ImagePattern::parse(from)?;
        if from.tag().is_some() {
            return Err(RewriteError::Tag);
        }
        let from_stars = stars(from.as_str());
        let doubled = from_stars.iter().filter(|star| **star == "**").count() > 1;
        if doubled || from.as_str().split('/').any(|s| s != "**" && s.matches('*').count() > 1) {
            return Err(RewriteError::Ambiguous);
        }
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-*/:[]".contains(&b);
        if to.len() > ImagePattern::MAX_LEN || !to.bytes().all(fits) {
            return Err(RewriteError::ToCharacter(to.chars().take(ImagePattern::MAX_LEN).collect()));
        }
        let registry = to.split_once('/').map_or(to, |(registry, _)| registry);
        if to != "**" && !is_host(registry) {
            return Err(RewriteError::To(to.to_owned()));
        }
        let to_stars = stars(to);
        if from_stars != to_stars {
            return Err(RewriteError::Stars { from: from_stars, to: to_stars });
        }
        Ok(Self { from, to: to.to_owned() })
    }

    /// The name that `image` has by this rule; `None` where the rule is not about it.
    ///
    /// # Errors
    /// [`RewriteError::Result`] where the outcome is no name of a repository.
    pub fn apply(&self, image: &ImageReference) -> Option<Result<String, RewriteError>> {
        let name: Vec<&str> = image.segments().collect();
        let taken = captures(self.from.segments(), &name)?;
        Some(finish(image.name(), filled(&self.to, &taken)))
    }

    /// A name that may become `rewritten` by this rule: each star of `from` takes what its twin in `to` took. `None` where it
    /// cannot be told. It is a guess, because outcomes are normalised: whoever makes it applies the rules to it.
    pub fn origin(&self, rewritten: &str) -> Option<String> {
        let segment = |segment: &str| match segment {
            "**" => Segment::Any,
            glob if glob.contains('*') => Segment::Glob(Glob::new(glob)),
            literal => Segment::Literal(literal.to_owned()),
        };
        let to: Vec<Segment> = self.to.split('/').map(segment).collect();
        let taken = captures(&to, &rewritten.split('/').collect::<Vec<_>>())?;
        Some(filled(self.from.as_str(), &taken))
    }
}

/// The name that a pattern becomes when its stars are `taken`.
fn filled(pattern: &str, taken: &[String]) -> String {
    let mut taken = taken.iter();
    let mut name = String::new();
    for segment in pattern.split('/') {
        let filled = fill(segment, &mut taken);
        if !filled.is_empty() {
            let slash = if name.is_empty() { "" } else { "/" };
            name.push_str(slash);
            name.push_str(&filled);
        }
    }
    name
}

/// The stars of a pattern, in order.
fn stars(pattern: &str) -> Vec<&'static str> {
    let of = |segment: &str| match segment {
        "**" => vec!["**"],
        other => vec!["*"; other.matches('*').count()],
    };
    pattern.split('/').flat_map(of).collect()
}

fn is_host(registry: &str) -> bool {
    registry::is_registry(registry) && registry::normalise(registry).is_ok()
}

/// What each star took. At most one `**`, so how many segments it took is certain.
fn captures(pattern: &[Segment], name: &[&str]) -> Option<Vec<String>> {
    let has_any = pattern.contains(&Segment::Any);
    let literal = pattern.len() - usize::from(has_any);
    let extra = name.len().checked_sub(literal)?;
    if extra > 0 && !has_any {
        return None;
    }
    let mut name = name.iter();
    let mut taken = Vec::new();
    for segment in pattern {
        match segment {
            Segment::Any => taken.push(name.by_ref().take(extra).copied().collect::<Vec<_>>().join("/")),
            Segment::Literal(literal) => (name.next()? == literal).then_some(())?,
            Segment::Glob(glob) => taken.push(glob.capture(name.next()?)?.to_owned()),
        }
    }
    Some(taken)
}

fn fill<'a>(segment: &str, taken: &mut impl Iterator<Item = &'a String>) -> String {
    let segment = if segment == "**" { "*" } else { segment };
    let mut parts = segment.split('*');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        filled.push_str(taken.next().map_or("", String::as_str));
        filled.push_str(part);
    }
    filled
}

fn finish(name: &str, rewritten: String) -> Result<String, RewriteError> {
    let (registry, repository) = rewritten.split_once('/').unwrap_or((&rewritten, ""));
    let checked = if is_host(registry) {
        check_repository(repository)
    } else {
        Err(ReferenceError::Registry(registry.to_owned()))
    };
    if let Err(error) = checked {
        return Err(RewriteError::Result { name: name.to_owned(), rewritten, error });
    }
    let one_part_of_hub = registry == DOCKER_HUB && !repository.contains('/');
    Ok(if one_part_of_hub { format!("{registry}/library/{repository}") } else { rewritten })
}
