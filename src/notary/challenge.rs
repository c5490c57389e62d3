//! [`Challenge`]: what a server wants to be shown (`WWW-Authenticate`, RFC 9110, 11.6.1).

use hyper::header::{HeaderMap, WWW_AUTHENTICATE};

/// What is asked for, of the kinds that can be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A token from a realm.
    Bearer {
        /// Where to get it.
        realm: String,
        /// For whom; absent where the server names none.
        service: Option<String>,
        /// What the token shall permit. Ignored but for administering: clients of Notary compute their own.
        scope: Option<String>,
    },
    /// A user name and a password.
    Basic,
}

impl Challenge {
    /// Reads all challenges of an answer; a token is preferred to a password.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut basic = None;
        for value in headers.get_all(WWW_AUTHENTICATE) {
            for scheme in schemes(value.to_str().unwrap_or_default()) {
                if scheme.name.eq_ignore_ascii_case("bearer") {
                    if let Some(realm) = scheme.param("realm").filter(|realm| !realm.is_empty()) {
                        let (service, scope) = (scheme.param("service"), scheme.param("scope"));
                        return Some(Self::Bearer { realm, service, scope });
                    }
                } else if scheme.name.eq_ignore_ascii_case("basic") {
                    basic = Some(Self::Basic);
                }
            }
        }
        basic
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Scheme {
    name: String,
    params: Vec<(String, String)>,
}

impl Scheme {
    fn param(&self, name: &str) -> Option<String> {
        self.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    }
}

/// Splits a header into schemes with their parameters. What does not parse is left out, not guessed.
fn schemes(header: &str) -> Vec<Scheme> {
    let mut schemes: Vec<Scheme> = Vec::new();
    for part in parts(header) {
        // A part is `name=value`, or begins a scheme: `Scheme`, `Scheme name=value`, `Scheme token68`.
        let (word, rest) = part.split_at(part.find([' ', '\t', '=']).unwrap_or(part.len()));
        let parameter = match rest.trim_start().strip_prefix('=') {
            Some(_) => Some(part),
            None if word.is_empty() => None,
            None => {
                schemes.push(Scheme { name: word.to_owned(), params: Vec::new() });
                Some(rest.trim())
            }
        };
        let parameter = parameter.and_then(|parameter| parameter.split_once('='));
        if let (Some((key, value)), Some(scheme)) = (parameter, schemes.last_mut()) {
            scheme.params.push((key.trim().to_owned(), unquote(value.trim())));
        }
    }
    schemes
}

/// Splits at commas outside quoted strings.
fn parts(header: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    header
        .split(move |c| {
            let separates = c == ',' && !quoted;
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                _ => {}
            }
            separates
        })
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => break,
            '\\' => text.extend(characters.next()),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn of(values: &[&'static str]) -> Option<Challenge> {
        let header = |value: &&'static str| (WWW_AUTHENTICATE, HeaderValue::from_static(value));
        Challenge::of(&values.iter().map(header).collect())
    }

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        scoped(realm, service, None)
    }

    fn scoped(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        let [service, scope] = [service, scope].map(|text| text.map(Into::into));
        Some(Challenge::Bearer { realm: realm.into(), service, scope })
    }

    #[test]
    fn reads_a_token_challenge() {
        let header = r#"Bearer realm="https://auth.example.com/token",service="notary",scope="repository:a/b:push,pull""#;
        let scope = Some("repository:a/b:push,pull");
        assert_eq!(of(&[header]), scoped("https://auth.example.com/token", Some("notary"), scope));
        assert_eq!(of(&[r#"bearer  REALM = "r" , Service=s"#]), bearer("r", Some("s")));
        assert_eq!(
            of(&[r#"Bearer scope="a,b\",realm=x",realm="r""#]),
            scoped("r", None, Some("a,b\",realm=x"))
        );
        assert_eq!(of(&[r#"Bearer realm="https://a/?x=1,2""#]), bearer("https://a/?x=1,2", None));
    }

    #[test]
    fn prefers_a_token_to_a_password_wherever_it_stands() {
        assert_eq!(of(&[r#"Basic realm="a""#]), Some(Challenge::Basic));
        assert_eq!(of(&["Basic"]), Some(Challenge::Basic));
        assert_eq!(of(&[r#"Basic realm="a", Bearer realm="r",service="s""#]), bearer("r", Some("s")));
        assert_eq!(of(&[r#"Basic realm="a""#, r#"Bearer realm="r""#]), bearer("r", None));
        assert_eq!(of(&[r#"Negotiate dG9rZW4=, Basic realm="a""#]), Some(Challenge::Basic));
    }

    #[test]
    fn what_cannot_be_met_is_none() {
        for header in
            ["", ",,", "Negotiate", "Digest realm=\"a\"", "Bearer", "Bearer realm=\"\"", "realm=x", "=,=\""]
        {
            assert_eq!(of(&[header]), None, "{header}");
        }
        assert_eq!(of(&[]), None);
    }
}
