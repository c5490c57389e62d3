//! [`DockerAuths`]: the `auths` of docker's `config.json`, as pull secrets (`kubernetes.io/dockerconfigjson`,
//! `kubernetes.io/dockercfg`) and `~/.docker/config.json` hold them.

mod place;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::place::Place;
use super::{Access, Secret};

/// As much of a key is shown, in characters: a host name has 253 at most.
const LONGEST_KEY: usize = 253;

/// Credentials by registry, in docker's own format.
#[derive(Debug, Clone, Default)]
pub struct DockerAuths(Vec<AuthEntry>);

/// What `auths` has under one key.
#[derive(Debug, Clone)]
pub struct AuthEntry {
    key: String,
    place: Place,
    fields: Fields,
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

/// Reads JSON as docker does, for which a file with nothing in it, and `null` for any member, is as good as absent.
///
/// # Errors
/// [`DockerAuthsError::Format`].
pub fn read_json<T: DeserializeOwned + Default>(json: &[u8]) -> Result<T, DockerAuthsError> {
    if json.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    Ok(serde_json::from_slice::<Option<T>>(json)?.unwrap_or_default())
}

/// `null` stands for an entry without fields.
type Entries = BTreeMap<String, Option<Fields>>;

#[derive(Default, Deserialize)]
struct Config {
    auths: Option<Entries>,
}

/// What docker writes of one registry. Never shown: see `Debug`.
#[derive(Clone, Default, Deserialize)]
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
        Ok(Self::from_entries(read_json::<Config>(json)?.auths.unwrap_or_default()))
    }

    /// Reads the legacy `{"registry": {…}}` (`.dockercfg`).
    ///
    /// # Errors
    /// [`DockerAuthsError::Format`].
    pub fn from_legacy(json: &[u8]) -> Result<Self, DockerAuthsError> {
        Ok(Self::from_entries(read_json(json)?))
    }

    fn from_entries(entries: Entries) -> Self {
        let entry = |(key, fields): (String, Option<Fields>)| AuthEntry {
            place: Place::read(&key),
            key,
            fields: fields.unwrap_or_default(),
        };
        Self(entries.into_iter().map(entry).collect())
    }

    /// The entries for `repository` on `registry`, in no order: see [`AuthEntry::sort`].
    pub fn entries_for<'a>(
        &'a self,
        registry: &'a str,
        repository: &'a str,
    ) -> impl Iterator<Item = &'a AuthEntry> {
        self.0.iter().filter(move |entry| entry.place.covers(registry, repository))
    }

    /// What to show for `repository` on `registry`, in the order in which kubelet tries them.
    ///
    /// # Errors
    /// [`DockerAuthsError::Auth`] when an entry for it cannot be read, and none can. Others' entries do not matter.
    pub fn matching(&self, registry: &str, repository: &str) -> Result<Vec<Access>, DockerAuthsError> {
        let mut entries: Vec<_> = self.entries_for(registry, repository).collect();
        AuthEntry::sort(&mut entries, |entry| entry);
        let (mut found, mut failed) = (Vec::new(), None);
        for entry in entries {
            match entry.access() {
                Ok(access) => found.extend(access),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(found),
        }
    }
}

impl AuthEntry {
    /// Sorts what has an entry as kubelet does: the most specific first. Equal ones stay as they are.
    pub fn sort<T>(all: &mut [T], entry: impl Fn(&T) -> &Self) {
        all.sort_by(|a, b| Reverse(&entry(a).place).cmp(&Reverse(&entry(b).place)));
    }

