//! [`ImageReference`]: an image name as a pod spec has it, normalised before anything looks at it.

mod error;
mod repository;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

pub use self::error::ReferenceError;
pub(super) use self::repository::check as check_repository;
use super::registry::{self, DOCKER_HUB, HostError};
use super::tag::{Tag, TagError};
use crate::digest::Digest;

/// A normalised image reference (design §2 "Images and patterns").
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageReference {
    original: String,
    /// Where it is not what the original begins with.
    normalised_name: Option<String>,
    name_len: usize,
    registry_len: usize,
    tag: TagAt,
    digest: Option<Digest>,
}

/// Where the tag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum TagAt {
    /// There is none.
    Nowhere,
    /// Neither a tag nor a digest was given: `latest`.
    Implied,
    /// In the original, from the first of these up to the second.
    Written(usize, usize),
}

impl ImageReference {
    /// More bytes than any reference can have: host, repository, tag and digest at their longest, and delimiters.
    pub const MAX_LEN: usize = 1024;

    /// Parses and normalises. A missing tag becomes `latest` unless there is a digest.
    ///
    /// # Errors
    /// [`ReferenceError`] that names what is wrong with the string.
    pub fn parse(original: &str) -> Result<Self, ReferenceError> {
        check_characters(original)?;
        check_image_id(original)?;
        let (rest, digest) = match original.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse::<Digest>()?)),
            None => (original, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let path_start = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[path_start..].find(':') {
            Some(colon) => (&rest[..path_start + colon], Some(&rest[path_start + colon + 1..])),
            None => (rest, None),
        };
        let tag = match (tag, digest) {
            (Some(tag), _) => {
                Tag::parse(tag)?;
                TagAt::Written(rest.len() - tag.len(), rest.len())
            }
            (None, None) => TagAt::Implied,
            (None, Some(_)) => TagAt::Nowhere,
        };
        let (normalised, registry_len) = normalise_name(name)?;
        let name_len = normalised.len();
        let normalised_name = match normalised {
            Cow::Borrowed(_) => None,
            Cow::Owned(normalised) => Some(normalised),
        };
        Ok(Self { original: original.to_owned(), normalised_name, name_len, registry_len, tag, digest })
    }

    /// The string as the pod spec has it.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// Normalised `registry/repository`: what patterns look at and what becomes the GUN.
    pub fn name(&self) -> &str {
        self.normalised_name.as_deref().unwrap_or_else(|| &self.original[..self.name_len])
    }

    /// Normalised registry host, with its port if that is not 443.
    pub fn registry(&self) -> &str {
        &self.name()[..self.registry_len]
    }

    /// Repository path without the registry.
    pub fn repository(&self) -> &str {
        &self.name()[self.registry_len + 1..]
    }

    /// The tag; `latest` where neither a tag nor a digest was given.
    pub fn tag(&self) -> Option<Tag<'_>> {
        match self.tag {
            TagAt::Nowhere => None,
            TagAt::Implied => Some(Tag::LATEST),
            TagAt::Written(start, end) => Some(Tag::parsed(&self.original[start..end])),
        }
    }

    /// Whether the tag stands in the reference, and is not implied.
    pub fn has_written_tag(&self) -> bool {
        matches!(self.tag, TagAt::Written(..))
    }

    /// The reference with this digest in place of any that it has: what the pod spec had, `:latest` if it had neither tag nor
    /// digest, and `@sha256:…`.
    pub fn with_digest(&self, digest: Digest) -> String {
        let name = self.original.split_once('@').map_or(&*self.original, |(name, _)| name);
        let latest = if matches!(self.tag, TagAt::Implied) { ":latest" } else { "" };
        digest.with_hex(|hex| [name, latest, "@sha256:", hex].concat())
    }

    /// The digest, if the reference carries one.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }
}

/// Nothing but printable ASCII, and not too much of it. Checked first, so that every later step is bounded and every
/// byte offset is a character's.
fn check_characters(original: &str) -> Result<(), ReferenceError> {
    if original.is_empty() {
        return Err(ReferenceError::Empty);
    }
    if original.len() > ImageReference::MAX_LEN {
        return Err(ReferenceError::TooLong { len: original.len(), max: ImageReference::MAX_LEN });
    }
    if !original.bytes().fold(true, |graphic, byte| graphic & byte.is_ascii_graphic())
        && let Some((offset, character)) = original.char_indices().find(|(_, c)| !c.is_ascii_graphic())
    {
        return Err(ReferenceError::Character { character, offset });
    }
    if original.match_indices(':').any(|(colon, _)| original[colon..].starts_with("://")) {
        return Err(ReferenceError::Scheme);
    }
    Ok(())
}

/// Runtimes take 64 hex digits, and `sha256:` with any number of them, as the ID of an image that is on the node already:
/// no registry, no trust data, so never an image name.
fn check_image_id(original: &str) -> Result<(), ReferenceError> {
    let is_hex = |s: &str| s.bytes().all(|b| b.is_ascii_hexdigit());
    let bare = original.len() == 64 && is_hex(original);
    let prefixed = ["sha256:", "sha384:", "sha512:"]
        .into_iter()
        .any(|algorithm| original.strip_prefix(algorithm).is_some_and(is_hex));
    if bare || prefixed { Err(ReferenceError::ImageId) } else { Ok(()) }
}

/// The normalised `registry/repository`, borrowed where it is what was written, and the length of its registry.
fn normalise_name(name: &str) -> Result<(Cow<'_, str>, usize), ReferenceError> {
    if name.is_empty() {
        return Err(ReferenceError::NoName);
    }
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest)) if registry::is_registry(first) => {
            let registry = registry::normalise(first).map_err(|error| match error {
                HostError::Host => ReferenceError::Registry(first.to_owned()),
                HostError::Port => ReferenceError::Port(first.to_owned()),
            })?;
            (registry, rest)
        }
        _ => (Cow::Borrowed(DOCKER_HUB), name),
    };
    repository::check(repository)?;
    let library = if registry == DOCKER_HUB && !repository.contains('/') { "library/" } else { "" };
    let registry_len = registry.len();
    let written = name.strip_prefix(&*registry).and_then(|rest| rest.strip_prefix('/'));
    let name = match library {
        "" if written == Some(repository) => Cow::Borrowed(name),
        _ => Cow::Owned([&registry, "/", library, repository].concat()),
    };
    Ok((name, registry_len))
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(s: &str) -> Result<Self, ReferenceError> {
        Self::parse(s)
    }
}

/// The normalised reference: `registry/repository[:tag][@sha256:…]`. It parses to itself.
impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        if let Some(tag) = self.tag() {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}
