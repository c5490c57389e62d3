//! [`Gun`] and [`RoleName`]: the names of Notary v1.

use std::fmt;
use std::sync::{Arc, LazyLock};

/// A globally unique name: the full name of a repository without its tag, `registry.example.com/shop/web`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gun(Arc<str>);

/// Why a string is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not {what}")]
pub struct NameError {
    /// The string.
    pub name: String,
    /// What it was to be.
    pub what: &'static str,
}

impl Gun {
    /// Takes a repository name as a GUN. It is put into URL paths unescaped, so only printable ASCII without
    /// `?`, `#`, `%`, `\`, empty, `.` and `..` segments is taken.
    ///
    /// # Errors
    /// [`NameError`] otherwise.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let fits = !name.is_empty()
            && name.bytes().all(|b| {
                b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'%' | b'\\' | b'"' | b'<' | b'>')
            })
            && (!has_odd_segments(name)
                || name.split('/').all(|segment| !matches!(segment, "" | "." | "..")));
        fits.then(|| Self(name.into())).ok_or_else(|| NameError { name: name.to_owned(), what: "a GUN" })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Gun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a segment is empty or begins with a dot: only such a one can be empty, `.` or `..`.
fn has_odd_segments(name: &str) -> bool {
    let begins_oddly = |byte: Option<u8>| matches!(byte, None | Some(b'/' | b'.'));
    let bytes = name.as_bytes();
    let inner = bytes.array_windows().any(|[before, first]| *before == b'/' && begins_oddly(Some(*first)));
    inner || begins_oddly(bytes.first().copied()) || bytes.ends_with(b"/")
}

/// A role: one of the four base roles, or a delegation role such as `targets/releases`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleName(Arc<str>);

/// The base roles. They are named at every turn, so their names are made once.
struct Base {
    root: RoleName,
    timestamp: RoleName,
    snapshot: RoleName,
    targets: RoleName,
}

static BASE: LazyLock<Base> = LazyLock::new(|| {
    let name = |name: &str| RoleName(name.into());
    Base {
        root: name("root"),
        timestamp: name("timestamp"),
        snapshot: name("snapshot"),
        targets: name("targets"),
    }
});

impl RoleName {
    /// The longest role name, exclusive, in bytes (Notary v1, delegation role names).
    pub const MAX_LEN: usize = 256;

    /// `root`.
    pub fn root() -> Self {
        BASE.root.clone()
    }

    /// `timestamp`.
    pub fn timestamp() -> Self {
        BASE.timestamp.clone()
    }

    /// `snapshot`.
    pub fn snapshot() -> Self {
        BASE.snapshot.clone()
    }

    /// `targets`.
    pub fn targets() -> Self {
        BASE.targets.clone()
    }

    /// Parses a base role or a delegation role: `targets/` and path-clean segments of `[-a-z0-9_]+`.
    ///
    /// # Errors
    /// [`NameError`] otherwise.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let segment_fits = |s: &str| {
            !s.is_empty() && s.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
        };
        let fits = match name.strip_prefix("targets/") {
            Some(rest) => name.len() < Self::MAX_LEN && rest.split('/').all(segment_fits),
            None => matches!(name, "root" | "timestamp" | "snapshot" | "targets"),
        };
        fits.then(|| Self(name.into()))
            .ok_or_else(|| NameError { name: name.to_owned(), what: "a role name" })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a delegation role (below `targets`).
    pub fn is_delegation(&self) -> bool {
        self.0.starts_with("targets/")
    }

    /// The role that delegates this one: `targets/a` for `targets/a/b`. Base roles have none.
    pub fn parent(&self) -> Option<Self> {
        match self.0.rsplit_once('/')?.0 {
            "targets" => Some(Self::targets()),
            parent => Some(Self(parent.into())),
        }
    }
}

impl std::borrow::Borrow<str> for RoleName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
