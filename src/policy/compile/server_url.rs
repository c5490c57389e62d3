//! [`server_url`]: the address of a trust server, wherever one is named: a policy, an option, a variable, a test.

use url::{Host, Url};

/// What the address of a trust server is.
const EXPECTED: &str =
    "write https://HOST[:PORT][/PATH]; http:// is for localhost, 127.0.0.0/8 and [::1] only";

/// Why a text is not the address of a trust server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerUrlError {
    /// It cannot be read.
    #[error("{shown:?} is no URL ({cause}): {EXPECTED}")]
    NotUrl {
        /// What was written, without a user and password.
        shown: String,
        /// What is wrong with it.
        cause: url::ParseError,
    },
    /// Another scheme, or plain http to another machine.
    #[error("{shown:?} cannot be used: {EXPECTED}")]
    Scheme {
        /// What was written.
        shown: String,
    },
    /// A part that no request could have.
    #[error("a trust server's URL has no user, query or fragment")]
    Extra,
    /// A path of the API, to which the client would add the API's path again. notary's and docker's clients do: to
    /// notary-server the repository then has another name, under which no root is valid.
    #[error("the path of {url} belongs to the API, and is added to every request: write {instead}")]
    ApiPath {
        /// What was written.
        url: String,
        /// What was meant.
        instead: String,
    },
}

/// Reads a trust server's URL: https, or http to this machine (design §2). Scheme and host are in lower case then, the
/// scheme's own port is left out, and so are slashes at the end: two spellings of one server are one server.
///
/// # Errors
/// What to write instead.
pub fn server_url(server: &str) -> Result<Url, ServerUrlError> {
    // Never a password that stands before the host.
    let shown = || server.rsplit('@').next().unwrap_or_default().chars().take(128).collect();
    let url = Url::parse(server).map_err(|cause| ServerUrlError::NotUrl { shown: shown(), cause })?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user || url.query().is_some() || url.fragment().is_some() {
        return Err(ServerUrlError::Extra);
    }
    let loopback = match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" if url.has_host() => {}
        "http" if loopback => {}
        _ => return Err(ServerUrlError::Scheme { shown: shown() }),
    }
    let url = without_trailing_slash(url);
    match before_api(url.path()).map(str::to_owned) {
        None => Ok(url),
        Some(path) => {
            let mut instead = url.clone();
            instead.set_path(&path);
            let text = |url: Url| url.as_str().trim_end_matches('/').to_owned();
            Err(ServerUrlError::ApiPath { url: text(url), instead: text(instead) })
        }
    }
}

/// The path before that of the API: `/v2` at the end, or anywhere with a repository after it.
fn before_api(path: &str) -> Option<&str> {
    let is_below = path.contains("/_trust/") || path.ends_with("/_trust");
    path.strip_suffix("/v2")
        .or_else(|| path.split_once("/v2/").filter(|_| is_below).map(|(before, _)| before))
}

/// The one form of a server's URL: no trailing slash but the root's.
pub fn without_trailing_slash(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(server: &str) -> Result<String, String> {
        server_url(server).map(Into::into).map_err(|error| error.to_string())
    }

    #[test]
    fn one_server_has_one_address_however_it_is_written() {
        for written in [
            "https://notary.example.com",
            "HTTPS://Notary.Example.COM:443//",
            " https://notary.example.com/ ",
        ] {
            assert_eq!(read(written).unwrap(), "https://notary.example.com/", "{written}");
        }
        for written in ["https://notary.example.com:4443/trust", "https://notary.example.com:4443/./trust//"]
        {
            assert_eq!(read(written).unwrap(), "https://notary.example.com:4443/trust", "{written}");
        }
        assert_eq!(read("http://[::1]:4443/").unwrap(), "http://[::1]:4443/");
    }

    #[test]
    fn a_path_of_the_api_is_refused_with_what_was_meant() {
        for (written, url, instead) in [
            ("https://a.test/v2", "https://a.test/v2", "https://a.test"),
            ("https://a.test:4443/v2/", "https://a.test:4443/v2", "https://a.test:4443"),
            ("https://a.test/trust/v2", "https://a.test/trust/v2", "https://a.test/trust"),
            (
                "https://a.test/v2/registry.test/web/_trust/tuf/",
                "https://a.test/v2/registry.test/web/_trust/tuf",
                "https://a.test",
            ),
        ] {
            let expected = format!(
                "the path of {url} belongs to the API, and is added to every request: write {instead}"
            );
            assert_eq!(read(written).unwrap_err(), expected);
        }
        assert_eq!(read("https://a.test/v2x").unwrap(), "https://a.test/v2x");
        assert_eq!(read("https://a.test/v2/notary").unwrap(), "https://a.test/v2/notary");
    }

    #[test]
    fn what_cannot_be_an_address_is_refused_and_no_password_is_shown() {
        let extra = "a trust server's URL has no user, query or fragment";
        for written in
            ["https://user:pw@a.test", "https://a.test?x=1", "https://a.test/#x", "https://user@a.test"]
        {
            assert_eq!(read(written).unwrap_err(), extra, "{written}");
        }
        assert_eq!(
            read("https://user:pw@a test").unwrap_err(),
            format!("\"a test\" is no URL (invalid international domain name): {EXPECTED}")
        );
        assert_eq!(
            read("a.test").unwrap_err(),
            format!("\"a.test\" is no URL (relative URL without a base): {EXPECTED}")
        );
        for written in ["http://a.test", "ftp://a.test", "a.test:4443"] {
            assert_eq!(read(written).unwrap_err(), format!("{written:?} cannot be used: {EXPECTED}"));
        }
    }
}
