//! [`Route`]: what a path asks for. GUNs contain slashes, so paths are parsed from both ends.

use axum::http::Method;

use super::contents::Which;
use crate::digest::Digest;
use crate::tuf::{Gun, RoleName};

/// The longest GUN, in bytes: what the real server's database holds.
const MAX_GUN: usize = 255;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `GET /v2/`
    Ping,
    /// `GET /_notary_server/health`
    Health,
    /// `GET …/_trust/tuf/<role>.json`, by hash, by version.
    File {
        gun: Gun,
        /// All of it below `…/_trust/tuf/`.
        path: String,
        /// As written; it may be no role at all.
        role: String,
        which: Asked,
    },
    /// `POST …/_trust/tuf/`
    Upload(Gun),
    /// `DELETE …/_trust/tuf/`
    Delete(Gun),
    /// `GET …/_trust/tuf/{timestamp,snapshot}.key`
    Key(Gun, RoleName),
    /// `POST …/_trust/tuf/{timestamp,snapshot}.key`
    Rotate(Gun, RoleName),
    /// `GET /v2/_trust/changefeed`, `GET /v2/<GUN>/_trust/changefeed`
    Changefeed(Option<Gun>),
    /// An upload under a name that is no GUN here.
    InvalidGun,
    /// Any other path.
    NotFound,
    /// A method that no path has.
    Method,
}

/// Which file of a role is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    File(Which),
    /// By a hash that nothing is stored under.
    OtherHash,
    /// By a number that is no version.
    Number(String),
}

impl Route {
    /// Reads a decoded path.
    pub(super) fn parse(method: &Method, path: &str) -> Self {
        if ![Method::GET, Method::POST, Method::PUT, Method::HEAD, Method::DELETE].contains(method) {
            return Self::Method;
        }
        Self::known(method, path).unwrap_or(Self::NotFound)
    }

    fn known(method: &Method, path: &str) -> Option<Self> {
        let is_get = method == Method::GET;
        match path {
            "/v2/" if is_get => return Some(Self::Ping),
            "/_notary_server/health" if is_get => return Some(Self::Health),
            "/v2/_trust/changefeed" if is_get => return Some(Self::Changefeed(None)),
            _ => {}
        }
        let rest = path.strip_prefix("/v2/")?;
        if let Some(name) = rest.strip_suffix("/_trust/changefeed").filter(|_| is_get) {
            return Some(Self::Changefeed(Some(gun(name)?)));
        }
        let (name, file) = rest.rsplit_once("/_trust/tuf/")?;
        let gun = gun(name);
        if file.is_empty() {
            return match *method {
                Method::POST => Some(gun.map_or(Self::InvalidGun, Self::Upload)),
                Method::DELETE => gun.map(Self::Delete),
                _ => None,
            };
        }
        if let Some(role) = file.strip_suffix(".key") {
            let role = RoleName::parse(role).ok().filter(is_server_managed)?;
            return match *method {
                Method::GET => gun.map(|gun| Self::Key(gun, role)),
                Method::POST => gun.map(|gun| Self::Rotate(gun, role)),
                _ => None,
            };
        }
        let (role, which) = file_of(file).filter(|_| is_get)?;
        Some(Self::File { gun: gun?, path: file.to_owned(), role: role.to_owned(), which })
    }
}

/// `timestamp` and `snapshot`: what a server may sign.
pub(super) fn is_server_managed(role: &RoleName) -> bool {
    matches!(role.as_str(), "timestamp" | "snapshot")
}

fn gun(name: &str) -> Option<Gun> {
    Gun::new(name).ok().filter(|_| name.len() <= MAX_GUN && !name.contains('*'))
}

/// `<role>.<hash>.json`, `<version>.<role>.json`, `<role>.json`; whichever fits first.
fn file_of(file: &str) -> Option<(&str, Asked)> {
    let stem = file.strip_suffix(".json")?;
    if let Some((role, hash)) = stem.rsplit_once('.')
        && looks_like_a_role(role)
        && matches!(hash.len(), 64 | 96 | 128)
        && hash.bytes().all(|b| b.is_ascii_hexdigit())
    {
        let stored = Digest::from_hex(hash);
        return Some((role, stored.map_or(Asked::OtherHash, |hash| Asked::File(Which::Hash(hash)))));
    }
    if let Some((number, role)) = stem.split_once('.')
        && looks_like_a_role(role)
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
    {
        // Go's integers.
        let version = number.parse::<i64>().ok().and_then(|version| u64::try_from(version).ok());
        let asked = version.map(|version| Asked::File(Which::Version(version)));
        return Some((role, asked.unwrap_or_else(|| Asked::Number(number.to_owned()))));
    }
    looks_like_a_role(stem).then_some((stem, Asked::File(Which::Current)))
}

