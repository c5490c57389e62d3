//! [`ImagePattern`]: the glob over normalised image names that policies use.

mod error;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

pub use self::error::PatternError;
use super::glob::Glob;
use super::reference::{ImageReference, check_repository};
use super::registry::{self, DOCKER_HUB};
use super::tag::{Tag, is_tag_byte};

/// A pattern over `registry/repository[:tag]`, matched segment by segment, anchored at both ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImagePattern {
    segments: Vec<Segment>,
    tag: Option<Glob>,
    text: String,
}

/// One segment of a pattern; the first is the registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Exactly this.
    Literal(String),
    /// With `*` for any number of characters.
    Glob(Glob),
    /// `**`: any number of whole segments, none included (design §11).
    Any,
}

impl ImagePattern {
    /// The longest pattern, in bytes; the resources' schema has the same number.
    pub const MAX_LEN: usize = 512;

    /// The pattern `**`, which matches every image.
    pub fn everything() -> Self {
        Self { segments: vec![Segment::Any], tag: None, text: "**".to_owned() }
    }

    /// Parses a pattern and normalises it as references are: `Index.docker.io:443/nginx` is `docker.io/library/nginx`.
    ///
    /// # Errors
    /// [`PatternError`] that says what is wrong and what to write instead.
    pub fn parse(pattern: &str) -> Result<Self, PatternError> {
        if pattern.len() > Self::MAX_LEN {
            return Err(PatternError::TooLong { len: pattern.len(), max: Self::MAX_LEN });
        }
        if let Some(character) = pattern.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(PatternError::Character(character));
        }
        if pattern.contains('@') {
            return Err(PatternError::Digest);
        }
        if pattern == "**" {
            return Ok(Self::everything());
        }
        let Some((registry, rest)) = pattern.split_once('/') else {
            return Err(PatternError::without_registry(pattern));
        };
        let registry = parse_registry(registry, pattern)?;
        let (path, tag) = match rest.rfind(['/', ':']) {
            Some(at) if rest.as_bytes().get(at) == Some(&b':') => (&rest[..at], Some(&rest[at + 1..])),
            _ => (rest, None),
        };
        let mut segments = vec![Segment::Literal(registry)];
        for segment in path.split('/') {
            let segment = Segment::parse(segment)?;
            if !(segment == Segment::Any && segments.last() == Some(&Segment::Any)) {
                segments.push(segment);
            }
        }
        fold_library(&mut segments);
        let tag = tag.map(parse_tag).transpose()?;
        let text = render(&segments, tag.as_ref());
        Ok(Self { segments, tag, text })
    }

    /// Its segments, the registry first.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// What it asks of the tag, if it asks anything.
    pub fn tag(&self) -> Option<&Glob> {
        self.tag.as_ref()
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern, but for its tag, matches the image's name.
    pub fn matches_name(&self, image: &ImageReference) -> bool {
        if matches!(self.segments.first(), Some(Segment::Literal(registry)) if registry != image.registry()) {
            return false;
        }
        matches(&self.segments, &image.segments().collect::<Vec<_>>())
    }

    /// Whether an `include` with this pattern covers `image`. Runtimes ignore the tag beside a digest, so a tagged include
    /// covers every digest reference of its repository (design §2).
    pub fn includes(&self, image: &ImageReference) -> bool {
        (image.digest().is_some() || self.fits_tag(image)) && self.matches_name(image)
    }

    /// Whether an `exclude` with this pattern takes `image` out: a tagged one takes out no digest reference.
    pub fn excludes(&self, image: &ImageReference) -> bool {
        (self.tag.is_none() || image.digest().is_none()) && self.covers_tag(image)
    }

    /// Whether the pattern matches the image's name and its tag as well.
    pub fn covers_tag(&self, image: &ImageReference) -> bool {
        self.fits_tag(image) && self.matches_name(image)
    }

    /// Whether the image's tag is one that the pattern asks for.
    pub fn fits_tag(&self, image: &ImageReference) -> bool {
        let Some(glob) = &self.tag else { return true };
        image.tag().is_some_and(|tag| glob.matches(tag.as_str()))
    }
}

