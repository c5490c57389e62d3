//! [`DockerAuths`]: the `auths` of docker's `config.json`, as pull secrets (`kubernetes.io/dockerconfigjson`,
//! `kubernetes.io/dockercfg`) and `~/.docker/config.json` hold them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::source::{Access, Secret};
use crate::image::normalise_registry;

/// Credentials by registry, in docker's own format.
#[derive(Debug, Clone, Default)]
pub struct DockerAuths(Vec<Entry>);

#[derive(Debug, Clone)]
struct Entry {
    key: String,
    place: Place,
    fields: Fields,
}

/// What an entry is for: a host with its port, and a path below it (empty: all of it).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    host: String,
    path: String,
}

/// Why credentials cannot be read. Never holds any part of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DockerAuthsError {
    /// Not the JSON that docker writes.
    #[error("not docker's configuration (line {line}, column {column}): correct it there")]
    Format {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// An `auth` field is not the base64 of `user:password`.
    #[error("auths[{key:?}]: {what}")]
    Auth {
        /// The entry's key.
        key: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl From<serde_json::Error> for DockerAuthsError {
    // Only the place: serde's own words may quote a password.
    fn from(error: serde_json::Error) -> Self {
        Self::Format { line: error.line(), column: error.column() }
    }
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Fields>,
}

/// What docker writes of one registry. Never shown: see `Debug`.
#[derive(Clone, Deserialize)]
struct Fields {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fields(…)")
    }
}

impl DockerAuths {
    /// Reads `{"auths": {…}}` (`.dockerconfigjson`, `config.json`). Other fields are ignored.
    ///
    /// # Errors
    /// [`DockerAuthsError::Format`].
    pub fn from_config(json: &[u8]) -> Result<Self, DockerAuthsError> {
        Ok(Self::from_entries(serde_json::from_slice::<Config>(json)?.auths))
    }

    /// Reads the legacy `{"registry": {…}}` (`.dockercfg`).
    ///
    /// # Errors
    /// [`DockerAuthsError::Format`].
    pub fn from_legacy(json: &[u8]) -> Result<Self, DockerAuthsError> {
        Ok(Self::from_entries(serde_json::from_slice(json)?))
    }

    fn from_entries(entries: BTreeMap<String, Fields>) -> Self {
        let entry = |(key, fields): (String, Fields)| Entry { place: Place::read(&key), key, fields };
        let mut auths: Vec<_> = entries.into_iter().map(entry).collect();
        // The most specific first, as kubelet prefers it.
        auths.sort_by_key(|entry| std::cmp::Reverse(entry.place.path.len()));
        Self(auths)
    }

    /// What to show for `repository` on `registry`, the most specific entry first.
    ///
    /// # Errors
    /// [`DockerAuthsError::Auth`] when an entry for it cannot be read; others' entries do not matter.
    pub fn matching(&self, registry: &str, repository: &str) -> Result<Vec<Access>, DockerAuthsError> {
        let registry = one_name(registry);
        let fits = |entry: &&Entry| entry.place.host == registry && entry.place.covers(repository);
        let access = |entry: &Entry| {
            entry.fields.access().map_err(|what| DockerAuthsError::Auth { key: entry.key.clone(), what })
        };
        self.0.iter().filter(fits).filter_map(|entry| access(entry).transpose()).collect()
    }
}

impl Fields {
    fn access(&self) -> Result<Option<Access>, &'static str> {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Some(Access::IdentityToken(Secret::new(token))));
        }
        if let Some(auth) = given(&self.auth) {
            return decode(&auth).map(Some);
        }
        match (given(&self.username), given(&self.password)) {
            (Some(username), Some(password)) => {
                Ok(Some(Access::Basic { username, password: Secret::new(password) }))
            }
            // `docker login` with a store leaves `{}` here.
            _ => Ok(None),
        }
    }
}

fn decode(auth: &str) -> Result<Access, &'static str> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = GeneralPurpose::new(&STANDARD, lenient).decode(auth.trim());
    let decoded = decoded.map_err(|_| "auth is not base64: log in again")?;
    let decoded = String::from_utf8(decoded).map_err(|_| "auth is not UTF-8: log in again")?;
    match decoded.split_once(':') {
        Some((username, password)) if !username.is_empty() => {
            let password = Secret::new(password.trim_end_matches('\0'));
            Ok(Access::Basic { username: username.to_owned(), password })
        }
        _ => Err("auth is not USER:PASSWORD in base64: log in again"),
    }
}

