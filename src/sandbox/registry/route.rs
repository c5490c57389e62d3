//! What a request asks a registry for (OCI distribution, "Endpoints").

use crate::digest::Digest;
use crate::image::Tag;

/// Where a request goes. Names have slashes, so paths are read from their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `/v2/`
    Ping,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(String),
    /// `/v2/<name>/manifests/<reference>`
    Manifest(String, Reference),
    /// `/v2/<name>/blobs/<digest>`
    Blob(String, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(String),
    /// `/v2/<name>/blobs/uploads/<number>`
    Upload(String, u64),
}

/// How a manifest is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    Tag(String),
    Digest(Digest),
}

impl Route {
    /// `None` for what is no path of a registry.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/v2")?;
        match rest {
            "" | "/" => return Some(Self::Ping),
            "/_catalog" => return Some(Self::Catalog),
            _ => {}
        }
        let rest = rest.strip_prefix('/')?;
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Some(Self::Tags(checked(name)?));
        }
        let (rest, last) = rest.rsplit_once('/')?;
        if let Some(name) = rest.strip_suffix("/manifests") {
            return Some(Self::Manifest(checked(name)?, Reference::parse(last)?));
        }
        if let Some(name) = rest.strip_suffix("/blobs/uploads") {
            let name = checked(name)?;
            return Some(if last.is_empty() {
                Self::Uploads(name)
            } else {
                Self::Upload(name, last.parse().ok()?)
            });
        }
        let name = rest.strip_suffix("/blobs")?;
        match last {
            "uploads" => Some(Self::Uploads(checked(name)?)),
            digest => Some(Self::Blob(checked(name)?, digest.parse().ok()?)),
        }
    }
}

impl Reference {
    fn parse(text: &str) -> Option<Self> {
        if text.contains(':') {
            return text.parse().ok().map(Self::Digest);
        }
        Tag::parse(text).ok().map(|tag| Self::Tag(tag.as_str().to_owned()))
    }
}

/// A repository's name: segments of lower-case letters, digits and separators.
fn checked(name: &str) -> Option<String> {
    let segment_fits = |segment: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        edge(segment.chars().next())
            && edge(segment.chars().next_back())
            && segment.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
    };
    (name.len() < 256 && name.split('/').all(segment_fits)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_slashes_and_words_of_the_protocol() {
        let digest = Digest::of(b"x");
        let name = |name: &str| name.to_owned();
        let tag = |tag: &str| Reference::Tag(tag.to_owned());
        for (path, route) in [
            ("/v2/", Route::Ping),
            ("/v2", Route::Ping),
            ("/v2/_catalog", Route::Catalog),
            ("/v2/shop/web/tags/list", Route::Tags(name("shop/web"))),
            ("/v2/shop/web/manifests/1.4", Route::Manifest(name("shop/web"), tag("1.4"))),
            ("/v2/a/manifests/b/manifests/c", Route::Manifest(name("a/manifests/b"), tag("c"))),
            ("/v2/shop/web/blobs/uploads/", Route::Uploads(name("shop/web"))),
            ("/v2/shop/web/blobs/uploads", Route::Uploads(name("shop/web"))),
            ("/v2/shop/web/blobs/uploads/7", Route::Upload(name("shop/web"), 7)),
        ] {
            assert_eq!(Route::parse(path), Some(route), "{path}");
        }
        let by_digest = format!("/v2/web/manifests/{digest}");
        assert_eq!(Route::parse(&by_digest), Some(Route::Manifest(name("web"), Reference::Digest(digest))));
        assert_eq!(Route::parse(&format!("/v2/web/blobs/{digest}")), Some(Route::Blob(name("web"), digest)));
    }

    #[test]
    fn what_is_no_path_of_a_registry_is_refused() {
        for path in [
            "/",
            "/v1/",
            "/v2/Web/manifests/1",
            "/v2/../manifests/1",
            "/v2//manifests/1",
            "/v2/web/manifests/",
            "/v2/web/manifests/.hidden",
            "/v2/web/manifests/sha256:aa",
            "/v2/web/blobs/1.4",
            "/v2/web/blobs/uploads/x",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }
}