fn looks_like_a_role(name: &str) -> bool {
    match name.strip_prefix("targets/") {
        Some(rest) => rest.split('/').all(|s| !s.is_empty() && !s.contains(char::is_whitespace)),
        None => matches!(name, "root" | "targets" | "snapshot" | "timestamp"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Route {
        Route::parse(&Method::GET, path)
    }

    fn file(name: &str, path: &str, role: &str, which: Asked) -> Route {
        let (path, role) = (path.to_owned(), role.to_owned());
        Route::File { gun: Gun::new(name).unwrap(), path, role, which }
    }

    #[test]
    fn the_gun_is_everything_before_the_last_trust_tuf() {
        let route = get("/v2/registry.test/a/b/_trust/tuf/targets/x/y.json");
        let which = || Asked::File(Which::Current);
        assert_eq!(route, file("registry.test/a/b", "targets/x/y.json", "targets/x/y", which()));
        let route = get("/v2/a/_trust/tuf/b/_trust/tuf/root.json");
        assert_eq!(route, file("a/_trust/tuf/b", "root.json", "root", which()));
    }

    #[test]
    fn a_file_is_asked_for_by_name_hash_or_version() {
        let hash = "ab".repeat(32);
        let by = |path: &str| match get(&format!("/v2/a/_trust/tuf/{path}")) {
            Route::File { role, which, .. } => Some((role, which)),
            _ => None,
        };
        let some = |role: &str, which| Some((role.to_owned(), which));
        let digest = Digest::from_hex(&hash).unwrap();
        assert_eq!(
            by(&format!("targets/a.{hash}.json")),
            some("targets/a", Asked::File(Which::Hash(digest)))
        );
        assert_eq!(by(&format!("root.{}.json", hash.to_uppercase())), some("root", Asked::OtherHash));
        assert_eq!(by(&format!("root.{}.json", "0".repeat(128))), some("root", Asked::OtherHash));
        assert_eq!(by("007.root.json"), some("root", Asked::File(Which::Version(7))));
        assert_eq!(by("3.targets/a/b.json"), some("targets/a/b", Asked::File(Which::Version(3))));
        let huge = "9".repeat(30);
        assert_eq!(by(&format!("{huge}.root.json")), some("root", Asked::Number(huge)));
        assert_eq!(by("targets/a.b.json"), some("targets/a.b", Asked::File(Which::Current)));
        for other in
            ["other.json", "targets/.json", "targets//a.json", "root", ".root.json", "x.root.json", ".json"]
        {
            assert_eq!(by(other), None, "{other}");
        }
    }

    #[test]
    fn only_the_servers_own_roles_have_keys() {
        let gun = || Gun::new("a").unwrap();
        let path = "/v2/a/_trust/tuf/snapshot.key";
        assert_eq!(get(path), Route::Key(gun(), RoleName::snapshot()));
        assert_eq!(Route::parse(&Method::POST, path), Route::Rotate(gun(), RoleName::snapshot()));
        assert_eq!(Route::parse(&Method::DELETE, path), Route::NotFound);
        for role in ["root", "targets", "targets/a", ""] {
            assert_eq!(get(&format!("/v2/a/_trust/tuf/{role}.key")), Route::NotFound);
        }
    }

    #[test]
    fn the_trailing_slash_of_an_upload_is_mandatory() {
        let gun = || Gun::new("a").unwrap();
        let post = |path: &str| Route::parse(&Method::POST, path);
        assert_eq!(post("/v2/a/_trust/tuf/"), Route::Upload(gun()));
        assert_eq!(post("/v2/a/_trust/tuf"), Route::NotFound);
        assert_eq!(Route::parse(&Method::DELETE, "/v2/a/_trust/tuf/"), Route::Delete(gun()));
        assert_eq!(Route::parse(&Method::PATCH, "/v2/a/_trust/tuf/"), Route::Method);
        for name in ["a//b", "a/../b", "a*", "", &"a".repeat(256)] {
            assert_ne!(post(&format!("/v2/{name}/_trust/tuf/")), Route::Upload(gun()), "{name}");
        }
        assert_eq!(post(&format!("/v2/{}/_trust/tuf/", "a".repeat(256))), Route::InvalidGun);
    }

    #[test]
    fn the_feeds_are_two() {
        assert_eq!(get("/v2/_trust/changefeed"), Route::Changefeed(None));
        assert_eq!(get("/v2/a/b/_trust/changefeed"), Route::Changefeed(Some(Gun::new("a/b").unwrap())));
    }
}