impl Place {
    /// Reads `host[:port][/path]` with or without a scheme; docker's API paths `/v1/` and `/v2/` are no path.
    fn read(key: &str) -> Self {
        let key = key.split_once("://").map_or(key, |(_, rest)| rest).trim_end_matches('/');
        let (host, path) = key.split_once('/').unwrap_or((key, ""));
        let path = if matches!(path, "v1" | "v2") { "" } else { path };
        Self { host: one_name(host), path: path.to_owned() }
    }

    /// Whether the path is the repository or leads to it, whole segments only.
    fn covers(&self, repository: &str) -> bool {
        match repository.strip_prefix(self.path.as_str()) {
            Some(rest) => self.path.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }
}

/// The one name of a registry, as image references have it. What is no host at all matches only itself.
fn one_name(host: &str) -> String {
    normalise_registry(host).map_or_else(|_| host.to_ascii_lowercase(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(username: &str, password: &str) -> Access {
        Access::Basic { username: username.into(), password: Secret::new(password) }
    }

    fn found(auths: &DockerAuths, registry: &str, repository: &str) -> Vec<Access> {
        auths.matching(registry, repository).unwrap()
    }

    #[test]
    fn reads_every_form_of_an_entry() {
        let auths = DockerAuths::from_config(
            br#"{"auths":{
                "a.example.com":{"auth":"dXNlcjpwYTpzcw=="},
                "https://b.example.com/v2/":{"username":"u","password":"p"},
                "c.example.com:5000":{"identitytoken":"refresh","auth":"MDAwMDo="},
                "https://index.docker.io/v1/":{"auth":"aHViOnB3"},
                "d.example.com":{}},"credsStore":"desktop"}"#,
        )
        .unwrap();
        assert_eq!(found(&auths, "a.example.com", "x"), [basic("user", "pa:ss")]);
        assert_eq!(found(&auths, "b.example.com", "x/y"), [basic("u", "p")]);
        assert_eq!(found(&auths, "c.example.com:5000", "x"), [Access::IdentityToken(Secret::new("refresh"))]);
        assert_eq!(found(&auths, "c.example.com", "x"), []);
        assert_eq!(found(&auths, "docker.io", "library/nginx"), [basic("hub", "pw")]);
        assert_eq!(found(&auths, "d.example.com", "x"), []);
    }

    #[test]
    fn the_most_specific_path_comes_first_and_paths_end_at_segments() {
        let auths = DockerAuths::from_legacy(
            br#"{"r.example.com":{"username":"all","password":"1"},"r.example.com/shop":{"username":"shop","password":"2"}}"#,
        )
        .unwrap();
        assert_eq!(found(&auths, "r.example.com", "shop/web"), [basic("shop", "2"), basic("all", "1")]);
        assert_eq!(found(&auths, "r.example.com", "shop-evil/web"), [basic("all", "1")]);
    }

    #[test]
    fn p13_an_entry_for_any_host_of_docker_hub_is_docker_hubs() {
        for key in [
            "docker.io",
            "https://index.docker.io/v1/",
            "registry-1.docker.io",
            "registry.hub.docker.com",
            "Registry.Hub.Docker.com.:443/library",
        ] {
            let config = serde_json::json!({"auths": {key: {"username": "u", "password": "p"}}});
            let auths = DockerAuths::from_config(config.to_string().as_bytes()).unwrap();
            assert_eq!(found(&auths, "docker.io", "library/nginx"), [basic("u", "p")], "{key}");
            assert_eq!(found(&auths, "registry.example.com", "library/nginx"), [], "{key}");
        }
    }

    #[test]
    fn errors_tell_where_and_never_what_and_only_those_who_ask() {
        let auths = DockerAuths::from_config(br#"{"auths":{"a":{"auth":"aHVudGVyMg=="}}}"#).unwrap();
        let what = "auth is not USER:PASSWORD in base64: log in again";
        assert_eq!(auths.matching("a", "x"), Err(DockerAuthsError::Auth { key: "a".into(), what }));
        assert_eq!(auths.matching("b", "x"), Ok(Vec::new()));
        let error = DockerAuths::from_config(br#"{"auths":{"a":"hunter2"}}"#).unwrap_err();
        assert_eq!(error, DockerAuthsError::Format { line: 1, column: 23 });
    }
}