    /// What to show; `None` where the entry holds nothing of the kind, as `docker login` with a store leaves it.
    ///
    /// # Errors
    /// [`DockerAuthsError::Auth`].
    pub fn access(&self) -> Result<Option<Access>, DockerAuthsError> {
        let failed =
            |what| DockerAuthsError::Auth { key: self.key.chars().take(LONGEST_KEY).collect(), what };
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let Fields { auth, username, password, identitytoken } = &self.fields;
        if let Some(token) = given(identitytoken) {
            return Ok(Some(Access::IdentityToken(Secret::new(token))));
        }
        if let Some(auth) = given(auth) {
            return decode(&auth).map(Some).map_err(failed);
        }
        Ok(given(username)
            .zip(given(password))
            .map(|(username, password)| Access::Basic { username, password: Secret::new(password) }))
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

    #[test]
    fn null_and_nothing_are_read_as_docker_reads_them() {
        for config in [
            "",
            " \n\t",
            "null",
            "{}",
            r#"{"auths":null}"#,
            r#"{"auths":{}}"#,
            r#"{"auths":{"a":null},"x":null}"#,
        ] {
            let auths =
                DockerAuths::from_config(config.as_bytes()).unwrap_or_else(|e| panic!("{config:?}: {e}"));
            assert_eq!(found(&auths, "a", "x"), [], "{config:?}");
        }
        for legacy in ["", "\n", "null", "{}", r#"{"a":null}"#, r#"{"a":{"auth":null}}"#] {
            let auths =
                DockerAuths::from_legacy(legacy.as_bytes()).unwrap_or_else(|e| panic!("{legacy:?}: {e}"));
            assert_eq!(found(&auths, "a", "x"), [], "{legacy:?}");
        }
        let auths = DockerAuths::from_config(
            br#"{"auths":{"a":null,"b":{"auth":null,"username":"u","password":"p","identitytoken":null},
                "c":{"auth":"dXNlcjpwYTpzcw==","username":null,"password":null,"email":null},
                "d":{"username":"u","password":null},"e":{"registrytoken":"t"}},"credHelpers":null}"#,
        )
        .unwrap();
        assert_eq!(found(&auths, "a", "x"), []);
        assert_eq!(found(&auths, "b", "x"), [basic("u", "p")]);
        assert_eq!(found(&auths, "c", "x"), [basic("user", "pa:ss")]);
        assert_eq!(found(&auths, "d", "x"), []);
        assert_eq!(found(&auths, "e", "x"), []);
    }

    #[test]
    fn what_is_no_configuration_is_an_error() {
        for config in [
            "{",
            "[]",
            "x",
            r#""""#,
            r#"{"auths":[]}"#,
            r#"{"auths":{"a":[]}}"#,
            r#"{"auths":{"a":{"auth":3}}}"#,
        ] {
            let error = DockerAuths::from_config(config.as_bytes()).unwrap_err();
            assert!(matches!(error, DockerAuthsError::Format { .. }), "{config:?}: {error}");
        }
    }

    #[test]
    fn entries_come_in_kubelets_order() {
        let auths = DockerAuths::from_legacy(
            br#"{"*.example.com":{"username":"glob","password":"1"},
                "r.example.com":{"username":"host","password":"2"},
                "*.example.com/shop":{"username":"glob path","password":"3"},
                "r.example.com/shop/web":{"username":"image","password":"4"},
                "r.example.com/shop":{"username":"path","password":"5"},
                "*.*.com":{"username":"globs","password":"6"},
                "r.example.com/other":{"username":"other","password":"7"}}"#,
        )
        .unwrap();
        let users: Vec<_> = found(&auths, "r.example.com", "shop/web")
            .into_iter()
            .map(|access| if let Access::Basic { username, .. } = access { username } else { String::new() })
            .collect();
        assert_eq!(users, ["image", "path", "host", "glob path", "glob", "globs"]);
    }

    #[test]
    fn an_entry_that_cannot_be_read_hides_no_other_one() {
        let auths = DockerAuths::from_legacy(
            br#"{"r.example.com/shop":{"auth":"aHVudGVyMg=="},"r.example.com":{"username":"all","password":"1"}}"#,
        )
        .unwrap();
        assert_eq!(found(&auths, "r.example.com", "shop/web"), [basic("all", "1")]);
    }
}
