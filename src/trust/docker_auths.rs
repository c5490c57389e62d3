//! [`DockerAuths`]: the `auths` of docker's `config.json`, as pull secrets (`kubernetes.io/dockerconfigjson`,
//! `kubernetes.io/dockercfg`) and `~/.docker/config.json` hold them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::source::{Access, Secret};

/// Credentials by registry, in docker's own format.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DockerAuths(Vec<(Place, Access)>);

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
    #[error("not docker's config format: {0}")]
    Format(String),
    /// An `auth` field is not the base64 of `user:password`.
    #[error("the entry for {0:?} has an `auth` that is not the base64 of user:password")]
    Auth(String),
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize, Default)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
}

impl DockerAuths {
    /// Reads `{"auths": {…}}` (`.dockerconfigjson`, `config.json`). Other fields are ignored.
    ///
    /// # Errors
    /// [`DockerAuthsError`].
    pub fn from_config(json: &[u8]) -> Result<Self, DockerAuthsError> {
        let config: Config = serde_json::from_slice(json).map_err(|error| format_error(&error))?;
        Self::from_entries(config.auths)
    }

    /// Reads the legacy `{"registry": {…}}` (`.dockercfg`).
    ///
    /// # Errors
    /// [`DockerAuthsError`].
    pub fn from_legacy(json: &[u8]) -> Result<Self, DockerAuthsError> {
        Self::from_entries(serde_json::from_slice(json).map_err(|error| format_error(&error))?)
    }

    fn from_entries(entries: BTreeMap<String, Entry>) -> Result<Self, DockerAuthsError> {
        let mut auths = Vec::new();
        for (key, entry) in entries {
            if let Some(access) = entry.access(&key)? {
                auths.push((Place::read(&key), access));
            }
        }
        // The most specific first, as kubelet and docker prefer it.
        auths.sort_by_key(|(place, _)| std::cmp::Reverse(place.path.len()));
        Ok(Self(auths))
    }

    /// What to show for `repository` on `registry`, the most specific entry first.
    pub fn matching<'a>(&'a self, registry: &'a str, repository: &'a str) -> impl Iterator<Item = &'a Access> {
        let fits = move |place: &Place| place.host == fold_hub(registry) && place.covers(repository);
        self.0.iter().filter(move |(place, _)| fits(place)).map(|(_, access)| access)
    }
}

// serde_json's messages may quote what they could not read, and what they could not read may be a secret.
fn format_error(error: &serde_json::Error) -> DockerAuthsError {
    DockerAuthsError::Format(format!("line {} column {}", error.line(), error.column()))
}

impl Entry {
    fn access(self, key: &str) -> Result<Option<Access>, DockerAuthsError> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Access::IdentityToken(Secret::new(self.identitytoken))));
        }
        if !self.username.is_empty() {
            return Ok(Some(Access::Basic { username: self.username, password: Secret::new(self.password) }));
        }
        if self.auth.is_empty() {
            return Ok(None);
        }
        let malformed = || DockerAuthsError::Auth(key.to_owned());
        let decoded = STANDARD.decode(self.auth.trim()).map_err(|_| malformed())?;
        let decoded = String::from_utf8(decoded).map_err(|_| malformed())?;
        let (username, password) = decoded.split_once(':').ok_or_else(malformed)?;
        let password = password.trim_end_matches('\0');
        Ok(Some(Access::Basic { username: username.to_owned(), password: Secret::new(password) }))
    }
}

impl Place {
    /// Reads `host[:port][/path]` with or without a scheme; docker's API paths `/v1/` and `/v2/` are no path.
    fn read(key: &str) -> Self {
        let key = key.split_once("://").map_or(key, |(_, rest)| rest).trim_end_matches('/');
        let (host, path) = key.split_once('/').unwrap_or((key, ""));
        let path = if matches!(path, "v1" | "v2") { "" } else { path };
        Self { host: fold_hub(host), path: path.to_owned() }
    }

    /// Whether the path is the repository or leads to it, whole segments only.
    fn covers(&self, repository: &str) -> bool {
        match repository.strip_prefix(self.path.as_str()) {
            Some(rest) => self.path.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }
}

/// Hub has many names.
fn fold_hub(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(":443").unwrap_or(&host);
    match host {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => "docker.io".to_owned(),
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(username: &str, password: &str) -> Access {
        Access::Basic { username: username.into(), password: Secret::new(password) }
    }

    fn found(auths: &DockerAuths, registry: &str, repository: &str) -> Vec<Access> {
        auths.matching(registry, repository).cloned().collect()
    }

    #[test]
    fn reads_every_form_of_an_entry() {
        let auths = DockerAuths::from_config(
            br#"{"auths":{
                "a.example.com":{"auth":"dXNlcjpwYTpzcw=="},
                "https://b.example.com/v2/":{"username":"u","password":"p","auth":"ignored"},
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
    fn errors_tell_where_and_never_what() {
        let error = DockerAuths::from_config(br#"{"auths":{"a":{"auth":"aHVudGVyMg=="}}}"#).unwrap_err();
        assert_eq!(error, DockerAuthsError::Auth("a".into()));
        let error = DockerAuths::from_config(br#"{"auths":{"a":"hunter2"}}"#).unwrap_err();
        assert_eq!(error, DockerAuthsError::Format("line 1 column 23".into()));
    }
}
