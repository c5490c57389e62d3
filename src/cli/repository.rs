//! [`Repository`]: a repository, or one tag of it, as a user names it.

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::image::{ImageReference, Tag};
use crate::tuf::Gun;

/// A repository that a user named, with or without a tag.
#[derive(Debug, Clone)]
pub struct Repository {
    image: ImageReference,
    gun: Gun,
    has_tag: bool,
}

impl Repository {
    /// Reads `[registry/]repository[:tag][@digest]`.
    ///
    /// # Errors
    /// When it is no image reference.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let image = ImageReference::parse(text).with_context(|| format!("{text:?} is not a repository"))?;
        let gun = Gun::new(image.name())?;
        // `latest` may be the parser's own addition. A colon before the last slash belongs to a port.
        let name = text.split_once('@').map_or(text, |(name, _)| name);
        let has_tag = name.rsplit('/').next().unwrap_or_default().contains(':');
        Ok(Self { image, gun, has_tag })
    }

    /// Reads a repository or a tag of it; a digest is refused.
    ///
    /// # Errors
    /// When it is no image reference, or has a digest.
    pub fn without_digest(text: &str) -> anyhow::Result<Self> {
        let repository = Self::parse(text)?;
        if repository.image.digest().is_some() {
            bail!("{text}: name the repository, or a tag of it, without a digest");
        }
        Ok(repository)
    }

    /// Reads a repository; a tag or a digest is refused.
    ///
    /// # Errors
    /// When it is no repository.
    pub fn whole(text: &str) -> anyhow::Result<Self> {
        let repository = Self::without_digest(text)?;
        if repository.has_tag {
            bail!("{text}: this is about a whole repository: leave out the tag");
        }
        Ok(repository)
    }

    /// The image reference; it has a tag (`latest` where none was given) or a digest.
    pub fn image(&self) -> &ImageReference {
        &self.image
    }

    /// The GUN: the normalised name.
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// The registry's host.
    pub fn registry(&self) -> &str {
        self.image.registry()
    }

    /// The tag, if one was given.
    pub fn tag(&self) -> Option<Tag<'_>> {
        self.image.tag().filter(|_| self.has_tag)
    }
}

/// Reads a text file that the command line names.
///
/// # Errors
/// When it cannot be read, with its name.
pub fn read(path: impl AsRef<Path>) -> anyhow::Result<String> {
    let path = path.as_ref();
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_one_that_was_given() {
        for (text, gun, tag) in [
            ("registry.example.com/shop/web", "registry.example.com/shop/web", None),
            ("registry.example.com/shop/web:1.4", "registry.example.com/shop/web", Some("1.4")),
            ("localhost:5000/demo", "localhost:5000/demo", None),
            ("localhost:5000/demo:1", "localhost:5000/demo", Some("1")),
            ("alpine:3", "docker.io/library/alpine", Some("3")),
        ] {
            let repository = Repository::parse(text).unwrap();
            assert_eq!(repository.gun().as_str(), gun);
            assert_eq!(repository.tag().map(|tag| tag.as_str()), tag, "{text}");
        }
    }
}