impl ImageReference {
    /// The segments that patterns look at: the registry, then the parts of the repository.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.registry()).chain(self.repository().split('/'))
    }
}

impl Segment {
    fn parse(segment: &str) -> Result<Self, PatternError> {
        if segment == "**" {
            return Ok(Self::Any);
        }
        if segment.contains("**") {
            return Err(PatternError::DoubleStar(segment.to_owned()));
        }
        if !segment.contains('*') {
            check_repository(segment)?;
            return Ok(Self::Literal(segment.to_owned()));
        }
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-*".contains(&b);
        if !segment.bytes().all(fits) {
            return Err(PatternError::Segment(segment.to_owned()));
        }
        Ok(Self::Glob(Glob::new(segment)))
    }

    /// Whether this segment, if it is not `**`, matches `segment`.
    pub fn matches(&self, segment: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == segment,
            Self::Glob(glob) => glob.matches(segment),
            Self::Any => false,
        }
    }
}

/// Whether `pattern` matches all of `name`. When a segment after a `**` does not fit, that `**` takes one more and all
/// before it stands: at most (segments of the pattern) × (segments of the name) comparisons.
fn matches(pattern: &[Segment], name: &[&str]) -> bool {
    let (mut at, mut done) = (0, 0);
    let mut last_any = None;
    while let Some(segment) = name.get(done) {
        match pattern.get(at) {
            Some(Segment::Any) => {
                at += 1;
                last_any = Some((at, done));
            }
            Some(wanted) if wanted.matches(segment) => {
                at += 1;
                done += 1;
            }
            _ => {
                let Some((after_any, taken)) = last_any else { return false };
                last_any = Some((after_any, taken + 1));
                (at, done) = (after_any, taken + 1);
            }
        }
    }
    pattern.iter().skip(at).all(|segment| *segment == Segment::Any)
}

fn parse_registry(registry: &str, pattern: &str) -> Result<String, PatternError> {
    if registry.contains('*') {
        return Err(PatternError::RegistryGlob(registry.to_owned()));
    }
    if !registry::is_registry(registry) {
        return Err(PatternError::without_registry(pattern));
    }
    let normalised = registry::normalise(registry);
    normalised.map(Cow::into_owned).map_err(|_| PatternError::Registry(registry.to_owned()))
}

/// One-part names of Docker Hub are in `library/`; `**` alone is no part.
fn fold_library(segments: &mut Vec<Segment>) {
    if let [Segment::Literal(registry), Segment::Literal(_) | Segment::Glob(_)] = segments.as_slice()
        && registry == DOCKER_HUB
    {
        segments.insert(1, Segment::Literal("library".to_owned()));
    }
}

fn parse_tag(tag: &str) -> Result<Glob, PatternError> {
    if tag.contains("**") {
        return Err(PatternError::DoubleStar(tag.to_owned()));
    }
    if !tag.contains('*') {
        Tag::parse(tag)?;
    } else if tag.len() > Tag::MAX_LEN || !tag.bytes().all(|b| b == b'*' || is_tag_byte(b)) {
        return Err(PatternError::Tag(tag.to_owned()));
    }
    Ok(Glob::new(tag))
}

fn render(segments: &[Segment], tag: Option<&Glob>) -> String {
    let segments: Vec<String> = segments.iter().map(Segment::to_string).collect();
    let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    segments.join("/") + &tag
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => f.write_str(literal),
            Self::Glob(glob) => glob.fmt(f),
            Self::Any => f.write_str("**"),
        }
    }
}

impl FromStr for ImagePattern {
    type Err = PatternError;

    fn from_str(s: &str) -> Result<Self, PatternError> {
        Self::parse(s)
    }
}

/// The normalised pattern. It parses to itself.
impl fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
